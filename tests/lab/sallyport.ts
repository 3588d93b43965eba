/** Sallyport in the lab: a real API server, the real controller and the real agents, and one gateway with a VIP. */
import { fileURLToPath } from "node:url";
import type { GatewayStatus, Uplink } from "../../src/core/types.ts";
import { ciliumCrds } from "../support/cilium_crds.ts";
import { putNode, putPod } from "../support/cluster.ts";
import { controlPlane, startControlPlane } from "../support/control_plane.ts";
import type { ControlPlane } from "../support/control_plane.ts";
import type { GuardedProcess } from "../support/guarded_process.ts";
import { programs, root } from "../support/needs.ts";
import { startLab } from "./hosts.ts";
import type { GatewayNode, Lab } from "./hosts.ts";
import { namespaces } from "./network.ts";
import { until } from "./wait.ts";

/** What a machine must have for these tests. */
export const sallyportNeeds = [
  root,
  namespaces,
  programs("ip", "nft", "arping", "fping", "ndisc6", "ndptool", "tcpdump", "nsenter"),
  controlPlane,
  ciliumCrds,
];

export const VIP = "10.60.0.200";
export const VIP6 = "fd00:60::200";
export const GATEWAY = "lab";
export const CANDIDATE = { "dedicated/egress": "" } as const;
const NAMESPACE = "sallyport-system";
const GATEWAY_PATH = `/apis/network.deckhouse.io/v1alpha1/egressgateways/${GATEWAY}`;
const CEGP_PATH = "/apis/cilium.io/v2/ciliumegressgatewaypolicies";

/** What differs from the defaults of a gateway. */
export interface Variant {
  readonly standby?: "Bound" | "Unbound";
  /** Detection of a dead holder by its standbys' pings. Default true. */
  readonly peers?: boolean;
  /** What candidates must reach. Default: nothing. */
  readonly uplink?: Partial<Uplink> & Pick<Uplink, "targets">;
}

