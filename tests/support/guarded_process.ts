/** Child processes that never outlive the process that started them, however that one ends. */

export interface GuardedProcess {
  readonly name: string;
  readonly pid: number;
  /** Everything that it printed goes to this file. */
  readonly log: string;
  /** The exit status once there is one. */
  readonly exited: Promise<Deno.CommandStatus>;
  /** The same without waiting; undefined while it runs. */
  exitStatus(): Deno.CommandStatus | undefined;
  /**
   * Sends SIGTERM, and SIGKILL when that was not obeyed within `graceMilliseconds` (default 10 000; 0: SIGKILL at once).
   * Resolves when it is gone.
   */
  stop(options?: { readonly graceMilliseconds?: number }): Promise<void>;
}

/**
 * The shell becomes the program, so that the pid is the program's own, and leaves a guard behind that waits on our end
 * of a pipe: a line read means that we stopped the program ourselves, end of file that we are dead. The kernel closes
 * the pipe even after SIGKILL. The guard ignores SIGINT, which a terminal sends to all of us.
 */
const GUARD = `
log=$1 scratch=$2; shift 2
exec 3<&0
{
  trap "" INT HUP
  if ! read -r released; then
    kill -TERM $$; sleep 3; kill -KILL $$
    if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
  fi
} <&3 >/dev/null 2>&1 3<&- &
exec "$@" </dev/null >>"$log" 2>&1 3<&-
`;

export interface SpawnOptions {
  /** For messages. */
  readonly name: string;
  readonly argv: readonly string[];
  /** File that gets what it prints, appended. */
  readonly log: string;
  /** A directory that the guard removes when we died without stopping the program. */
  readonly scratch?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a program under guard. */
export function spawnGuarded(
  { name, argv, log, scratch = "", env = {} }: SpawnOptions,
): GuardedProcess {
  const child = new Deno.Command("sh", {
    args: ["-c", GUARD, "guard", log, scratch, ...argv],
    stdin: "piped",
    stdout: "null",
    stderr: "inherit",
    env,
  }).spawn();
  let status: Deno.CommandStatus | undefined;
  const exited = child.status.then(async (ended) => {
    status = ended;
    await release(child.stdin);
    return ended;
  });
  return {
    name,
    pid: child.pid,
    log,
    exited,
    exitStatus: () => status,
    async stop({ graceMilliseconds = 10_000 } = {}) {
      if (status === undefined) signal(child, graceMilliseconds > 0 ? "SIGTERM" : "SIGKILL");
      const timer = setTimeout(() => signal(child, "SIGKILL"), graceMilliseconds);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Tells the guard that the program is gone and that its pid may be another's by now. */
async function release(guard: WritableStream<Uint8Array>): Promise<void> {
  const writer = guard.getWriter();
  try {
    await writer.write(new TextEncoder().encode("released\n"));
    await writer.close();
  } catch {
    // The guard was killed as well: nothing is left to be told.
  }
}

function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch (error) {
    // It ended by itself meanwhile.
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}
