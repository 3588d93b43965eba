/** The first third of a tick: reads the cluster into a snapshot. */
import { isSpread } from "../core/shards.ts";
import type { Gateway, InvalidObject, Node, Pod, Policy, Snapshot } from "../core/types.ts";
import type { KubeClient } from "../kube/client.ts";
import { PartialListError } from "../kube/errors.ts";
import { CiliumNodeMemory } from "./cilium_nodes.ts";
import { CILIUM_PODS, CiliumNotFoundError } from "./cilium_pods.ts";
import type { CiliumPods } from "./cilium_pods.ts";
import { type Decoded, readable } from "./decoders/decode.ts";
import {
  decodeCiliumPolicy,
  decodeGateway,
  decodeLease,
  decodeNode,
  decodePod,
  decodePolicy,
} from "./decoders/kinds.ts";
import type { LeaseWitness } from "./lease_witness.ts";
import { countItems, list } from "../kube/list.ts";
import type { ListOptions } from "../kube/list.ts";
import { AGENT_PODS, PATHS, podsIn } from "./resources.ts";
import { isUnchanged, versionOf } from "../kube/versions.ts";
import { covers, nodeScope, WITHOUT_SHARD } from "./scope.ts";
import type { NodeScope } from "./scope.ts";
import type { ServerClock } from "./server_clock.ts";

export interface ObserveOptions {
  /** Where Cilium's agents run. Default: namespace `kube-system`, label `k8s-app=cilium`. */
  readonly cilium?: CiliumPods;
  /** What a resident process knows beyond one listing. */
  readonly witness?: LeaseWitness;
  readonly clock?: ServerClock;
  readonly known?: Known;
  /** In a cluster of at most so many nodes all are listed at once. Default 100. */
  readonly everyNodeUpTo?: number;
  readonly signal?: AbortSignal;
}

/** What a resident process remembers of the last observation, so that it need not ask before the next. */
export interface Known {
  gateways?: readonly Gateway[];
  nodeCount?: number;
  /** Of custom resources: what is read later is not of before this. */
  resourceVersion?: string | undefined;
  ciliumNodes?: CiliumNodeMemory;
}

/** Everything of so few nodes is one page, and needs no look at the gateways first. */
const EVERY_NODE_UP_TO = 100;

/** Asking for the pods of one node costs about as much as so many pods of a listing. */
const PODS_PER_REQUEST = 4;

/** Gateways that begin to select other nodes while they are observed are observed again so often. */
const MAX_ROUNDS = 3;

/**
 * Lists everything that a tick decides from: nodes that are candidates of a gateway or were, Cilium's pods of these, and
 * all that is ours.
 *
 * Causes come after their effects: gateways and policies are listed when all else has been. What was made from a
 * gateway's status (policies of Cilium, fences) is then never newer than the status that it is compared with, and a
 * policy of Cilium never older than the policy that it was made from. So a slow tick takes neither a newer term for a
 * hand edit nor a new policy for an orphan. What undoes that order is an etcd that is restored from a backup in between: causes that
 * are of before the effects.
 *
 * @throws what `list` throws, RestoredError among it; a partial observation is an error, nothing may be decided from it. So is
 * one that found not one pod of Cilium: CiliumNotFoundError
 */
export async function observe(client: KubeClient, options: ObserveOptions = {}): Promise<Snapshot> {
  const { known = {} } = options;
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    const { snapshot, scope } = await observeOnce(client, { ...options, known });
    known.gateways = snapshot.gateways;
    if (covers(scope, nodeScope(snapshot.gateways))) {
      if (scope.every) known.nodeCount = snapshot.nodes.length;
      return snapshot;
    }
  }
  throw new PartialListError({ path: PATHS.Node }, "gateways went on to select other nodes");
}

async function observeOnce(
  client: KubeClient,
  options: ObserveOptions & { readonly known: Known },
): Promise<{ readonly snapshot: Snapshot; readonly scope: NodeScope }> {
  const { witness, clock, known, signal } = options;
  const sent = performance.now();
  const agents = { labelSelector: AGENT_PODS.labelSelector, signal };
  const [{ scope, nodes, ciliumPods, first }, agentPods, leases, ciliumPolicies] = await Promise
    .all([
      listCandidates(client, options),
      list(client, podsIn(AGENT_PODS.namespace), { decode: decodePod, ...agents }),
      list(client, PATHS.Lease, { decode: decodeLease, signal }),
      list(client, PATHS.CiliumEgressGatewayPolicy, {
        decode: decodeCiliumPolicy,
        notBefore: known.resourceVersion,
        signal,
      }),
    ]);
  const notBefore = ciliumPolicies.resourceVersion;
  const [policies, gateways] = await Promise.all([
    list(client, PATHS.EgressGatewayPolicy, { decode: decodePolicy, notBefore, signal }),
    gatewaysAfter(client, { first, notBefore, signal }),
  ]);
  known.resourceVersion = notBefore;
  const newcomers = await withoutShard(client, { policies: policies.items, scope, signal });
  if (ciliumPods.length === 0) await assertCiliumRuns(client, { ...options, scope });
  const received = performance.now();
  clock?.observe(leases.serverTime, { sent, received });

  const invalid: InvalidObject[] = [];
  const readLeases = readable(leases.items, invalid);
  const snapshot: Snapshot = {
    now: leases.serverTime,
    ...(clock === undefined ? {} : { clock: Math.max(leases.serverTime, clock.at(received)) }),
    nodes: readable(distinct([...nodes, ...newcomers]), invalid),
    ciliumPods: readable(ciliumPods, invalid),
    agentPods: readable(agentPods.items, invalid),
    leases: witness?.judge(readLeases, { sent, received, isListed: true }) ?? readLeases,
    gateways: readable(gateways, invalid),
    policies: readable(policies.items, invalid),
    ciliumPolicies: readable(ciliumPolicies.items, invalid),
    invalid,
  };
  known.ciliumNodes ??= new CiliumNodeMemory();
  const ciliumNodes = await known.ciliumNodes.look(client, snapshot, signal);
  return { snapshot: { ...snapshot, ciliumNodes }, scope };
}

