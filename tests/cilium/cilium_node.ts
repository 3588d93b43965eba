/** A node: a host in the cluster's network with a real Cilium agent on it. */
import { type Host, isAlive } from "../lab/network.ts";
import { until } from "../lab/wait.ts";
import { denoProgram } from "../lab/deno_program.ts";
import { exists } from "../../src/build/cache.ts";
import type { GuardedProcess } from "../support/guarded_process.ts";
import type { Cilium } from "./cilium_build.ts";
import { Room } from "./room.ts";

/** What is true of one node. */
export interface NodeFacts {
  /** Kubernetes' name of it. */
  readonly name: string;
  /** Its address in the cluster's network, by family; without the one of IPv6, Cilium has IPv6 off. */
  readonly addresses: ByFamily;
  /** Those of its second interface, `eth1`. */
  readonly sideAddresses: ByFamily;
  readonly podCIDRs: ByFamily;
}

/** Something of IPv4, and of IPv6 where that is on. */
export interface ByFamily {
  readonly 4: string;
  readonly 6?: string;
}

export interface NodeParts {
  readonly host: Host;
  readonly cilium: Cilium;
  /** Folder of its own. */
  readonly dir: string;
  /** Cilium's credentials. */
  readonly kubeconfig: string;
}

/** The compiler that Cilium calls at run time, by the name that Debian gives this version. */
const COMPILERS = ["clang", "llc"];
const COMPILER_VERSION = "19";

/** Flags of the agent: what `docs/cilium.md` says is required, and what makes it small. */
const FLAGS = [
  "--enable-egress-gateway",
  "--enable-bpf-masquerade",
  "--kube-proxy-replacement=true",
  "--devices=eth0,eth1",
  "--routing-mode=tunnel",
  "--tunnel-protocol=vxlan",
  "--ipam=kubernetes",
  "--k8s-require-ipv4-pod-cidr",
  "--identity-allocation-mode=crd",
  "--enable-l7-proxy=false",
  "--enable-envoy-config=false",
  "--enable-hubble=false",
  "--enable-health-checking=false",
  "--enable-endpoint-health-checking=false",
  "--enable-health-check-nodeport=false",
  "--bpf-ct-global-tcp-max=65536",
  "--bpf-ct-global-any-max=65536",
  "--bpf-nat-global-max=65536",
  "--preallocate-bpf-maps=false",
];

/** With IPv6, which leaves masqueraded, as IPv4 does. */
const IPV6_FLAGS = ["--enable-ipv6", "--k8s-require-ipv6-pod-cidr"];

const READY_MILLISECONDS = 300_000;

export class CiliumNode {
  readonly name: string;
  readonly addresses: ByFamily;
  readonly sideAddresses: ByFamily;
  readonly host: Host;
  readonly room: Room;
  readonly #parts: NodeParts;
  #agent: GuardedProcess | undefined;
  #sallyport: GuardedProcess | undefined;
  #starts = 0;

  private constructor(facts: NodeFacts, { room, parts }: { room: Room; parts: NodeParts }) {
    this.name = facts.name;
    this.addresses = facts.addresses;
    this.sideAddresses = facts.sideAddresses;
    this.host = parts.host;
    this.room = room;
    this.#parts = parts;
  }

  static async make(facts: NodeFacts, parts: NodeParts): Promise<CiliumNode> {
    const { dir, cilium, host } = parts;
    await Deno.mkdir(`${dir}/bin`, { recursive: true });
    for (const program of COMPILERS) {
      await Deno.symlink(`/usr/bin/${program}-${COMPILER_VERSION}`, `${dir}/bin/${program}`);
    }
    // The agent writes headers into it, so each node has its own.
    await Deno.mkdir(`${dir}/lib`);
    await host.run(["cp", "-r", cilium.bpf, `${dir}/lib/bpf`]);
    await host.sysctl("net/ipv4/ip_forward", 1);
    if (facts.addresses[6] !== undefined) {
      for (const which of ["default", "all"]) {
        await host.sysctl(`net/ipv6/conf/${which}/disable_ipv6`, 0);
        await host.sysctl(`net/ipv6/conf/${which}/forwarding`, 1);
      }
    }
    return new CiliumNode(facts, { room: await Room.make(host, dir), parts });
  }

  /** Its address of IPv4. */
  get ip(): string {
    return this.addresses[4];
  }

