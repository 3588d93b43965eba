/** What commands are made of: their flags, and what they work on. */
import process from "node:process";
import { Command, Option } from "commander";
import type { KubeClient } from "../../kube/client.ts";
import { withClient } from "../../program/connect.ts";
import { createLogger } from "../../program/log.ts";
import { toStderr } from "../../program/run_program.ts";
import type { Program, Running } from "../../program/run_program.ts";
import { LOG_SETTINGS } from "../../program/settings.ts";
import type { SettingName } from "../../program/settings.ts";
import { settingsOf, withSettings } from "./setting_flags.ts";
import { duration } from "./arguments.ts";
import { SOURCE_SETTINGS } from "./source.ts";
import type { SourceSettings } from "./source.ts";
import { stop } from "./stop.ts";
import { complain, markLines } from "./terminal.ts";

export type Flags = Readonly<Record<string, unknown>>;

/** A command that has these settings as flags. */
export function command(
  name: string,
  description: string,
  settings: readonly SettingName[],
): Command {
  return withSettings(new Command(name).description(description), settings);
}

/** A command that runs a program, as the function of its name does. */
export function running<Name extends SettingName>(
  name: string,
  description: string,
  { settings, run }: Program<Name>,
): Command {
  return command(name, description, [...settings, ...LOG_SETTINGS]).action(
    (flags: Flags) => runWith(settings, { flags, run }),
  );
}

/** Runs a program with the settings that flags and environment say; its outcome is the exit code. */
export async function runWith<Name extends SettingName>(
  names: readonly Name[],
  { flags, run }: { readonly flags: Flags; readonly run: Program<Name>["run"] },
): Promise<void> {
  const settings = settingsOf([...names, ...LOG_SETTINGS], flags);
  const logger = createLogger({
    format: settings.logFormat,
    level: settings.logLevel,
    write: toStderr,
  });
  const running: Running = { logger, signal: stop };
  process.exitCode = await run(settings, running) ? 0 : 1;
}

/** A command that only reads, from a cluster or from files. */
export function onSnapshot(name: string, description: string): Command {
  return command(name, description, SOURCE_SETTINGS)
    .addOption(
      new Option(
        "--from <files...>",
        "read objects from YAML files instead of a cluster; -: standard input",
      ),
    )
    .option("--now <time>", "with --from: the time to decide for, RFC 3339");
}

/** A command that changes one thing in a cluster, which it names before it writes. */
export function onCluster(name: string, description: string): Command {
  return command(name, description, SOURCE_SETTINGS);
}

export function timeoutOption(description: string): Option {
  return new Option("--timeout <duration>", description).argParser(duration).default(60_000, "60s");
}

/** Works on the cluster that the flags name, and says which one that is. In a dry run every line says so. */
export function inCluster<T>(
  flags: Flags & { readonly dryRun?: boolean },
  work: (client: KubeClient, settings: SourceSettings) => Promise<T>,
): Promise<T> {
  if (flags.dryRun) markLines(" (dry run)");
  const settings = settingsOf(SOURCE_SETTINGS, flags);
  return withClient({
    ...settings,
    unnamed: "KUBECONFIG",
    onCluster: ({ name, server }) => complain(`On cluster ${server} (context ${name}):`),
  }, (client) => work(client, settings));
}
