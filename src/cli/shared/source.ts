/** Where a command gets its snapshot from: a named cluster, or files. */
import process from "node:process";
import type { Snapshot } from "../../core/types.ts";
import { ConfigError } from "../../kube/errors.ts";
import { observe } from "../../cluster/observe.ts";
import type { Controllers } from "../../core/controllers.ts";
import { readControllers } from "../../cluster/read_controllers.ts";
import { readStatuses } from "../../cluster/read_statuses.ts";
import type { Statuses } from "../../cluster/read_statuses.ts";
import { withClient } from "../../program/connect.ts";
import { CILIUM_SETTINGS, ciliumPods, CLUSTER_SETTINGS } from "../../program/settings.ts";
import type { Settings } from "../../program/settings.ts";
import { settingsOf } from "./setting_flags.ts";
import { snapshotFromFiles } from "./from_files.ts";
import { complain } from "./terminal.ts";

/** The settings of a command that reads. */
export const SOURCE_SETTINGS = [...CLUSTER_SETTINGS, ...CILIUM_SETTINGS] as const;

export interface SourceFlags {
  readonly from?: readonly string[];
  readonly now?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
}

/**
 * Reads a snapshot that something can be decided from.
 *
 * @param options.everyNode also nodes that no gateway is about
 * @throws CiliumNotFoundError where there is not one pod of Cilium
 */
export function readSnapshot(
  flags: SourceFlags,
  { everyNode = false }: { readonly everyNode?: boolean } = {},
): Promise<Snapshot> {
  const everyNodeUpTo = everyNode ? { everyNodeUpTo: Infinity } : {};
  return read<Snapshot>(flags, {
    files: (files, settings) =>
      snapshotFromFiles(files, { now: flags.now, cilium: ciliumPods(settings), onNote: note }),
    cluster: (settings) =>
      withClient(
        { ...settings, unnamed: "CurrentContext" },
        (client) => observe(client, { cilium: ciliumPods(settings), ...everyNodeUpTo }),
      ),
  });
}

/** What gateways and policies say of themselves, and whether anybody keeps that true; files do not tell. */
export type OwnStatuses = Statuses & { readonly controllers?: Controllers };

/** Reads what gateways and policies say of themselves; nothing can be decided from that. */
export function readOwnStatuses(flags: SourceFlags): Promise<OwnStatuses> {
  return read<OwnStatuses>(flags, {
    files: (files) => snapshotFromFiles(files, { now: flags.now, onNote: note }),
    cluster: (settings) =>
      withClient({ ...settings, unnamed: "CurrentContext" }, async (client) => {
        const statuses = await readStatuses(client);
        return { ...statuses, controllers: await readControllers(client, statuses) };
      }),
  });
}

/** Reads from files or from a cluster, whichever the flags name. */
export async function read<T>(
  flags: SourceFlags,
  from: {
    readonly files: (files: readonly string[], settings: SourceSettings) => Promise<T>;
    readonly cluster: (settings: SourceSettings) => Promise<T>;
  },
): Promise<T> {
  const settings = settingsOf(SOURCE_SETTINGS, { ...flags });
  if (flags.from !== undefined) {
    if (flags.kubeconfig !== undefined || flags.context !== undefined) {
      throw new ConfigError(
        "Cannot read from files and from a cluster: give --from or --kubeconfig, not both",
      );
    }
    return await from.files(flags.from, settings);
  }
  if (flags.now !== undefined) {
    throw new ConfigError("Cannot set the time of a cluster: give --now only with --from");
  }
  return await from.cluster(settings);
}

export type SourceSettings = Pick<Settings, typeof SOURCE_SETTINGS[number]>;

export function note(text: string): void {
  complain(`Note: ${text}`);
}

/** Says which objects were left out, and lets the exit code tell it too. */
export function reportInvalid({ invalid }: Pick<Snapshot, "invalid">): void {
  for (const { kind, name, message } of invalid) {
    complain(`Cannot read ${kind} '${name}': ${message}`);
  }
  if (invalid.length > 0) process.exitCode = 1;
}
