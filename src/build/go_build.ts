/** `go build` with a line of progress every ten seconds, which a test runner shows at once. */
import { exists } from "./cache.ts";

export interface GoBuildOptions {
  /** What is built, for messages. */
  readonly name: string;
  /** Module directory. */
  readonly cwd: string;
  readonly args: readonly string[];
}

/** @throws Error with the compiler's last lines */
export async function goBuild({ name, cwd, args }: GoBuildOptions): Promise<void> {
  const start = performance.now();
  const elapsed = () => `${Math.round((performance.now() - start) / 1000)} s`;
  const child = new Deno.Command("go", {
    // `-v` names each package when it is compiled.
    args: ["build", "-v", "-trimpath", "-buildvcs=false", ...args],
    cwd,
    env: { CGO_ENABLED: "0", GOWORK: "off" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let last: readonly string[] = [];
  let count = 0;
  const timer = setInterval(
    () => say(`Building ${name}: ${elapsed()}, ${count} packages done, now ${last.at(-1) ?? "-"}`),
    10_000,
  );
  try {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      const added = text.split("\n").filter((line) => line !== "");
      count += added.length;
      last = [...last, ...added].slice(-20);
    }
    const { code } = await child.status;
    if (code !== 0) {
      throw new Error(`Cannot build ${name}: go build exited with ${code}:\n${last.join("\n")}`);
    }
  } finally {
    clearInterval(timer);
  }
  say(`Built ${name} in ${elapsed()}`);
}

/** Whether `go` is on PATH. */
export function hasGo(): boolean {
  return isOnPath("go");
}

/** Whether a program is on PATH, or where only root's PATH leads. */
export function isOnPath(program: string): boolean {
  const directories = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"];
  return directories.some((directory) => exists(`${directory}/${program}`));
}

/** Writes a line to stderr, which a test runner shows at once. */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
