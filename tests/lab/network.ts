/**
 * Networks for tests: hosts are network namespaces, their cables go to bridges in a namespace of its own. The machine's
 * own network is never touched, and everything is gone when the network is disposed of.
 */
import { type Argv, commandRunner, type Commands } from "../../src/agent/linux/command.ts";
import { type GuardedProcess, spawnGuarded } from "../support/guarded_process.ts";
import { type Need, programs, root, testWith } from "../support/needs.ts";

const here: Commands = commandRunner();

/** Namespaces are named `sallyport-<pid>-<random>-<name>`: each test file counts for itself, in one process. */
const PREFIX = "sallyport";

/** Registers a test that builds networks; skipped with the reason where that is not possible. */
export function labTest(
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
  needs: readonly Need[] = [],
): void {
  testWith([root, programs("ip", "nsenter"), namespaces, ...needs], name, fn);
}

/** The kernel gives network namespaces, veth pairs and bridges. */
export const namespaces: Need = (() => {
  let answer: string | null | undefined;
  return () => answer ??= tryNamespaces();
})();

function tryNamespaces(): string | null {
  const script = "ip link add v0 type veth peer name v1 && ip link add b0 type bridge";
  const { success } = new Deno.Command("unshare", {
    args: ["--net", "sh", "-c", script],
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success ? null : "needs network namespaces, veth and bridges";
}

/** A cable of a host. */
export interface Cable {
  /** The interface's name on the host, e.g. `eth1`. */
  readonly name: string;
  /** The bridge at its other end; made when it is first named. */
  readonly bridge: string;
  /** With prefix length, e.g. `10.0.0.1/24`. */
  readonly address?: string;
  /** Likewise, e.g. `fd00::1/64`; the interface has no IPv6 without. */
  readonly address6?: string;
}

/** `silent`: packets vanish, the carrier stays, as behind a dead switch. `unplugged`: the carrier is gone too. */
export type Cut = "silent" | "unplugged";

export class Network implements AsyncDisposable {
  readonly id: string;
  readonly #switch: Host;
  readonly #bridges = new Map<string, Promise<void>>();
  readonly #hosts: Host[] = [];
  #ports = 0;

  private constructor(id: string) {
    this.id = id;
    this.#switch = new Host({ network: this, id, name: "switch" });
  }

  /** Programs of the machine's own network that end with this one. */
  readonly outside = new Place();

  static async create(): Promise<Network> {
    await sweep();
    const network = new Network(`${PREFIX}-${Deno.pid}-${crypto.randomUUID().slice(0, 4)}`);
    await network.#make(network.#switch);
    return network;
  }

  /** Makes a host with these cables, all up. */
  async host(name: string, cables: readonly Cable[] = []): Promise<Host> {
    const host = new Host({ network: this, id: this.id, name });
    await this.#make(host);
    for (const cable of cables) await this.plug(host, cable);
    return host;
  }

  async #make(host: Host): Promise<void> {
    this.#hosts.push(host);
    await here.run(["ip", "netns", "add", host.namespace]);
    // Neighbour discovery is only noise where everything is IPv4.
    await host.sysctl("net/ipv6/conf/all/disable_ipv6", 1);
    await host.sysctl("net/ipv6/conf/default/disable_ipv6", 1);
    await host.ip("link", "set", "lo", "up");
  }

  /** Gives a host another cable. */
  async plug(host: Host, { name, bridge, address, address6 }: Cable): Promise<void> {
    await this.#bridge(bridge);
    const port = `p${this.#ports++}`;
    const inside = ["netns", host.namespace, "name", name];
    await this.#switch.ip("link", "add", port, "type", "veth", "peer", ...inside);
    await this.#switch.ip("link", "set", port, "master", bridge, "up");
    await host.ip("link", "set", "dev", name, "up");
    if (address !== undefined) await host.ip("addr", "add", address, "dev", name);
    if (address6 !== undefined) await host.useIPv6(name, address6);
    const set = (...change: string[]) => this.#switch.ip("link", "set", port, ...change);
    host.addCable(name, {
      cut: (how) => how === "silent" ? set("nomaster") : set("down"),
      restore: () => set("master", bridge, "up"),
    });
  }

  /** Hosts that are made at the same time wait for one bridge. */
  #bridge(name: string): Promise<void> {
    const made = this.#bridges.get(name) ?? this.#makeBridge(name);
    this.#bridges.set(name, made);
    return made;
  }

  async #makeBridge(name: string): Promise<void> {
    // No learning pause for a new port, and no multicast filtering.
    const quiet = ["stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"];
    await this.#switch.ip("link", "add", name, "type", "bridge", ...quiet);
    await this.#switch.ip("link", "set", name, "up");
  }

  /** Ends all programs and removes all namespaces. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.outside, ...this.#hosts].map((host) => host.stopAll()));
    for (const host of this.#hosts.reverse()) {
      // Also what programs left behind that were killed, as an agent's fping: it would run for ever.
      await host.killLeftovers();
      await here.run(["ip", "netns", "del", host.namespace]).catch(() => {});
    }
  }
}

interface Plug {
  readonly cut: (how: Cut) => Promise<unknown>;
  readonly restore: () => Promise<unknown>;
}

interface HostIdentity {
  readonly network: Network;
  readonly id: string;
  readonly name: string;
}

export interface ProgramOptions {
  /** File that gets what the program prints. */
  readonly log: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Where programs run: a host, or the machine itself. */
export class Place {
  readonly #running = new Set<GuardedProcess>();

  /** Put before a program to run it here; it becomes the program, so its pid is the program's. */
  get prefix(): readonly string[] {
    return [];
  }

