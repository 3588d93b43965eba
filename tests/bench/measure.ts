/** What running a program costs, from outside: wall time from its start, and its peak memory. Linux only. */
import { fileURLToPath } from "node:url";
import { planImage } from "../kubelet/dockerfile.ts";
import { readDockerfile } from "../kubelet/images.ts";

/** Flags that a bundle needs nothing of: no type check, no configuration, no package lookup. */
export const DENO_FLAGS = ["run", "-A", "--no-config", "--no-lock", "--no-npm", "--no-remote"];

const PEAK = fileURLToPath(new URL("peak.mjs", import.meta.url));

/** How to run a bundle: the start of the command line, and of one that also tells the peak memory. */
export interface Runtime {
  readonly name: string;
  readonly plain: readonly string[];
  readonly measured: readonly string[];
}

export const DENO: Runtime = {
  name: "Deno",
  plain: [Deno.execPath(), ...DENO_FLAGS],
  measured: [Deno.execPath(), ...DENO_FLAGS, "--preload", PEAK],
};

/** What a function's image adds to that: settings of V8 and the C library, and whether it keeps compiled functions. */
export interface ImageFlags {
  readonly env: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
}

export async function imageFlags(name: string): Promise<ImageFlags> {
  const image = name === "agent" ? "agent" : "controller";
  const { env: { PATH: _path, DENO_DIR: _cache, ...env }, entrypoint } = planImage(
    await readDockerfile(),
    image,
  );
  return {
    env,
    flags: entrypoint.filter((flag) => flag === "--no-code-cache"),
  };
}

/** The Node that npm runs on, where bundles run on it. */
export async function findNode(): Promise<Runtime | undefined> {
  const node = Deno.env.get("SALLYPORT_NODE") ?? "node";
  const { stdout } = await new Deno.Command(node, { args: ["--version"], stderr: "null" }).output();
  const version = new TextDecoder().decode(stdout).trim();
  const [major = 0, minor = 0] = version.replace("v", "").split(".").map(Number);
  if (major < 22 || (major === 22 && minor < 19)) return undefined;
  return { name: `Node ${version}`, plain: [node], measured: [node, "--import", PEAK] };
}

export interface Cost {
  readonly milliseconds: number;
  /** Of all its threads; unlike the wall time hardly more on a machine that has other work. */
  readonly cpuMilliseconds: number;
  /** Peak resident memory. */
  readonly megabytes: number;
}

/** The kernel counts processor time in hundredths of a second (USER_HZ). */
const TICK_MILLISECONDS = 10;

/**
 * Runs a program to its end.
 *
 * @throws Error with its stderr when its exit code is not `code`, default 0
 */
export async function runToExit(
  [file = "", ...args]: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly code?: number } = {},
): Promise<Cost> {
  const { env = {}, code = 0 } = options;
  const peak = await Deno.makeTempFile({ prefix: "sallyport-peak-" });
  try {
    const start = performance.now();
    const output = await new Deno.Command(file, {
      args,
      env: { ...env, PEAK_FILE: peak },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    const milliseconds = performance.now() - start;
    if (output.code !== code) {
      const said = new TextDecoder().decode(output.stderr);
      throw new Error(`Cannot measure ${file}: it exited with ${output.code}: ${said}`);
    }
    const taken = JSON.parse(await Deno.readTextFile(peak)) as Omit<Cost, "milliseconds">;
    return { milliseconds, ...taken };
  } finally {
    await Deno.remove(peak);
  }
}

/**
 * Runs a program until it is ready, then ends it.
 *
 * @throws Error with its stderr when it ends before
 */
export async function runUntil(
  [file = "", ...args]: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly ready: () => Promise<boolean>;
  },
): Promise<Cost> {
  const { env = {}, ready } = options;
  const log = await Deno.makeTempFile({ prefix: "sallyport-bench-" });
  const start = performance.now();
  const child = new Deno.Command("sh", {
    // The shell becomes the program, so that the pid is the program's own.
    args: ["-c", 'log=$1; shift; exec "$@" 2>"$log"', "sh", log, file, ...args],
    env,
    stdin: "null",
    stdout: "null",
  }).spawn();
  let ended = false;
  const status = child.status.then(() => void (ended = true));
  try {
    while (!await ready().catch(() => false)) {
      if (ended) {
        throw new Error(`Cannot measure ${file}: it ended: ${await Deno.readTextFile(log)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const milliseconds = performance.now() - start;
    const [status, stat] = await Promise.all(
      ["status", "stat"].map((file) => Deno.readTextFile(`/proc/${child.pid}/${file}`)),
    );
    const kilobytes = Number(/VmHWM:\s+(\d+)/.exec(status ?? "")?.[1]);
    // Fields 14 and 15, counted behind the name in parentheses (proc_pid_stat(5)).
    const [user, system] = stat?.split(") ")[1]?.split(" ").slice(11, 13).map(Number) ?? [];
    const cpuMilliseconds = ((user ?? NaN) + (system ?? NaN)) * TICK_MILLISECONDS;
    return { milliseconds, cpuMilliseconds, megabytes: kilobytes / 1024 };
  } finally {
    if (!ended) child.kill("SIGTERM");
    await status;
    await Deno.remove(log);
  }
}

/** The middle one of an odd number of values, and between which they lie. */
export interface Spread {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const pick = (index: number) => sorted[index] ?? NaN;
  return {
    least: pick(0),
    median: pick(Math.floor(sorted.length / 2)),
    most: pick(sorted.length - 1),
  };
}
