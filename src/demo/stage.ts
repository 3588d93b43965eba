/** What the demo plays on: a cluster of its own, or one that was named. */
import type { Snapshot } from "../core/types.ts";
import type { KubeClient } from "../kube/client.ts";
import { loadCluster } from "../kube/auth/load_cluster.ts";
import { createClient } from "../kube/http.ts";
import type { TickResult } from "../controller/tick.ts";
import { startDemoCluster } from "./demo_cluster.ts";
import { Script } from "./script.ts";
import type { SimulatedNode } from "./simulated_node.ts";
import type { NodeView } from "./view.ts";

export interface Stage extends AsyncDisposable {
  readonly client: KubeClient;
  readonly title: string;
  readonly hints: readonly string[];
  readonly keys: string;
  nodes(last: TickResult | undefined): readonly NodeView[];
  /** What happens next by itself. */
  next(): string;
  /** Does what is due by itself. */
  advance(): void;
  press(key: string): void;
}

export interface EmbeddedStageOptions {
  readonly failAfterMilliseconds: number;
  readonly last: () => TickResult | undefined;
  readonly onEvent: (text: string) => void;
}

const REPAIR_AFTER_MILLISECONDS = 20_000;

/** The gateway whose node fails. */
const GATEWAY = "payments";

/** A cluster in memory, whose nodes can be switched off. */
export async function embeddedStage(options: EmbeddedStageOptions): Promise<Stage> {
  const { failAfterMilliseconds, last, onEvent } = options;
  const cluster = await startDemoCluster({ onEvent });
  const { client, kubeconfig, nodes } = cluster;

  function fail(node: SimulatedNode | undefined): string | undefined {
    if (node === undefined) return undefined;
    node.fail();
    onEvent(`${node.name} loses power`);
    return node.name;
  }

  function repair(node: SimulatedNode | undefined): void {
    if (node?.state !== "off" && node?.state !== "lost") return;
    onEvent(`${node.name} gets its power back`);
    void node.repair();
  }

  /** The node that serves the gateway, unless it has failed already. */
  function serving(): SimulatedNode | undefined {
    const gateway = last()?.plan.gateways.find(({ name }) => name === GATEWAY);
    if (gateway?.phase !== "Active") return undefined;
    return nodes.find(({ name, state }) => name === gateway.activeNodeName && state === "on");
  }

  const script = new Script({
    failAfterMilliseconds,
    repairAfterMilliseconds: REPAIR_AFTER_MILLISECONDS,
    fail: () => fail(serving()),
    repair: (name) => repair(nodes.find((node) => node.name === name)),
  });

  function press(key: string): boolean {
    if (key === "f") return fail(serving()) !== undefined;
    if (key === "r") return nodes.map(repair).length > 0;
    const node = nodes[Number(key) - 1];
    if (node === undefined) return false;
    if (node.state === "on") fail(node);
    else repair(node);
    return true;
  }

  return {
    client,
    title: "Sallyport demo: five simulated nodes, the real controller, the real agents",
    hints: [`For kubectl and sallyport in another terminal: --kubeconfig ${kubeconfig}`],
    keys: `f fail the active node of ${GATEWAY}   1-${nodes.length} power of a node   ` +
      "r repair all   q quit",
    nodes: () => nodes.map(nodeView),
    next: () => script.next(),
    advance: () => script.advance(),
    press(key) {
      if (press(key)) script.end();
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

const STATES = { on: "on", starting: "starting", off: "no power", lost: "no power" } as const;

function nodeView({ name, state, description }: SimulatedNode): NodeView {
  const zone = description.labels["topology.kubernetes.io/zone"] ?? "";
  return { name, state: STATES[state], healthy: state === "on", zone };
}

/**
 * The cluster that was named, and no other: the environment is not asked.
 *
 * @throws ConfigError when the file or its context cannot be used
 */
export async function namedStage(
  options: { readonly kubeconfig: string; readonly context?: string | undefined },
): Promise<Stage> {
  const cluster = await loadCluster({ ...options, environment: {} });
  const client = createClient(cluster);
  return {
    client,
    title: `Sallyport on cluster ${cluster.name} (${new URL(cluster.server).host})`,
    hints: [],
    keys: "q quit",
    nodes: (last) => last === undefined ? [] : candidates(last),
    next: () => "",
    advance() {},
    press() {},
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** A large cluster has more nodes than lines; those that may serve a gateway matter. */
const LISTED = 12;

function candidates({ snapshot, plan }: TickResult): readonly NodeView[] {
  const names = new Set(
    plan.gateways.flatMap((gateway) => gateway.candidates)
      .map(({ node }) => node),
  );
  return snapshot.nodes.filter(({ name }) => names.has(name))
    .sort((a, b) => a.name < b.name ? -1 : 1).slice(0, LISTED).map(candidateView);
}

function candidateView({ name, ready, cordoned, labels }: Snapshot["nodes"][number]): NodeView {
  const isReady = ready === "True" || ready === "Missing";
  const state = isReady ? cordoned ? "cordoned" : "Ready" : "NotReady";
  const zone = labels["topology.kubernetes.io/zone"] ?? "";
  return { name, state, healthy: state === "Ready", zone };
}