  /** Starts a program that ends with the network at the latest. */
  spawn(argv: readonly string[], { log, env = {} }: ProgramOptions): GuardedProcess {
    // The program makes it a little later; until then it can be read as well.
    Deno.writeTextFileSync(log, "", { append: true });
    const whole = [...this.prefix, ...argv];
    const process = spawnGuarded({ name: argv.join(" "), argv: whole, log, env });
    this.#running.add(process);
    void process.exited.then(() => this.#running.delete(process));
    return process;
  }

  /** Kills every program that `spawn` started here. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((process) => process.stop({ graceMilliseconds: 0 })));
  }
}

export class Host extends Place {
  readonly name: string;
  readonly namespace: string;
  readonly network: Network;
  /** Programs run through it run on this host. */
  readonly commands: Commands;
  readonly #cables = new Map<string, Plug>();
  readonly #addresses6 = new Map<string, string>();

  constructor({ network, id, name }: HostIdentity) {
    super();
    this.network = network;
    this.name = name;
    this.namespace = `${id}-${name}`;
    this.commands = commandRunner({ prefix: this.prefix });
  }

  override get prefix(): readonly string[] {
    return ["nsenter", `--net=/run/netns/${this.namespace}`];
  }

  /** Kills whatever still runs in this host's namespace. */
  async killLeftovers(): Promise<void> {
    const text = await here.run(["ip", "netns", "pids", this.namespace]).catch(() => "");
    for (const pid of text.split("\n").filter(Boolean).map(Number)) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  /** Runs a program to its end and gives its output. */
  run(argv: Argv, stdin?: string): Promise<string> {
    return this.commands.run(argv, stdin === undefined ? {} : { stdin });
  }

  /** `ip` on this host. */
  ip(...args: string[]): Promise<string> {
    return here.run(["ip", "-n", this.namespace, ...args]);
  }

  /** Sets e.g. `net/ipv4/conf/eth1/arp_accept`. */
  async sysctl(path: string, value: number): Promise<void> {
    await this.run(["sh", "-c", `echo ${value} > /proc/sys/${path}`]);
  }

  /** The interface's MAC address, lower case. */
  async macOf(name: string): Promise<string> {
    const text = await this.ip("-json", "link", "show", "dev", name);
    return /"address":"([^"]+)"/.exec(text)?.[1] ?? "";
  }

  /** Gives it another cable. */
  useCable(cable: Cable): Promise<void> {
    return this.network.plug(this, cable);
  }

  /** Switches IPv6 on at an interface, ready at once, and gives it an address, which it keeps (see {@linkcode regainIPv6}). */
  async useIPv6(name: string, address: string): Promise<void> {
    this.#addresses6.set(name, address);
    const path = `net/ipv6/conf/${name}`;
    await this.sysctl(`${path}/accept_dad`, 0);
    await this.sysctl(`${path}/accept_ra`, 0);
    await this.sysctl(`${path}/router_solicitations`, 0);
    await this.sysctl("net/ipv6/conf/lo/disable_ipv6", 0);
    await this.sysctl(`${path}/disable_ipv6`, 0);
    await this.ip("addr", "add", address, "dev", name, "nodad");
  }

  /** Gives interfaces back the addresses that the kernel removes where one is set down, as a host's own programs do. */
  async regainIPv6(): Promise<void> {
    for (const [name, address] of this.#addresses6) {
      await this.ip("addr", "replace", address, "dev", name, "nodad");
    }
  }

  /** What this host's ARP or neighbour table has for an address: a MAC address, or undefined. */
  async arpEntry(ip: string): Promise<string | undefined> {
    const text = await this.ip(familyFlag(ip), "neigh", "show", ip);
    return /lladdr (\S+)/.exec(text)?.[1];
  }

  /** The source address that this host would use to reach another. */
  async sourceFor(destination: string): Promise<string> {
    const text = await this.ip(familyFlag(destination), "route", "get", destination);
    return /src (\S+)/.exec(text)?.[1] ?? "";
  }

  addCable(name: string, plug: Plug): void {
    this.#cables.set(name, plug);
  }

  /** Cuts these interfaces' cables; default: all. */
  async cut({ how = "silent", only }: CutOptions = {}): Promise<void> {
    await Promise.all(this.#chosen(only).map(({ cut }) => cut(how)));
  }

  /** Mends these interfaces' cables; default: all. */
  async restore({ only }: Pick<CutOptions, "only"> = {}): Promise<void> {
    await Promise.all(this.#chosen(only).map(({ restore }) => restore()));
  }

  #chosen(only: readonly string[] = [...this.#cables.keys()]): readonly Plug[] {
    return only.map((name) => {
      const plug = this.#cables.get(name);
      if (plug === undefined) throw new Error(`Host '${this.name}' has no cable '${name}'`);
      return plug;
    });
  }
}

function familyFlag(ip: string): "-4" | "-6" {
  return ip.includes(":") ? "-6" : "-4";
}

export interface CutOptions {
  readonly how?: Cut;
  readonly only?: readonly string[];
}

/** Removes what runs left behind that were killed: their pid is in the name. */
async function sweep(): Promise<void> {
  for (const line of (await here.run(["ip", "netns", "list"])).split("\n")) {
    const [, namespace, pid] = new RegExp(`^(${PREFIX}-(\\d+)-\\S+)`).exec(line) ?? [];
    if (namespace === undefined || isAlive(Number(pid))) continue;
    await here.run(["ip", "netns", "del", namespace]).catch(() => {});
  }
}

/** Whether there is such a process. */
export function isAlive(pid: number): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}
