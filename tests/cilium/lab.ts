/**
 * The end-to-end lab: a real control plane, real Cilium agents, and Sallyport's own programs.
 *
 *     bridge 172.31.0.0/24:  API server .1   node-a .11   node-b .12   node-c .13   outside .100
 *     bridge 10.9.0.0/24:                    node-a .11   node-b .12   node-c .13   outside .100
 *
 * The outside host is the nodes' default gateway, by the first bridge, and has the servers' addresses; some of these are
 * reached by the second. A dual lab has IPv6 as well: fd00:31::/64, fd00:9::/64, with the same last numbers. `node-b` and `node-c` are labelled as
 * gateways. Pods `selected` and `other` are on `node-a`, which is none, pod `near` is on `node-b` and pod `far` on
 * `node-c`. The label `app` of a pod is its name. A wide lab has a fourth node, `node-d` .14, a gateway too, with pod `away`.
 */
import { parse, stringify } from "yaml";
import { denoProgram } from "../lab/deno_program.ts";
import { FAMILIES } from "../../src/core/ip_family.ts";
import { type Cable, Network } from "../lab/network.ts";
import { until } from "../lab/wait.ts";
import { type ControlPlane, startControlPlane } from "../support/control_plane.ts";
import { putPod } from "../support/cluster.ts";
import { buildCilium, type Cilium } from "./cilium_build.ts";
import { type ByFamily, CiliumNode, type NodeFacts } from "./cilium_node.ts";
import { Outside, SIDE_DESTINATIONS } from "./outside.ts";
import { Pod } from "./pod.ts";
import { Sallyport } from "./sallyport.ts";

const API_ADDRESS = "172.31.0.1";

/** The nodes' default gateways, and the way to what is reached by their second interface. */
const OUTSIDE = { 4: "172.31.0.100", 6: "fd00:31::100" } as const;
const SIDE = { 4: "10.9.0.100", 6: "fd00:9::100" } as const;

/** Label of the nodes that may be gateways. */
export const GATEWAY_LABELS = { "example.com/egress": "true" };

interface LabNode {
  readonly name: string;
  /** Last number of its addresses. */
  readonly number: number;
  readonly gateway: boolean;
}

const NODES: readonly LabNode[] = [
  { name: "node-a", number: 11, gateway: false },
  { name: "node-b", number: 12, gateway: true },
  { name: "node-c", number: 13, gateway: true },
];

const FOURTH: LabNode = { name: "node-d", number: 14, gateway: true };

/** Each pod, and its node. */
export const NODE_OF = {
  selected: "node-a",
  other: "node-a",
  near: "node-b",
  far: "node-c",
  away: "node-d",
} as const;

export type PodName = keyof typeof NODE_OF;

export interface LabOptions {
  /** With a fourth node. */
  readonly wide?: boolean;
  /** With IPv6 beside IPv4. */
  readonly dual?: boolean;
}

interface LabParts {
  readonly network: Network;
  readonly plane: ControlPlane;
  readonly cilium: Cilium;
  readonly dir: string;
  readonly nodes: readonly LabNode[];
  readonly dual: boolean;
}