/** A command line, and variables beside those that every start has. */
export interface Program {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Programs {
  readonly agent: Program;
  readonly controller: Program;
}

export interface SallyportOptions extends Variant {
  /**
   * How agents and controller are started, and the admin's kubeconfig as it reads on a node; default: from their sources,
   * with that kubeconfig.
   */
  readonly programs?: (plane: ControlPlane, agentKubeconfig: string) => Promise<Programs>;
  /** Default {@linkcode VIP}, which lies in the public interfaces' subnet. */
  readonly ip?: string;
  /** Instead of `ip`: {@linkcode VIP6}, or one of each family. */
  readonly ips?: readonly string[];
}

/** Brings up everything and waits until a node serves and its standbys are prepared. */
export async function startSallyport(options: SallyportOptions = {}): Promise<Sallyport> {
  const ipv6 = options.ips?.some(isIPv6) ?? false;
  const [plane, lab] = await Promise.all([startControlPlane(), startLab({ ipv6 })]);
  const world = new Sallyport({ plane, lab, options });
  try {
    await world.install();
    return world;
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

interface Parts {
  readonly plane: ControlPlane;
  readonly lab: Lab;
  readonly options: SallyportOptions;
}

export class Sallyport implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly lab: Lab;
  /** The first of `ips`. */
  readonly ip: string;
  readonly ips: readonly string[];
  readonly #options: SallyportOptions;
  readonly #agents = new Map<string, GuardedProcess>();
  #variant: Variant;
  #programs: Programs | undefined;
  #controller: GuardedProcess | undefined;
  #starts = 0;

  constructor({ plane, lab, options }: Parts) {
    this.plane = plane;
    this.lab = lab;
    this.ip = options.ips?.[0] ?? options.ip ?? VIP;
    this.ips = options.ips ?? [this.ip];
    this.#options = options;
    this.#variant = options;
  }

  async install(): Promise<void> {
    const { plane, lab } = this;
    await plane.createNamespace(NAMESPACE);
    await Promise.all(lab.nodes.map((node) => this.putNode(node)));
    await plane.api.apply([
      {
        apiVersion: "network.deckhouse.io/v1alpha1",
        kind: "EgressGateway",
        metadata: { name: GATEWAY },
        spec: this.#spec(),
      },
      {
        apiVersion: "network.deckhouse.io/v1alpha1",
        kind: "EgressGatewayPolicy",
        metadata: { name: "lab" },
        spec: {
          egressGatewayName: GATEWAY,
          destinationCIDRs: this.ips.map((ip) => isIPv6(ip) ? "::/0" : "0.0.0.0/0"),
          selectors: [{ podSelector: {} }],
        },
      },
    ]);
    const exposed = await lab.exposeApi(plane.server);
    const agentKubeconfig = await exposed.kubeconfigFrom(plane.kubeconfigPath);
    this.#programs = await this.#options.programs?.(plane, agentKubeconfig) ?? {
      agent: fromSource("agent", agentKubeconfig),
      controller: fromSource("server", plane.kubeconfigPath),
    };
    for (const node of lab.nodes) this.startAgent(node.name);
    this.startController();
    await this.settled();
  }

  /** Changes the gateway, and waits until it serves so. */
  async vary(variant: Variant): Promise<void> {
    this.#variant = variant;
    await this.plane.api.patch(GATEWAY_PATH, { spec: this.#spec() });
    await this.settled();
  }

  #spec() {
    const { standby = "Bound", peers = true, uplink } = this.#variant;
    const addresses = this.ips.length > 1 ? { ips: this.ips } : { ip: this.ip };
    const virtualIPAddress = { ...addresses, interfaces: ["eth1"], standby };
    return {
      nodeSelector: CANDIDATE,
      sourceIP: { mode: "VirtualIPAddress", virtualIPAddress },
      failback: { mode: "Never" },
      failureDetection: { peers, ...(uplink === undefined ? {} : { uplink }) },
    };
  }

  /** The node's objects as a healthy kubelet keeps them. */
  async putNode({ name, clusterIP }: GatewayNode): Promise<void> {
    await putNode(this.plane, name, { labels: CANDIDATE, internalIP: clusterIP });
    await putPod(this.plane, {
      name: `sallyport-agent-${name}`,
      namespace: NAMESPACE,
      node: name,
      labels: { "app.kubernetes.io/name": "sallyport-agent" },
    });
  }

  // ------------------------------------------------------------ processes

  startAgent(name: string, more: Readonly<Record<string, string>> = {}): GuardedProcess {
    const { argv, env } = this.#program("agent");
    const agent = this.lab.node(name).spawn(argv, {
      ...env,
      ...more,
      SALLYPORT_NODE_NAME: name,
      SALLYPORT_STATE_DIRECTORY: `${this.lab.dir}/state-${name}`,
      SALLYPORT_CILIUM_HEALTHZ: "off",
    });
    this.#agents.set(name, agent);
    return agent;
  }

  agent(name: string): GuardedProcess {
    const agent = this.#agents.get(name);
    if (agent === undefined) throw new Error(`No agent was started on '${name}'`);
    return agent;
  }

  /** Beside those that run; `stopController` stops the last one. */
  startController(): GuardedProcess {
    const { argv, env } = this.#program("controller");
    return this.#controller = this.lab.outside.spawn(argv, {
      log: `${this.lab.dir}/controller-${++this.#starts}.log`,
      env: {
        ...env,
        SALLYPORT_PORT: "0",
        SALLYPORT_LOG_LEVEL: "debug",
      },
    });
  }

