/** The one place that starts programs: each is run to its end within a time limit, or read line by line. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** A program and its arguments. No shell takes part. */
export type Argv = readonly [string, ...string[]];

export interface RunOptions {
  /** Written to the program's standard input. */
  readonly stdin?: string;
  /** After this long the program is killed and the run fails. Milliseconds, default 5000. */
  readonly timeoutMilliseconds?: number;
  /** Kills the program; the run fails with the signal's reason as its cause. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs a program to its end and gives its standard output. Throws {@linkcode CommandError}. */
export type Run = (argv: Argv, options?: RunOptions) => Promise<string>;

export interface FollowOptions {
  /** Called with each line of standard output. */
  readonly onLine: (line: string) => void;
  /** Called with each line of standard error. */
  readonly onErrorLine?: (line: string) => void;
  /** Keeps standard input open for `write`; else there is none. */
  readonly writable?: boolean;
  /** Kills the program; it then counts as ended, not as failed. */
  readonly signal?: AbortSignal | undefined;
}

/** A program that is still running. */
export interface Followed {
  /** Settles once the program runs, or cannot be started (rejects). */
  readonly started: Promise<void>;
  /** Resolves when the program ends by `stop`, the signal, or exit code 0; else rejects. */
  readonly ended: Promise<void>;
  /** Writes to the standard input of a program that was started as writable. */
  write(text: string): void;
  /** Kills the program; safe to call at any time. */
  stop(): void;
}

/** Starts a program and reads its output while it runs. */
export type Follow = (argv: Argv, options: FollowOptions) => Followed;

/** How the agent's modules reach the system's tools; tests give one that enters a network namespace. */
export interface Commands {
  readonly run: Run;
  readonly follow: Follow;
}

/** A program that could not be started, ran too long, was killed, or ended with another code than 0. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly argv: Argv;
  /** Absent when the program was never started, or was killed. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(argv: Argv, problem: string, details: CommandErrorDetails = {}) {
    const { stdout = "", stderr = "", exitCode, cause } = details;
    const said = stderr.trim().split("\n")[0];
    const message = `Cannot run '${argv[0]}': ${problem}${said ? `: ${said}` : ""}`;
    super(message, cause === undefined ? undefined : { cause });
    this.argv = argv;
    this.exitCode = exitCode;
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

interface CommandErrorDetails {
  readonly exitCode?: number | undefined;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly cause?: unknown;
}

/**
 * Makes the functions that start programs.
 *
 * @param options.prefix Put before each program, e.g. `["ip", "netns", "exec", "node-a"]`. It must replace itself by
 * the program (exec), so that killing it kills the program.
 */
export function commandRunner({ prefix = [] }: { prefix?: readonly string[] } = {}): Commands {
  const start: Start = (argv, stdin) => {
    const [program = argv[0], ...args] = [...prefix, ...argv];
    return spawn(program, args, { stdio: [stdin, "pipe", "pipe"] });
  };
  return {
    run: (argv, options = {}) => runToEnd(argv, { ...options, start }),
    follow: (argv, options) => followLines(argv, { ...options, start }),
  };
}

/** Programs run where the agent runs. */
export const hostCommands: Commands = commandRunner();

type Start = (argv: Argv, stdin: "pipe" | "ignore") => ChildProcess;

interface WithStart {
  readonly start: Start;
}

function runToEnd(argv: Argv, options: RunOptions & WithStart): Promise<string> {
  const { stdin, timeoutMilliseconds = 5000, signal, start } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new CommandError(argv, "aborted", { cause: signal.reason }));
      return;
    }
    const child = start(argv, stdin === undefined ? "ignore" : "pipe");
    let killedFor: { readonly problem: string; readonly cause?: unknown } | undefined;
    const kill = (problem: string, cause?: unknown) => {
      killedFor ??= { problem, cause };
      child.kill("SIGKILL");
    };
    const timer = setTimeout(
      () => kill(`still running after ${timeoutMilliseconds} ms`),
      timeoutMilliseconds,
    );
    const onAbort = () => kill("aborted", signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    const cleanUp = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };

    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    give(child, stdin);
    child.on("error", (cause) => {
      cleanUp();
      reject(new CommandError(argv, cause.message, { cause }));
    });
    child.on("close", (code, killSignal) => {
      cleanUp();
      const output = { stdout: stdout(), stderr: stderr() };
      if (killedFor) {
        reject(new CommandError(argv, killedFor.problem, { ...output, cause: killedFor.cause }));
      } else if (code === 0) resolve(output.stdout);
      else reject(new CommandError(argv, describe(code, killSignal), { ...output, ...exit(code) }));
    });
  });
}

function followLines(
  argv: Argv,
  { onLine, onErrorLine, writable = false, signal, start }: FollowOptions & WithStart,
): Followed {
  let stopped = false;
  const child = start(argv, writable ? "pipe" : "ignore");
  const stop = () => {
    stopped = true;
    child.kill("SIGKILL");
  };
  signal?.addEventListener("abort", stop, { once: true });
  // Who writes to a program that has ended learns that from `ended`.
  child.stdin?.on("error", () => {});
  const stderr = collect(child.stderr);
  if (child.stdout) createInterface({ input: child.stdout }).on("line", onLine);
  if (child.stderr && onErrorLine) {
    createInterface({ input: child.stderr }).on("line", onErrorLine);
  }

  const started = new Promise<void>((resolve, reject) => {
    child.once("spawn", () => resolve());
    child.once("error", (cause) => reject(new CommandError(argv, cause.message, { cause })));
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", (cause) => reject(new CommandError(argv, cause.message, { cause })));
    child.once("close", (code, killSignal) => {
      signal?.removeEventListener("abort", stop);
      if (stopped || code === 0) resolve();
      else {
        reject(
          new CommandError(argv, describe(code, killSignal), { stderr: stderr(), ...exit(code) }),
        );
      }
    });
  });
  // Whoever waits for one of the two still sees its error; nobody is forced to wait for both.
  started.catch(() => {});
  ended.catch(() => {});
  if (signal?.aborted) stop();
  return { started, ended, write: (text) => void child.stdin?.write(text), stop };
}

/** A program that ends without reading its input is judged by its exit code, not by the broken pipe. */
function give(child: ChildProcess, stdin: string | undefined): void {
  child.stdin?.on("error", () => {});
  child.stdin?.end(stdin);
}

/** Text of a stream; only its last 64 KB are kept of a stream that is longer than 1 MB. */
function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    text += chunk;
    if (text.length > 1 << 20) text = text.slice(-(1 << 16));
  });
  return () => text;
}

function describe(code: number | null, killSignal: string | null): string {
  return code === null ? `killed by ${killSignal}` : `exit code ${code}`;
}

function exit(code: number | null): { exitCode?: number } {
  return code === null ? {} : { exitCode: code };
}
