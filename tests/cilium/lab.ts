/**
 * The end-to-end lab: a real control plane, real Cilium agents, and Sallyport's own programs.
 *
 *     bridge 172.31.0.0/24:  API server .1   node-a .11   node-b .12   node-c .13   outside .100
 *
 * The outside host is the nodes' default gateway and has the server's addresses. `node-b` and `node-c` are labelled as
 * gateways. Pods `selected` and `other` are on `node-a`, which is none, pod `near` is on `node-b` and pod `far` on
 * `node-c`. The label `app` of a pod is its name. A wide lab has a fourth node, `node-d` .14, a gateway too, with pod `away`.
 */
import { parse, stringify } from "yaml";
import { denoProgram } from "../lab/deno_program.ts";
import { Network } from "../lab/network.ts";
import { until } from "../lab/wait.ts";
import { type ControlPlane, startControlPlane } from "../support/control_plane.ts";
import { putPod } from "../support/cluster.ts";
import { buildCilium, type Cilium } from "./cilium_build.ts";
import { CiliumNode, type NodeFacts } from "./cilium_node.ts";
import { Outside } from "./outside.ts";
import { Pod } from "./pod.ts";
import { Sallyport } from "./sallyport.ts";

const API_ADDRESS = "172.31.0.1";
const OUTSIDE_ADDRESS = "172.31.0.100";

/** Label of the nodes that may be gateways. */
export const GATEWAY_LABELS = { "example.com/egress": "true" };

const NODES: readonly (NodeFacts & { readonly gateway: boolean })[] = [
  { name: "node-a", ip: "172.31.0.11", podCIDR: "10.244.1.0/24", gateway: false },
  { name: "node-b", ip: "172.31.0.12", podCIDR: "10.244.2.0/24", gateway: true },
  { name: "node-c", ip: "172.31.0.13", podCIDR: "10.244.3.0/24", gateway: true },
];

const FOURTH: typeof NODES[number] = {
  name: "node-d",
  ip: "172.31.0.14",
  podCIDR: "10.244.4.0/24",
  gateway: true,
};

const PODS = {
  selected: "node-a",
  other: "node-a",
  near: "node-b",
  far: "node-c",
  away: FOURTH.name,
} as const;

export type PodName = keyof typeof PODS;

export interface LabOptions {
  /** With a fourth node. */
  readonly wide?: boolean;
}

interface LabParts {
  readonly network: Network;
  readonly plane: ControlPlane;
  readonly cilium: Cilium;
  readonly dir: string;
  readonly facts: typeof NODES;
}

/** Builds the lab; everything ends with it. */
export async function startLab({ wide = false }: LabOptions = {}): Promise<Lab> {
  const cilium = await buildCilium();
  const dir = await Deno.makeTempDir({ prefix: "sallyport-e2e-" });
  const [network, plane] = await Promise.all([
    Network.create(),
    startControlPlane({ controllerManager: { controllers: ["garbage-collector-controller"] } }),
  ]);
  const facts = wide ? [...NODES, FOURTH] : NODES;
  const lab = new Lab({ network, plane, cilium, dir, facts });
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
  readonly #facts: typeof NODES;
  readonly #nodes = new Map<string, CiliumNode>();
  readonly #pods = new Map<PodName, Pod>();
  #outside: Outside | undefined;
  #sallyport: Sallyport | undefined;
  #files = 0;

  constructor({ network, plane, cilium, dir, facts }: LabParts) {
    this.#facts = facts;
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
      { name: "eth0", bridge: "lan", address: `${OUTSIDE_ADDRESS}/24` },
    ]);
    this.#outside = new Outside(outside, this.dir);
    await this.#exposeApi();
    const crds = await Promise.all(this.#cilium.crds.map((path) => Deno.readTextFile(path)));
    await Promise.all(crds.map((crd) => this.plane.api.apply(crd, { strict: false })));
    const kubeconfig = await this.#forNodes(this.plane.kubeconfigPath);
    for (const facts of this.#facts) await this.#addNode(facts, kubeconfig);
    for (const node of this.nodes) node.startCilium();
    await Promise.all([this.outside.start(), ...this.nodes.map((node) => node.ciliumReady())]);
    for (const [name, node] of Object.entries(PODS)) {
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
    const { ip, podCIDR, gateway } = found(
      this.#facts.find((node) => node.name === name),
      name,
    );
    await this.plane.api.apply({
      apiVersion: "v1",
      kind: "Node",
      metadata: {
        name,
        labels: { "kubernetes.io/hostname": name, ...(gateway ? GATEWAY_LABELS : {}) },
      },
      spec: { podCIDR, podCIDRs: [podCIDR] },
    });
    await this.plane.api.patch(`/api/v1/nodes/${name}/status`, {
      status: {
        addresses: [{ type: "InternalIP", address: ip }, { type: "Hostname", address: name }],
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

  async #addNode(facts: NodeFacts, kubeconfig: string): Promise<void> {
    const { name, ip } = facts;
    const host = await this.#network.host(name, [
      { name: "eth0", bridge: "lan", address: `${ip}/24` },
    ]);
    await host.ip("route", "add", "default", "via", OUTSIDE_ADDRESS);
    await this.putNode(name);
    const dir = `${this.dir}/${name}`;
    const parts = { host, cilium: this.#cilium, dir, kubeconfig };
    this.#nodes.set(name, await CiliumNode.make(facts, parts));
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
    const ip = /inet ([\d.]+)/.exec(await host.ip("-4", "addr", "show", "dev", "eth0"))?.[1] ?? "";
    await this.plane.api.patch(`/api/v1/namespaces/default/pods/${name}/status`, {
      status: { phase: "Running", podIP: ip, podIPs: [{ ip }], hostIP: node.ip },
    });
    this.#pods.set(name, new Pod(name, { ip, host, dir: this.dir }));
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
    for (const { name } of this.#facts.filter(({ gateway }) => gateway)) {
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

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`The lab has no ${what}`);
  return value;
}

function secondsNow(): string {
  return new Date().toISOString().replace(/\.\d+Z/, "Z");
}
