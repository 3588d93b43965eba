/**
 * The lab for agents: gateway nodes, a client, an observer that only keeps an ARP table, and a place where the API
 * server is reached; each a network namespace.
 *
 *     cluster bridge 10.50.0.0/24:  nodes' eth0 .11 .12 …   control plane .100
 *     public bridge  10.60.0.0/24:  nodes' eth1 .11 .12 …   client .50   observer .60   VIPs from .200
 *     and, where IPv6 is asked for, fd00:60::/64 with the same numbers
 *
 * The client is the nodes' default gateway and looks for 203.0.113.0/24 on the public bridge, so that VIPs outside the
 * nodes' subnet work as well. Each node runs a UDP responder that says its name, for whatever address it has.
 */
import { parse, stringify } from "yaml";
import type { Argv } from "../../src/agent/linux/command.ts";
import type { GuardedProcess } from "../support/guarded_process.ts";
import { denoProgram } from "./deno_program.ts";
import { type Host, isAlive, Network, type Place } from "./network.ts";
import { type Sampler, startSampler } from "./sampler.ts";
import { startStream, type Stream } from "./stream.ts";
import { until } from "./wait.ts";

export const CONTROL_PLANE_IP = "10.50.0.100";
/** The Service `kubernetes`, for which the API server's certificate is good: programs that run as in a pod use it. */
export const SERVICE_IP = "10.0.0.1";
export const API_PORT = 6443;
export const CLIENT_IP = "10.60.0.50";
const OBSERVER_IP = "10.60.0.60";
const PUBLIC6 = "fd00:60::";
const UDP_PORT = 4000;

export interface LabOptions {
  /** How many gateway nodes: `a`, `b`, `c`, … Default 3. */
  readonly nodes?: number;
  /** Whether the public network has both families. Default false. */
  readonly ipv6?: boolean;
}

/** Builds the lab; everything ends with it. */
export async function startLab({ nodes = 3, ipv6 = false }: LabOptions = {}): Promise<Lab> {
  const network = await Network.create();
  const dir = await Deno.makeTempDir({ prefix: "sallyport-lab-" });
  try {
    const lab = new Lab({ network, dir, ipv6, ...await outsiders(network, ipv6) });
    for (let index = 0; index < nodes; index++) await lab.addNode(index);
    await lab.ready();
    return lab;
  } catch (error) {
    await network[Symbol.asyncDispose]();
    await Deno.remove(dir, { recursive: true });
    throw error;
  }
}

interface Outsiders {
  readonly controlPlane: Host;
  readonly client: Host;
  readonly observer: Host;
}

async function outsiders(network: Network, ipv6: boolean): Promise<Outsiders> {
  const publicCable = (address: string) => [{
    name: "eth1",
    bridge: "public",
    address,
    ...with6(address, ipv6),
  }];
  const [controlPlane, client, observer] = await Promise.all([
    network.host("control", [{
      name: "eth0",
      bridge: "cluster",
      address: `${CONTROL_PLANE_IP}/24`,
    }]),
    network.host("client", publicCable(`${CLIENT_IP}/24`)),
    network.host("observer", publicCable(`${OBSERVER_IP}/24`)),
  ]);
  await controlPlane.ip("addr", "add", `${SERVICE_IP}/32`, "dev", "lo");
  await client.ip("route", "add", "203.0.113.0/24", "dev", "eth1");
  await observer.ip("route", "add", "203.0.113.0/24", "dev", "eth1");
  // Learns from announcements alone, also about addresses it never asked for.
  await observer.sysctl("net/ipv4/conf/eth1/arp_accept", 1);
  if (ipv6) {
    // A router does so by RFC 9131; the kernel asks for both.
    await observer.sysctl("net/ipv6/conf/eth1/forwarding", 1);
    await observer.sysctl("net/ipv6/conf/eth1/accept_untracked_na", 2);
  }
  return { controlPlane, client, observer };
}

/** A host that may hold a VIP. */
export class GatewayNode {
  readonly name: string;
  readonly host: Host;
  /** Addresses on eth0 and eth1. */
  readonly clusterIP: string;
  readonly publicIP: string;
  readonly #dir: string;
  readonly #responder: GuardedProcess;
  #programs = 0;

