/** Where a command gets its snapshot from: a named cluster, or files. */
import process from "node:process";
import type { Snapshot } from "../core/types.ts";
import { loadCluster } from "../kube/auth/load_cluster.ts";
import type { KubeClient } from "../kube/client.ts";
import { ConfigError } from "../kube/errors.ts";
import { createClient } from "../kube/http.ts";
import { observe } from "../cluster/observe.ts";
import { snapshotFromFiles } from "./from_files.ts";

export interface ClusterFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
}

export interface SourceFlags extends ClusterFlags {
  readonly from?: readonly string[];
  readonly now?: string;
}

/** Reads a snapshot, sorted by name, from wherever the flags say. */
export async function readSnapshot(flags: SourceFlags): Promise<Snapshot> {
  if (flags.from !== undefined) {
    if (flags.kubeconfig !== undefined || flags.context !== undefined) {
      throw new ConfigError(
        "Cannot read from files and from a cluster: give --from or --kubeconfig, not both",
      );
    }
    return await snapshotFromFiles(flags.from, {
      now: flags.now,
      onNote: (note) => process.stderr.write(`Note: ${note}\n`),
    });
  }
  if (flags.now !== undefined) {
    throw new ConfigError("Cannot set the time of a cluster: give --now only with --from");
  }
  return await withClient(flags, (client) => observe(client));
}

/** Runs work with a client of the named cluster and closes it. */
export async function withClient<T>(
  flags: ClusterFlags,
  work: (client: KubeClient) => Promise<T>,
): Promise<T> {
  const client = createClient(await loadCluster(flags));
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
