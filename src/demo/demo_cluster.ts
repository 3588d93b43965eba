/** The demo's cluster: an API in memory, five nodes, two gateways and three policies. Nothing outside is touched. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import type { AgentEvent } from "../agent/agent_status.ts";
import type { JsonObject } from "../core/types.ts";
import { serve } from "../http/server.ts";
import type { KubeClient } from "../kube/client.ts";
import { createClient } from "../kube/http.ts";
import { createMemoryApi } from "./memory_api.ts";
import { kindNamed } from "./memory_kinds.ts";
import { asObject, MemoryStore } from "./memory_store.ts";
import { Segment } from "./segment.ts";
import { SimulatedNode } from "./simulated_node.ts";
import type { NodeDescription } from "./simulated_node.ts";

export interface DemoClusterOptions {
  /** Something worth a line; a sentence without full stop. */
  readonly onEvent: (text: string) => void;
  /** What the agents tell of themselves. */
  readonly onAgentEvent?: (node: string, event: AgentEvent) => void;
}

export interface DemoCluster extends AsyncDisposable {
  /** The store itself, for tests. */
  readonly store: MemoryStore;
  readonly client: KubeClient;
  /** A kubeconfig file for this cluster; gone when the cluster is. */
  readonly kubeconfig: string;
  readonly nodes: readonly SimulatedNode[];
}

const NAME = "sallyport-demo";
const MANIFESTS = [
  "crds/egressgateways.yaml",
  "crds/egressgatewaypolicies.yaml",
  "examples/demo/gateways.yaml",
  "examples/demo/policies.yaml",
].map((file) => new URL(`../../k8s/${file}`, import.meta.url));

/** What a person would look at besides: Cilium's settings, and a pod that a policy selects. */
const AROUND: readonly JsonObject[] = [
  {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "ciliumegressgatewaypolicies.cilium.io" },
    spec: { group: "cilium.io", versions: [] },
  },
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "cilium-config", namespace: "kube-system" },
    data: {
      "enable-egress-gateway": "true",
      "enable-bpf-masquerade": "true",
      "kube-proxy-replacement": "true",
    },
  },
  {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "payments", labels: { "kubernetes.io/metadata.name": "payments" } },
  },
  {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "api-0", namespace: "payments", labels: { app: "api" } },
    spec: { nodeName: "worker-1", containers: [{ name: "api", image: "api:1" }] },
    status: { podIP: "10.244.5.7", podIPs: [{ ip: "10.244.5.7" }] },
  },
];

/** Four nodes for egress in two zones, and one that only runs pods. */
const NODES: readonly NodeDescription[] = [
  egressNode(1, "zone-a"),
  egressNode(2, "zone-a"),
  egressNode(3, "zone-b"),
  egressNode(4, "zone-b"),
  { ...egressNode(5, "zone-b"), name: "worker-1", labels: zone("zone-b"), agent: false },
];

function egressNode(number: number, zoneName: string): NodeDescription {
  return {
    name: `egress-${number}`,
    labels: { "dedicated/egress": "", ...zone(zoneName) },
    address: `172.18.18.${10 + number}/24`,
    ip6: `2001:db8:18::${10 + number}`,
    mac: `02:00:00:00:00:0${number}`,
    agent: true,
  };
}

function zone(name: string): Readonly<Record<string, string>> {
  return { "topology.kubernetes.io/zone": name };
}

/** Starts the cluster. It ends, files included, when it is disposed of. */
export async function startDemoCluster(
  { onEvent, onAgentEvent }: DemoClusterOptions,
): Promise<DemoCluster> {
  const stop = new AbortController();
  const store = new MemoryStore();
  const directory = await mkdtemp(join(tmpdir(), "sallyport-demo-"));
  const secret = randomBytes(24).toString("base64url");
  const server = await serve({
    app: createMemoryApi({ store, secret, signal: stop.signal }),
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    graceMilliseconds: 200,
  });
  const kubeconfig = join(directory, "kubeconfig");
  const url = `http://127.0.0.1:${server.port}/${secret}`;
  await writeFile(kubeconfig, stringify(kubeconfigOf(url)), { mode: 0o600 });
  const client = createClient({
    name: NAME,
    server: url,
    credentials: () => Promise.resolve({ headers: {}, tls: {} }),
    // A watch and a renewal of each agent, and the controller beside them.
  }, { connections: 64 });
  for (const url of MANIFESTS) await createObjects(store, url);
  for (const object of AROUND) createObject(store, object);
  const segment = new Segment((ip, { from, to }) => {
    const failed = nodes.find(({ name }) => name === from)?.failedForMilliseconds;
    const after = failed === undefined
      ? ""
      : `, ${(failed / 1_000).toFixed(1)} s after ${from} lost power`;
    onEvent(`${to} answers for ${ip}${after}`);
  });
  const nodes: readonly SimulatedNode[] = NODES.map((description) =>
    new SimulatedNode(description, {
      store,
      client,
      segment,
      directory,
      onEvent: (node, told) => {
        onAgentEvent?.(node, told);
        const { event, ip, message = "" } = told;
        if (event === "Failed" || event === "BindFailed" || event === "Conflict") {
          onEvent(`${node}: ${event} ${ip}: ${message}`);
        }
      },
    })
  );
  for (const node of nodes) node.boot();
  return {
    store,
    client,
    kubeconfig,
    nodes,
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node.stop()));
      await client.close();
      stop.abort();
      await server.closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function createObjects(store: MemoryStore, url: URL): Promise<void> {
  const text = await readFile(url, "utf8");
  for (const document of parseAllDocuments(text)) createObject(store, asObject(document.toJS()));
}

function createObject(store: MemoryStore, object: JsonObject): void {
  const { name, namespace = "" } = asObject(object["metadata"]);
  const reference = { namespace: String(namespace), name: String(name) };
  store.create(kindNamed(String(object["kind"])), reference, {
    object,
    manager: "kubectl",
    operation: "Update",
  });
}

function kubeconfigOf(server: string): JsonObject {
  const name = NAME;
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{ name, cluster: { server } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  };
}
