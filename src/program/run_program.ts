/** How a function runs as a process: signals, the log, and the mapping of outcomes to exit codes. */
import process from "node:process";
import { readEnvironment } from "./environment.ts";
import type { Environment } from "./environment.ts";
import { ConfigError } from "../kube/errors.ts";
import { createLogger } from "./log.ts";
import type { Logger } from "./log.ts";
import { messageOf } from "../core/message.ts";

/** 0: done; 1: a tick failed; 2: bad configuration, trying again does not help. */
export type ExitCode = 0 | 1 | 2;

export interface Program {
  readonly environment: Environment;
  readonly logger: Logger;
  /** Aborts at the first SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
}

/** Runs a function's body and ends the process with its exit code. */
export async function runProgram(body: (program: Program) => Promise<ExitCode>): Promise<never> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
  let logger = createLogger({ format: "json", level: "info" });
  let code: ExitCode = 1;
  try {
    const environment = readEnvironment(process.env);
    logger = createLogger({
      format: environment.SALLYPORT_LOG_FORMAT,
      level: environment.SALLYPORT_LOG_LEVEL,
    });
    code = await body({ environment, logger, signal: stop.signal });
  } catch (error) {
    if (stop.signal.aborted) code = 0;
    else {
      logger.fatal("{message}", {
        message: messageOf(error),
      });
      code = error instanceof ConfigError ? 2 : 1;
    }
  }
  process.exit(code);
}