/** Nodes that need a shard, where a policy is spread; in most ticks there is none. */
async function withoutShard(
  client: KubeClient,
  { policies, scope, signal }: {
    readonly policies: readonly Decoded<Policy>[];
    readonly scope: NodeScope;
    readonly signal: AbortSignal | undefined;
  },
): Promise<readonly Decoded<Node>[]> {
  if (scope.every || !readable(policies, []).some(isSpread)) return [];
  const options = { decode: decodeNode, labelSelector: WITHOUT_SHARD, signal };
  return (await list(client, PATHS.Node, options)).items;
}

/** Of two readings of one node the second. */
function distinct(nodes: readonly Decoded<Node>[]): readonly Decoded<Node>[] {
  return [...new Map(nodes.map((node) => [nameOf(node), node])).values()];
}

/** Of candidates alone there may be no pods though there are others. */
async function assertCiliumRuns(
  client: KubeClient,
  { cilium = CILIUM_PODS, scope, signal }: ObserveOptions & { readonly scope: NodeScope },
): Promise<void> {
  const { namespace, labelSelector } = cilium;
  const found = scope.every
    ? 0
    : await countItems(client, podsIn(namespace), { labelSelector, signal });
  if (found === 0) throw new CiliumNotFoundError(cilium, { among: "in the cluster" });
}

interface Listed {
  /** The gateways that told whom to list, where they were asked. */
  readonly first: readonly Versioned[] | undefined;
  readonly scope: NodeScope;
  readonly nodes: readonly Decoded<Node>[];
  readonly ciliumPods: readonly Decoded<Pod>[];
}

/** The nodes that the gateways are about, and Cilium's pods of them. */
async function listCandidates(
  client: KubeClient,
  options: ObserveOptions & { readonly known: Known },
): Promise<Listed> {
  const { known, cilium = CILIUM_PODS, everyNodeUpTo = EVERY_NODE_UP_TO, signal } = options;
  known.nodeCount ??= await countItems(client, PATHS.Node, { signal });
  const few = known.nodeCount <= everyNodeUpTo;
  const first = few || known.gateways !== undefined
    ? undefined
    : await listVersioned(client, signal);
  const gateways = known.gateways ?? readable(first?.map(({ decoded }) => decoded) ?? [], []);
  const scope: NodeScope = few ? { every: true } : nodeScope(gateways);
  const decodePods = { decode: decodePod, labelSelector: cilium.labelSelector, signal };
  const everyPod = () => list(client, podsIn(cilium.namespace), decodePods);
  if (scope.every) {
    const [nodes, pods] = await Promise.all([
      list(client, PATHS.Node, { decode: decodeNode, signal }),
      everyPod(),
    ]);
    return { first, scope, nodes: nodes.items, ciliumPods: pods.items };
  }
  const selected = await Promise.all(
    scope.labelSelectors.map((labelSelector) =>
      list(client, PATHS.Node, { decode: decodeNode, labelSelector, signal })
    ),
  );
  const byName = new Map(
    selected.flatMap(({ items }) => items).map((node) => [nameOf(node), node]),
  );
  // A holder may have lost the labels by which it was selected.
  const holders = gateways.flatMap(({ status }) => status.activeNodeName ?? []);
  const missing = [...new Set(holders)].filter((name) => !byName.has(name));
  const found = await Promise.all(
    missing.map((name) =>
      list(client, PATHS.Node, {
        decode: decodeNode,
        fieldSelector: `metadata.name=${name}`,
        signal,
      })
    ),
  );
  const nodes = [...byName.values(), ...found.flatMap(({ items }) => items)];
  if (nodes.length * PODS_PER_REQUEST > known.nodeCount) {
    return { first, scope, nodes, ciliumPods: (await everyPod()).items };
  }
  const pods = await Promise.all(
    nodes.map((node) =>
      list(client, podsIn(cilium.namespace), {
        ...decodePods,
        fieldSelector: `spec.nodeName=${nameOf(node)}`,
      })
    ),
  );
  return { first, scope, nodes, ciliumPods: pods.flatMap(({ items }) => items) };
}

interface Versioned {
  readonly version: string | undefined;
  readonly decoded: Decoded<Gateway>;
}

async function listVersioned(
  client: KubeClient,
  signal: AbortSignal | undefined,
): Promise<readonly Versioned[]> {
  const decode = (item: unknown) => ({ version: versionOf(item), decoded: decodeGateway(item) });
  return (await list(client, PATHS.EgressGateway, { decode, signal })).items;
}

/** The gateways as they are now. Those that were read at the beginning need no second reading while nobody writes them. */
async function gatewaysAfter(
  client: KubeClient,
  { first, ...options }: Pick<Listed, "first"> & Pick<ListOptions, "notBefore" | "signal">,
): Promise<readonly Decoded<Gateway>[]> {
  const path = PATHS.EgressGateway;
  if (first !== undefined) {
    const versions = first.map(({ version }) => version);
    if (await isUnchanged(client, path, { ...options, versions })) {
      return first.map(({ decoded }) => decoded);
    }
  }
  return (await list(client, path, { ...options, decode: decodeGateway })).items;
}

function nameOf(node: Decoded<Node>): string {
  return "object" in node ? node.object.name : node.invalid.name;
}