/** Builds the lab; everything ends with it. */
export async function startLab({ wide = false, dual = false }: LabOptions = {}): Promise<Lab> {
  const cilium = await buildCilium();
  const dir = await Deno.makeTempDir({ prefix: "sallyport-e2e-" });
  const [network, plane] = await Promise.all([
    Network.create(),
    startControlPlane({ controllerManager: { controllers: ["garbage-collector-controller"] } }),
  ]);
  const nodes = wide ? [...NODES, FOURTH] : NODES;
  const lab = new Lab({ network, plane, cilium, dir, nodes, dual });
  try {
    await lab.build();
    return lab;
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

export class Lab implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly dir: string;
  readonly #network: Network;
  readonly #cilium: Cilium;
  readonly #places: readonly LabNode[];
  readonly #dual: boolean;
  readonly #nodes = new Map<string, CiliumNode>();
  readonly #pods = new Map<PodName, Pod>();
  #outside: Outside | undefined;
  #sallyport: Sallyport | undefined;
  #files = 0;

  constructor({ network, plane, cilium, dir, nodes, dual }: LabParts) {
    this.#places = nodes;
    this.#dual = dual;
    this.#network = network;
    this.plane = plane;
    this.#cilium = cilium;
    this.dir = dir;
  }

  get nodes(): readonly CiliumNode[] {
    return [...this.#nodes.values()];
  }

  node(name: string): CiliumNode {
    return found(this.#nodes.get(name), `node '${name}'`);
  }

  pod(name: PodName): Pod {
    return found(this.#pods.get(name), `pod '${name}'`);
  }

  get outside(): Outside {
    return found(this.#outside, "outside host");
  }

  get sallyport(): Sallyport {
    return found(this.#sallyport, "Sallyport");
  }

  /** Called by `startLab`. */
  async build(): Promise<void> {
    const outside = await this.#network.host("outside", [
      cable("eth0", { bridge: "lan", addresses: OUTSIDE }),
      cable("eth1", { bridge: "side", addresses: SIDE }),
    ]);
    this.#outside = new Outside(outside, this.dir);
    await this.#exposeApi();
    const crds = await Promise.all(this.#cilium.crds.map((path) => Deno.readTextFile(path)));
    await Promise.all(crds.map((crd) => this.plane.api.apply(crd, { strict: false })));
    const kubeconfig = await this.#forNodes(this.plane.kubeconfigPath);
    for (const place of this.#places) await this.#addNode(place, kubeconfig);
    for (const node of this.nodes) node.startCilium();
    await Promise.all([this.outside.start(), ...this.nodes.map((node) => node.ciliumReady())]);
    for (const [name, node] of Object.entries(NODE_OF)) {
      if (this.#nodes.has(node)) await this.#attach(name as PodName, node);
    }
    await this.#installSallyport();
  }

  /** The node that is a gateway too. */
  otherGateway(name: string | undefined): CiliumNode {
    return this.node(name === "node-b" ? "node-c" : "node-b");
  }

  /** Sets whether a node is cordoned. */
  async cordon(name: string, unschedulable = true): Promise<void> {
    await this.plane.api.patch(`/api/v1/nodes/${name}`, { spec: { unschedulable } });
  }

  /** Sets whether a node is a candidate. */
  async label(name: string, candidate: boolean): Promise<void> {
    const labels = Object.fromEntries(
      Object.entries(GATEWAY_LABELS).map(([key, value]) => [key, candidate ? value : null]),
    );
    await this.plane.api.patch(`/api/v1/nodes/${name}`, { metadata: { labels } });
  }

  /** Sets whether a node's programs, Cilium among them, are cut off from the API server. */
  async partition(name: string, cut: boolean): Promise<void> {
    const table = "table ip lab_partition";
    const rules = `${table} {
      chain input { type filter hook input priority -10; ip saddr ${API_ADDRESS} drop; }
      chain output { type filter hook output priority -10; ip daddr ${API_ADDRESS} drop; }
    }`;
    const script = `add ${table}\ndelete ${table}\n${cut ? rules : ""}`;
    await this.node(name).host.run(["nft", "-f", "-"], script);
  }

  /** A node's object, as a healthy kubelet keeps it. */
  async putNode(name: string): Promise<void> {
    const place = found(this.#places.find((place) => place.name === name), name);
    const { addresses, podCIDRs } = this.#factsOf(place);
    await this.plane.api.apply({
      apiVersion: "v1",
      kind: "Node",
      metadata: {
        name,
        labels: { "kubernetes.io/hostname": name, ...(place.gateway ? GATEWAY_LABELS : {}) },
      },
      spec: { podCIDR: podCIDRs[4], podCIDRs: Object.values(podCIDRs) },
    });
    await this.plane.api.patch(`/api/v1/nodes/${name}/status`, {
      status: {
        addresses: [
          ...Object.values(addresses).map((address) => ({ type: "InternalIP", address })),
          { type: "Hostname", address: name },
        ],
        conditions: [{ type: "Ready", status: "True", lastTransitionTime: secondsNow() }],
      },
    });
  }

  /** Ends everything. The logs stay in the folder `SALLYPORT_E2E_LOGS`, where that is set. */
  async [Symbol.asyncDispose](): Promise<void> {
    const keep = Deno.env.get("SALLYPORT_E2E_LOGS");
    if (keep) await new Deno.Command("cp", { args: ["-r", this.dir, keep] }).output();
    await Promise.all(this.nodes.map((node) => node.host.stopAll()));
    for (const node of this.nodes) await node.room[Symbol.asyncDispose]();
    await this.#network[Symbol.asyncDispose]();
    await this.plane.stop();
    await Deno.remove(this.dir, { recursive: true });
  }

  /** Makes the API server of this machine's own network reachable from the nodes; TLS is passed through. */
  async #exposeApi(): Promise<void> {
    const host = await this.#network.host("api", [
      { name: "eth0", bridge: "lan", address: `${API_ADDRESS}/24` },
    ]);
    const { hostname, port } = new URL(this.plane.server);
    const socket = `unix:${this.dir}/api.sock`;
    const relays = [
      { place: this.#network.outside, args: [socket, `tcp:${hostname}:${port}`] },
      { place: host, args: [`tcp:${API_ADDRESS}:6443`, socket] },
    ];
    await Promise.all(relays.map(async ({ place, args }, index) => {
      const log = `${this.dir}/relay-${index}.log`;
      place.spawn(denoProgram("relay.ts", args), { log });
      const isReady = async () => (await Deno.readTextFile(log)).includes("ready\n");
      await until("a relay to the API server", isReady, { timeoutMilliseconds: 30_000 });
    }));
  }

  /** The API server's certificate is for other addresses, and for the name `kubernetes`. */
  async #forNodes(path: string): Promise<string> {
    const config: Kubeconfig = parse(await Deno.readTextFile(path));
    const server = `https://${API_ADDRESS}:6443`;
    const clusters = config.clusters.map(({ name, cluster }) => ({
      name,
      cluster: { ...cluster, server, "tls-server-name": "kubernetes" },
    }));
    const copy = `${this.dir}/kubeconfig-${++this.#files}`;
    await Deno.writeTextFile(copy, stringify({ ...config, clusters }), { mode: 0o600 });
    return copy;
  }

  async #addNode(place: LabNode, kubeconfig: string): Promise<void> {
    const facts = this.#factsOf(place);
    const { name, addresses, sideAddresses } = facts;
    const host = await this.#network.host(name, [
      cable("eth0", { bridge: "lan", addresses }),
      cable("eth1", { bridge: "side", addresses: sideAddresses }),
    ]);
    for (const family of this.#dual ? FAMILIES : [4] as const) {
      const [ip, way] = [`-${family}`, SIDE_DESTINATIONS[family]];
      await host.ip(ip, "route", "add", "default", "via", OUTSIDE[family]);
      await host.ip(ip, "route", "add", way, "via", SIDE[family]);
    }
    await this.putNode(name);
    const dir = `${this.dir}/${name}`;
    const parts = { host, cilium: this.#cilium, dir, kubeconfig };
    this.#nodes.set(name, await CiliumNode.make(facts, parts));
  }

  #factsOf({ name, number }: LabNode): NodeFacts {
    return {
      name,
      addresses: this.#families({ 4: `172.31.0.${number}`, 6: `fd00:31::${number}` }),
      sideAddresses: this.#families({ 4: `10.9.0.${number}`, 6: `fd00:9::${number}` }),
      podCIDRs: this.#families({ 4: `10.244.${number}.0/24`, 6: `fd00:244:${number}::/64` }),
    };
  }

  /** What of both is there in this lab. */
  #families(both: Required<ByFamily>): ByFamily {
    return this.#dual ? both : { 4: both[4] };
  }

  /** Creates a pod, and lets the CNI plugin attach it as a container runtime would. */
  async #attach(name: PodName, nodeName: string): Promise<void> {
    const host = await this.#network.host(`pod-${name}`);
    const node = this.node(nodeName);
    const labels = { app: name };
    await putPod(this.plane, { name, namespace: "default", node: nodeName, labels });
    const config = {
      cniVersion: "0.3.1",
      name: "cilium",
      type: "cilium-cni",
      "log-file": "/run/cilium/cni.log",
    };
    const environment = {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: `${name}-container`,
      CNI_NETNS: `/run/netns/${host.namespace}`,
      CNI_IFNAME: "eth0",
      CNI_PATH: this.#cilium.bin,
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name};` +
        `K8S_POD_INFRA_CONTAINER_ID=${name}-container`,
    };
    const assignments = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
    await node.room.commands.run(["env", ...assignments, `${this.#cilium.bin}/cilium-cni`], {
      stdin: JSON.stringify(config),
      timeoutMilliseconds: 60_000,
    });
    const text = await host.ip("-o", "addr", "show", "dev", "eth0", "scope", "global");
    const podIPs = [...text.matchAll(/inet6? ([^/\s]+)/g)].map(([, ip = ""]) => ({ ip }));
    await this.plane.api.patch(`/api/v1/namespaces/default/pods/${name}/status`, {
      status: { phase: "Running", podIP: podIPs[0]?.ip, podIPs, hostIP: node.ip },
    });
    this.#pods.set(name, new Pod(name, { host, dir: this.dir }));
  }

  async #installSallyport(): Promise<void> {
    for (const { name } of this.nodes) {
      await putPod(this.plane, {
        name: `cilium-${name}`,
        node: name,
        namespace: "kube-system",
        labels: { "k8s-app": "cilium" },
      });
    }
    this.#sallyport = await Sallyport.install({
      plane: this.plane,
      place: this.#network.outside,
      dir: this.dir,
      forNodes: (kubeconfig) => this.#forNodes(kubeconfig),
    });
    await this.sallyport.startController();
    for (const { name } of this.#places.filter(({ gateway }) => gateway)) {
      await this.sallyport.startAgent(this.node(name));
    }
  }
}

interface Kubeconfig {
  readonly clusters: readonly {
    readonly name: string;
    readonly cluster: Readonly<Record<string, unknown>>;
  }[];
}

function cable(
  name: string,
  { bridge, addresses }: { readonly bridge: string; readonly addresses: ByFamily },
): Cable {
  const address6 = addresses[6] === undefined ? {} : { address6: `${addresses[6]}/64` };
  return { name, bridge, address: `${addresses[4]}/24`, ...address6 };
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`The lab has no ${what}`);
  return value;
}

function secondsNow(): string {
  return new Date().toISOString().replace(/\.\d+Z/, "Z");
}