  /** Starts Cilium's agent. */
  startCilium(): void {
    const { dir, cilium, kubeconfig } = this.#parts;
    if (this.#agent?.exitStatus() === undefined && this.#agent !== undefined) {
      throw new Error(`Cannot start Cilium on ${this.name}: it runs already`);
    }
    this.#agent = this.room.spawn(
      [
        `${cilium.bin}/cilium-agent`,
        `--k8s-kubeconfig-path=${kubeconfig}`,
        `--lib-dir=${dir}/lib`,
        ...FLAGS,
        ...this.addresses[6] === undefined ? ["--enable-ipv6=false"] : IPV6_FLAGS,
      ],
      {
        log: `${dir}/cilium-agent.log`,
        env: { K8S_NODE_NAME: this.name, PATH: `${dir}/bin:${Deno.env.get("PATH") ?? ""}` },
      },
    );
  }

  /** SIGKILL unless a grace is given. */
  async stopCilium({ graceMilliseconds = 0 } = {}): Promise<void> {
    await this.#agent?.stop({ graceMilliseconds });
  }

  /** Resolves when pods can be attached: the agent is healthy, and its programs are loaded. */
  async ciliumReady(): Promise<void> {
    const options = { timeoutMilliseconds: READY_MILLISECONDS, everyMilliseconds: 300 };
    await until(`Cilium's datapath on ${this.name}`, () => this.#hasDatapath(), options);
  }

  /** `cilium-dbg` on this node. */
  dbg(...args: string[]): Promise<string> {
    const argv = [`${this.#parts.cilium.bin}/cilium-dbg`, ...args] as const;
    return this.room.commands.run([...argv] as [string, ...string[]]);
  }

  /** Starts Sallyport's agent under the identity of its pod. */
  startSallyport(kubeconfig: string): void {
    const { dir } = this.#parts;
    this.#sallyport = this.room.spawn(denoProgram("../../../functions/agent.ts", []), {
      log: `${dir}/sallyport-agent-${++this.#starts}.log`,
      env: {
        SALLYPORT_KUBECONFIG: kubeconfig,
        SALLYPORT_NODE_NAME: this.name,
        SALLYPORT_NODE_ADDRESSES: Object.values(this.addresses).join(),
        SALLYPORT_STATE_DIRECTORY: `${dir}/sallyport`,
        SALLYPORT_LOG_FORMAT: "text",
      },
    });
  }

  /** Ends Sallyport's agent at once with all that it started, as the end of its container would. */
  async killSallyport(): Promise<void> {
    const children = await descendants(this.sallyport.pid);
    await this.sallyport.stop({ graceMilliseconds: 0 });
    const living = children.filter(isAlive).map(String);
    // Some end by themselves meanwhile.
    const script = `kill -KILL ${living.join(" ")}`;
    await new Deno.Command("sh", { args: ["-c", script], stderr: "null" }).output();
  }

  /** The process that runs Cilium's agent. */
  get cilium(): GuardedProcess {
    if (this.#agent === undefined) throw new Error(`No Cilium agent on ${this.name}`);
    return this.#agent;
  }

  /** The process that runs Sallyport's agent. */
  get sallyport(): GuardedProcess {
    if (this.#sallyport === undefined) throw new Error(`No Sallyport agent on ${this.name}`);
    return this.#sallyport;
  }

  get ciliumLog(): string {
    return `${this.#parts.dir}/cilium-agent.log`;
  }

  /** The addresses that others know an interface by, as `172.31.0.11/24`. */
  async addressesOf(name: string): Promise<readonly string[]> {
    const text = await this.host.ip("-o", "addr", "show", "dev", name, "scope", "global");
    return [...text.matchAll(/inet6? (\S+)/g)].map(([, address = ""]) => address);
  }

  async #hasDatapath(): Promise<boolean> {
    const status = this.#agent?.exitStatus();
    if (status !== undefined) {
      const log = (await Deno.readTextFile(this.ciliumLog)).trimEnd().split("\n").slice(-10);
      throw new Error(`Cilium on ${this.name} ended with ${status.code}:\n${log.join("\n")}`);
    }
    if (!exists(`${this.#parts.dir}/run/cilium.sock`)) return false;
    // Healthz answers before the datapath is compiled and attached; the host's endpoint has identity 1.
    const text = await this.dbg("endpoint", "list", "-o", "json").catch(() => "[]");
    const endpoints = JSON.parse(text || "[]") as readonly Endpoint[];
    return endpoints.some(({ status }) => status?.identity?.id === 1 && status.state === "ready");
  }
}

/** Children of all threads of a process, and theirs; none of one that has ended. */
async function descendants(pid: number): Promise<readonly number[]> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `cat /proc/${pid}/task/*/children`],
    stderr: "null",
  }).output();
  const children = new TextDecoder().decode(stdout).split(/\s/).filter(Boolean).map(Number);
  return [...children, ...(await Promise.all(children.map(descendants))).flat()];
}

interface Endpoint {
  readonly status?: {
    readonly identity?: { readonly id: number };
    readonly state?: string;
  };
}
