/** How a function runs as a process: its settings, signals, the log, and the mapping of outcomes to exit codes. */
import process from "node:process";
import { parseArgs } from "node:util";
import { messageOf } from "../core/message.ts";
import { ConfigError } from "../kube/errors.ts";
import { createLogger } from "./log.ts";
import type { Logger } from "./log.ts";
import { flagName, isSwitch, LOG_SETTINGS, readSettings, SETTINGS } from "./settings.ts";
import type { SettingName, Settings } from "./settings.ts";

/** 0: done; 1: a tick failed; 2: bad configuration, trying again does not help. */
export type ExitCode = 0 | 1 | 2;

/** What a program has beside its settings. */
export interface Running {
  readonly logger: Logger;
  /** Aborts at the first SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
}

/** A program: which settings it has, and what it does. The functions and the command line run the same ones. */
export interface Program<Name extends SettingName = SettingName> {
  readonly settings: readonly Name[];
  /** Resolves false when something failed, which is in the log then. */
  readonly run: (settings: Pick<Settings, Name>, running: Running) => Promise<boolean>;
}

/** Runs a program with the settings of the environment and of the arguments; ends the process with its exit code. */
export async function runProgram<Name extends SettingName>(
  { settings, run }: Program<Name>,
): Promise<never> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
  let logger = createLogger({ format: "json", level: "info", write: toStderr });
  let code: ExitCode = 1;
  try {
    const flags = readFlags(settings, process.argv.slice(2));
    const read = readSettings([...settings, ...LOG_SETTINGS], { flags, variables: process.env });
    logger = createLogger({ format: read.logFormat, level: read.logLevel, write: toStderr });
    code = await run(read, { logger, signal: stop.signal }) ? 0 : 1;
  } catch (error) {
    if (stop.signal.aborted) code = 0;
    else {
      logger.fatal("{message}", { message: messageOf(error) });
      code = error instanceof ConfigError ? 2 : 1;
    }
  }
  process.exit(code);
}

/** @throws ConfigError for arguments that the program does not have */
export function readFlags(
  names: readonly SettingName[],
  args: readonly string[],
): Readonly<Record<string, string | undefined>> {
  const options = Object.fromEntries([...names, ...LOG_SETTINGS].map((name) => {
    const type: "boolean" | "string" = isSwitch(SETTINGS[name]) ? "boolean" : "string";
    return [flagName(SETTINGS[name]).slice(2), { type }];
  }));
  try {
    const { values } = parseArgs({ args: [...args], options });
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [`--${name}`, String(value)]),
    );
  } catch (cause) {
    throw new ConfigError(`Cannot use the arguments: ${messageOf(cause)}`, { cause });
  }
}

/** Standard output is left to results. */
export function toStderr(line: string): void {
  process.stderr.write(line);
}
