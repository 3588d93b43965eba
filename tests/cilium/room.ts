/**
 * A host as an operating system would be: beside its network it has mounts, a BPF file system, `/run/cilium` and a
 * cgroup of its own. They outlive the programs, as on a real host, so that what a Cilium agent pinned stays when the
 * agent ends.
 */
import { commandRunner, type Commands } from "../../src/agent/linux/command.ts";
import { type Host, isAlive } from "../lab/network.ts";
import { until } from "../lab/wait.ts";
import { exists } from "../../src/build/cache.ts";
import type { GuardedProcess } from "../support/guarded_process.ts";
import type { Need } from "../support/needs.ts";

/** Where cgroup v2 is mounted: alone, or beside v1. */
const CGROUP_ROOTS = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/** The kernel gives what a room needs. */
export const rooms: Need = () =>
  cgroupRoot() === undefined
    ? "needs cgroup v2"
    : exists("/sys/fs/bpf")
    ? null
    : "needs a kernel with BPF";

function cgroupRoot(): string | undefined {
  return CGROUP_ROOTS.find((root) => exists(`${root}/cgroup.controllers`));
}

export class Room implements AsyncDisposable {
  readonly host: Host;
  /** Programs run through it run in the room. */
  readonly commands: Commands;
  readonly #cgroup: string;
  readonly #holder: GuardedProcess;

  private constructor(host: Host, { cgroup, holder }: { cgroup: string; holder: GuardedProcess }) {
    this.host = host;
    this.#cgroup = cgroup;
    this.#holder = holder;
    this.commands = commandRunner({ prefix: this.prefix });
  }

  /** @param dir folder of this host's own, for logs and for what it mounts */
  static async make(host: Host, dir: string): Promise<Room> {
    const cgroup = `${cgroupRoot()}/${host.namespace}`;
    await sweep();
    await Deno.mkdir(cgroup);
    await Deno.mkdir(`${dir}/run`, { recursive: true });
    const furnish = [
      "mount -t bpf bpf /sys/fs/bpf",
      "mkdir -p /run/cilium",
      `mount --bind ${dir}/run /run/cilium`,
      `touch ${dir}/furnished`,
      "exec sleep infinity",
    ].join(" && ");
    const unshare = [
      "unshare",
      "--cgroup",
      "--mount",
      "--propagation",
      "slave",
      "sh",
      "-c",
      furnish,
    ];
    const holder = host.spawn(inCgroup(cgroup, unshare), { log: `${dir}/room.log` });
    await until(`the mounts of '${host.name}'`, () => exists(`${dir}/furnished`));
    return new Room(host, { cgroup, holder });
  }

  /** Put before a program to run it here; it becomes the program. */
  get prefix(): readonly string[] {
    const enter = ["nsenter", "-t", String(this.#holder.pid), "--mount", "--net", "--cgroup", "--"];
    return inCgroup(this.#cgroup, enter);
  }

  /** Starts a program that ends with the network at the latest. */
  spawn(
    argv: readonly string[],
    options: { readonly log: string; readonly env?: Readonly<Record<string, string>> },
  ): GuardedProcess {
    return this.host.spawn([...this.prefix, ...argv], options);
  }

  /** Kills everything in the room, what programs left behind too. */
  async [Symbol.asyncDispose](): Promise<void> {
    await endCgroup(this.#cgroup);
    await this.#holder.stop({ graceMilliseconds: 0 });
  }
}

/** Removes the cgroups of runs that were killed: their pid is in the name. */
async function sweep(): Promise<void> {
  for await (const { name } of Deno.readDir(cgroupRoot() ?? "")) {
    const pid = /^sallyport-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await endCgroup(`${cgroupRoot()}/${name}`);
  }
}

async function endCgroup(path: string): Promise<void> {
  await Deno.writeTextFile(`${path}/cgroup.kill`, "1");
  // A process that was killed leaves its cgroup a moment later.
  const isRemoved = () => Deno.remove(path).then(() => true, () => !exists(path));
  await until(`the end of cgroup ${path}`, isRemoved, { timeoutMilliseconds: 20_000 });
}

/** A shell moves itself into the cgroup and becomes the program. */
function inCgroup(cgroup: string, argv: readonly string[]): readonly string[] {
  return ["sh", "-c", `echo $$ > ${cgroup}/cgroup.procs && exec "$@"`, "sh", ...argv];
}