  constructor(host: Host, { dir, index }: { readonly dir: string; readonly index: number }) {
    this.name = host.name;
    this.host = host;
    this.clusterIP = clusterIP(index);
    this.publicIP = publicIP(index);
    this.#dir = dir;
    const argv = denoProgram("udp_responder.ts", [host.name, String(UDP_PORT)]);
    this.#responder = host.spawn(argv, { log: `${dir}/responder-${host.name}.log` });
  }

  /** The log of the responder, which says `ready`. */
  get responderLog(): string {
    return this.#responder.log;
  }

  /** MAC address of the public interface. */
  publicMac(): Promise<string> {
    return this.host.macOf("eth1");
  }

  /** Starts a program on the node; what it prints goes to the returned process's `log`. */
  spawn(argv: readonly string[], env: Readonly<Record<string, string>> = {}): GuardedProcess {
    const log = `${this.#dir}/${this.name}-${++this.#programs}.log`;
    return this.host.spawn(argv, { log, env });
  }

  /** Kills all programs at once, as a crash would; the kernel goes on. */
  async killPrograms(): Promise<void> {
    for (const pid of await this.#pids()) Deno.kill(pid, "SIGKILL");
  }

  /** Stops all programs and their children where they are (SIGSTOP), but not the responder. */
  async freeze(): Promise<void> {
    for (const pid of await this.#pids()) Deno.kill(pid, "SIGSTOP");
  }

  /** Lets them go on. */
  async thaw(): Promise<void> {
    for (const pid of await this.#pids()) Deno.kill(pid, "SIGCONT");
  }

  /** The power cord: both links are dead. `restoreLinks` undoes it. */
  cutLinks(): Promise<void> {
    return this.host.cut();
  }

  restoreLinks(): Promise<void> {
    return this.host.restore();
  }

  /** The cable of the public interface ends at a dead router: packets vanish, the carrier stays. */
  loseUplink(): Promise<void> {
    return this.host.cut({ only: ["eth1"], how: "silent" });
  }

  restoreUplink(): Promise<void> {
    return this.host.restore({ only: ["eth1"] });
  }

  /** Of so many packets in a hundred that come by the public interface, none arrives; 0: all arrive. */
  async losePackets(percent: number): Promise<void> {
    await this.host.run(["nft", "-f", "-"], `table inet lab_loss {}\ndelete table inet lab_loss`);
    if (percent === 0) return;
    await this.host.run(
      ["nft", "-f", "-"],
      `table inet lab_loss {
         chain in {
           type filter hook prerouting priority raw;
           iifname "eth1" numgen random mod 100 < ${percent} drop
         }
       }`,
    );
  }

  /** Cuts the node off from the API server, and from nothing else. */
  async partitionFromApi(): Promise<void> {
    await this.host.run(
      ["nft", "-f", "-"],
      `table ip lab_partition {
         define api = { ${CONTROL_PLANE_IP}, ${SERVICE_IP} }
         chain input { type filter hook input priority -10; ip saddr $api drop; }
         chain output { type filter hook output priority -10; ip daddr $api drop; }
       }`,
    );
  }

  async healPartition(): Promise<void> {
    await this.host.run(
      ["nft", "-f", "-"],
      "add table ip lab_partition\ndelete table ip lab_partition\n",
    );
  }

  /** Takes the public interface down, or its cable's carrier. */
  async publicDown(
    { how = "admin" }: { readonly how?: "admin" | "unplugged" } = {},
  ): Promise<void> {
    if (how === "admin") await this.host.ip("link", "set", "eth1", "down");
    else await this.host.cut({ only: ["eth1"], how });
  }

  async publicUp(): Promise<void> {
    await this.host.restore({ only: ["eth1"] });
    await this.host.ip("link", "set", "eth1", "up");
    await this.host.regainIPv6();
    await this.host.ip("route", "replace", "default", "via", CLIENT_IP);
  }

  /** Programs in the node's namespace, which is ours alone. */
  async #pids(): Promise<readonly number[]> {
    const text = await this.host.commands.run(["ip", "netns", "pids", this.host.namespace]);
    const pids = text.split("\n").filter(Boolean).map(Number);
    return pids.filter((pid) => pid !== this.#responder.pid && isAlive(pid));
  }
}

/** The API server as the nodes see it. */
export interface ExposedApi {
  readonly server: string;
  /** Writes a copy of a kubeconfig that reaches the API server from the nodes; returns its path. */
  kubeconfigFrom(path: string): Promise<string>;
}

interface LabParts extends Outsiders {
  readonly network: Network;
  /** Scratch directory with the logs. */
  readonly dir: string;
  readonly ipv6: boolean;
}

export class Lab implements AsyncDisposable {
  readonly dir: string;
  readonly #parts: LabParts;
  readonly #nodes = new Map<string, GatewayNode>();
  #files = 0;

  constructor(parts: LabParts) {
    this.#parts = parts;
    this.dir = parts.dir;
  }

  get nodes(): readonly GatewayNode[] {
    return [...this.#nodes.values()];
  }

  node(name: string): GatewayNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`The lab has no node '${name}'`);
    return node;
  }

  /** Adds the node of this index; called by `startLab`. */
  async addNode(index: number): Promise<void> {
    const name = String.fromCharCode("a".charCodeAt(0) + index);
    const host = await this.#parts.network.host(name, [
      { name: "eth0", bridge: "cluster", address: `${clusterIP(index)}/24` },
      {
        name: "eth1",
        bridge: "public",
        address: `${publicIP(index)}/24`,
        ...with6(publicIP(index), this.#parts.ipv6),
      },
    ]);
    await host.ip("route", "add", "default", "via", CLIENT_IP);
    await host.ip("route", "add", SERVICE_IP, "via", CONTROL_PLANE_IP);
    // The responder hears at the node's own address what was sent to any of its addresses, and the answer leaves from
    // the address that was asked.
    await host.run(
      ["nft", "-f", "-"],
      `table ip lab_responder {
         chain in {
           type nat hook prerouting priority dstnat;
           fib daddr type local udp dport ${UDP_PORT} redirect
         }
       }`,
    );
    this.#nodes.set(name, new GatewayNode(host, { dir: this.dir, index }));
  }

  /** Resolves when every responder listens. */
  async ready(): Promise<void> {
    await Promise.all(
      this.nodes.map(({ responderLog, name }) =>
        until(`the responder on '${name}'`, () => isReady(responderLog), {
          timeoutMilliseconds: 30_000,
        })
      ),
    );
  }

  /** The machine that the lab runs on. */
  get outside(): Place {
    return this.#parts.network.outside;
  }

  /** The host on which `exposeApi` listens; nothing else runs there. */
  get controlPlane(): Host {
    return this.#parts.controlPlane;
  }

  /**
   * Makes an API server of this machine (`https://127.0.0.1:PORT`) reachable from the nodes at
   * {@linkcode CONTROL_PLANE_IP} and {@linkcode SERVICE_IP}: bytes are passed on between the two, TLS and all.
   */
  async exposeApi(server: string): Promise<ExposedApi> {
    const { hostname, port } = new URL(server);
    const socket = `${this.dir}/api.sock`;
    const out = this.#relay(this.#parts.network.outside, [
      `unix:${socket}`,
      `tcp:${hostname}:${port}`,
    ]);
    const inside = this.#relay(this.controlPlane, [
      `tcp:0.0.0.0:${API_PORT}`,
      `unix:${socket}`,
    ]);
    await Promise.all(
      [out, inside].map((log) =>
        until("the relays", () => isReady(log), { timeoutMilliseconds: 30_000 })
      ),
    );
    const exposed = `https://${CONTROL_PLANE_IP}:${API_PORT}`;
    return {
      server: exposed,
      kubeconfigFrom: async (path) => {
        const copy = `${this.dir}/kubeconfig-${++this.#files}`;
        await Deno.writeTextFile(copy, redirected(await Deno.readTextFile(path), exposed));
        return copy;
      },
    };
  }

  readonly client = {
    /** Starts the client that asks a VIP who it is, every 5 ms if not said otherwise. */
    stream: (
      { ip, everyMilliseconds = 5 }: { readonly ip: string; readonly everyMilliseconds?: number },
    ): Promise<Stream> =>
      startStream(this.#parts.client, {
        ip,
        port: UDP_PORT,
        everyMilliseconds,
        log: `${this.dir}/stream-${++this.#files}.log`,
      }),
    /** Runs a program there to its end and gives its output. */
    run: (argv: Argv): Promise<string> => this.#parts.client.run(argv),
    /** It is the nodes' router, too: its port to the public network dies, or comes back. */
    cut: (): Promise<void> => this.#parts.client.cut({ how: "silent" }),
    restore: (): Promise<void> => this.#parts.client.restore(),
    /** The client's own ARP entry. */
    macOf: (ip: string): Promise<string | undefined> => this.#parts.client.arpEntry(ip),
  };

  readonly observer = {
    /** The MAC address that a bystander has for an address, from announcements only. */
    macOf: (ip: string): Promise<string | undefined> => this.#parts.observer.arpEntry(ip),
  };

  /** All MAC addresses that answer one ARP request, or neighbour solicitation, of the client, sorted. */
  async whoAnswers(
    ip: string,
    { windowMilliseconds = 200 }: { readonly windowMilliseconds?: number } = {},
  ): Promise<readonly string[]> {
    const macs = new Set<string>();
    const isSix = ip.includes(":");
    const window = String(windowMilliseconds);
    const asking = this.#parts.client.commands.follow(
      isSix
        ? ["ndisc6", "-m", "-q", "-r", "1", "-w", window, ip, "eth1"]
        : ["arping", "-b", "-c", "1", "-I", "eth1", "-s", CLIENT_IP, ip],
      {
        onLine: (line) => {
          const mac = /([0-9A-F]{2}(?::[0-9A-F]{2}){5})/.exec(line)?.[1];
          if (mac) macs.add(mac.toLowerCase());
        },
      },
    );
    await asking.started;
    // ndisc6 tells what it heard when it ends.
    const timer = setTimeout(asking.stop, windowMilliseconds + (isSix ? 500 : 0));
    await asking.ended.catch(() => {});
    clearTimeout(timer);
    return [...macs].sort();
  }

  /**
   * Samples who answers, every 50 ms if not said otherwise. The answers also teach the host that asks; default: the
   * client.
   */
  sampler(
    { ip, everyMilliseconds = 50, from = "client" }: {
      readonly ip: string;
      readonly everyMilliseconds?: number;
      readonly from?: "client" | "observer";
    },
  ): Promise<Sampler> {
    return startSampler(this.#parts[from], {
      ip,
      interface: "eth1",
      sourceIP: from === "client" ? CLIENT_IP : OBSERVER_IP,
      everyMilliseconds,
      log: `${this.dir}/sampler-${++this.#files}.log`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.network[Symbol.asyncDispose]();
    await Deno.remove(this.dir, { recursive: true });
  }

  #relay(host: Pick<Host, "spawn">, args: readonly string[]): string {
    const log = `${this.dir}/relay-${++this.#files}.log`;
    host.spawn(denoProgram("relay.ts", args), { log });
    return log;
  }
}

function clusterIP(index: number): string {
  return `10.50.0.${11 + index}`;
}

/** The IPv6 address with the same last number. */
function with6(address: string, ipv6: boolean): { readonly address6?: string } {
  const number = address.split("/")[0]?.split(".").at(-1);
  return ipv6 ? { address6: `${PUBLIC6}${number}/64` } : {};
}

function publicIP(index: number): string {
  return `10.60.0.${11 + index}`;
}

interface Kubeconfig {
  readonly clusters: readonly {
    readonly name: string;
    readonly cluster: Record<string, unknown>;
  }[];
}

/** The API server's certificate is for other addresses, but for the name `kubernetes` as well. */
function redirected(text: string, server: string): string {
  const config: Kubeconfig & Record<string, unknown> = parse(text);
  const clusters = config.clusters.map(({ name, cluster }) => ({
    name,
    cluster: { ...cluster, server, "tls-server-name": "kubernetes" },
  }));
  return stringify({ ...config, clusters });
}

async function isReady(log: string): Promise<boolean> {
  return (await Deno.readTextFile(log)).includes("ready\n");
}