  /** The last one that was started. */
  get controller(): GuardedProcess {
    if (this.#controller === undefined) throw new Error("No controller was started");
    return this.#controller;
  }

  /** What is started from now on. */
  use(programs: Programs): void {
    this.#programs = programs;
  }

  /** What the controller has logged. */
  async controllerLog(): Promise<string> {
    return this.#controller === undefined ? "" : await Deno.readTextFile(this.#controller.log);
  }

  #program(name: keyof Programs): Program {
    if (this.#programs === undefined) throw new Error("Nothing is installed yet");
    return this.#programs[name];
  }

  async stopController(): Promise<void> {
    await this.#controller?.stop();
  }

  // ------------------------------------------------------------ what is there

  async status(): Promise<GatewayStatus> {
    return (await this.plane.api.get<{ status?: GatewayStatus }>(GATEWAY_PATH)).status ?? {};
  }

  async holder(): Promise<string> {
    const { activeNodeName } = await this.status();
    if (activeNodeName === undefined) throw new Error("Nobody holds the gateway");
    return activeNodeName;
  }

  /** The nodes that Cilium is told, for each family, and the terms it is told. */
  async cegps(): Promise<readonly { readonly node: string | undefined; readonly term: number }[]> {
    const { items } = await this.plane.api.get<{
      readonly items: readonly {
        metadata: { annotations: Record<string, string> };
        spec: { egressGateway: { nodeSelector: { matchLabels: Record<string, string> } } };
      }[];
    }>(CEGP_PATH);
    return items.map(({ metadata, spec }) => ({
      node: spec.egressGateway.nodeSelector.matchLabels["kubernetes.io/hostname"],
      term: Number(metadata.annotations["egress-gateway.network.deckhouse.io/term"]),
    }));
  }

  /** The VIPs that are bound on a node, and whether the gate is there. */
  async leftovers(
    name: string,
  ): Promise<{ readonly bound: readonly string[]; readonly gate: boolean }> {
    const { host } = this.lab.node(name);
    const [addresses, tables] = await Promise.all([
      host.ip("addr", "show"),
      host.run(["nft", "list", "tables"]),
    ]);
    return {
      bound: this.ips.filter((ip) => addresses.includes(` ${ip}/`)),
      gate: tables.includes("sallyport"),
    };
  }

  /** Waits until a node serves, with the standbys that can be had prepared; returns its name. */
  async settled(
    { other, timeoutMilliseconds = 30_000, standbys = 2 }: {
      /** The new holder must not be this node. */
      readonly other?: string;
      readonly timeoutMilliseconds?: number;
      readonly standbys?: number;
    } = {},
  ): Promise<string> {
    return await until("a settled gateway", async () => {
      const { phase, activeNodeName, standbyNodeNames = [] } = await this.status();
      if (phase !== "Active" || activeNodeName === undefined || activeNodeName === other) {
        return undefined;
      }
      if (standbyNodeNames.length < standbys) return undefined;
      const answering = await Promise.all(this.ips.map((ip) => this.lab.whoAnswers(ip)));
      const prepared = this.#variant.standby === "Unbound" || standbys === 0 ||
        (await Promise.all(standbyNodeNames.map((name) => this.leftovers(name)))).every((
          { bound },
        ) => bound.length === this.ips.length);
      const mac = await this.lab.node(activeNodeName).publicMac();
      // A holder before that comes back may have been heard last; then it is told of anew.
      const known = await Promise.all(this.ips.map((ip) => this.lab.client.macOf(ip)));
      const isKnown = known.every((other) => other === undefined || other === mac);
      return prepared && isKnown && answering.every((macs) => macs.join() === mac)
        ? activeNodeName
        : undefined;
    }, { timeoutMilliseconds, everyMilliseconds: 100 });
  }

  /** Undoes whatever a test did to the nodes, and waits until everything is as it was. */
  async repair(): Promise<void> {
    for (const node of this.lab.nodes) {
      await node.thaw();
      await node.restoreLinks();
      await node.publicUp();
      await node.healPartition();
      await this.putNode(node);
      await this.plane.api.patch(`/api/v1/nodes/${node.name}`, { spec: { unschedulable: null } });
      if (this.agent(node.name).exitStatus() !== undefined) this.startAgent(node.name);
    }
    await this.plane.api.patch(GATEWAY_PATH, {
      metadata: { annotations: { "egress-gateway.network.deckhouse.io/pin": null } },
    });
    await this.settled({ timeoutMilliseconds: 60_000 });
  }

  async pin(node: string): Promise<void> {
    await this.plane.api.patch(GATEWAY_PATH, {
      metadata: { annotations: { "egress-gateway.network.deckhouse.io/pin": node } },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
    await this.plane.stop();
  }
}

function isIPv6(ip: string): boolean {
  return ip.includes(":");
}

/** One of `functions/`. */
function fromSource(name: "agent" | "server", kubeconfig: string): Program {
  const path = fileURLToPath(new URL(`../../functions/${name}.ts`, import.meta.url));
  return {
    argv: [Deno.execPath(), "run", "--no-check", "--allow-all", path],
    env: { SALLYPORT_KUBECONFIG: kubeconfig },
  };
}
