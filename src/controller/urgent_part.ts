/**
 * The part of a tick that traffic waits for, without listing the cluster: decided from what watches told, and written once the
 * API server has confirmed what it rests on.
 *
 * A decision from listings is safe since causes are listed after their effects (`observe.ts`), and each write carries the
 * version that it was decided from. Here the effects, Cilium's policies, are as old as the watch; Leases and the nodes
 * concerned are read anew; and then every gateway, and the policies concerned, must still be in the version that was decided
 * from. So no effect is newer than its cause, and one that is older fails its write. What nobody waits for is left to the
 * next whole tick, and whatever takes away or looks at more than these objects too.
 */
import { CILIUM_PODS } from "../cluster/cilium_pods.ts";
import { readable } from "../cluster/decoders/decode.ts";
import { decodeLease, decodeNode, decodePod } from "../cluster/decoders/kinds.ts";
import type { LeaseWitness } from "../cluster/lease_witness.ts";
import type { ObserveOptions } from "../cluster/observe.ts";
import { PATHS, podsIn } from "../cluster/resources.ts";
import type { ServerClock } from "../cluster/server_clock.ts";
import { AGENT_APP, NAMESPACE } from "../core/names.ts";
import type { Change, InvalidObject, Plan, Snapshot } from "../core/types.ts";
import type { KubeClient } from "../kube/client.ts";
import { list } from "../kube/list.ts";
import { isUnchanged, versionOf } from "../kube/versions.ts";

/** Of more objects than these a whole listing costs less. */
const MOST_NODES = 6;
const MOST_POLICIES = 8;

/** The changes of these gateways, and what they rest on. */
export interface Urgent {
  readonly changes: readonly Change[];
  readonly nodes: readonly string[];
  readonly policies: readonly string[];
}

export interface RefreshOptions {
  readonly witness: LeaseWitness;
  readonly clock: ServerClock;
  readonly cilium?: ObserveOptions["cilium"];
  readonly signal?: AbortSignal | undefined;
}

/** What of a plan traffic waits for; undefined: nothing, or so much that a listing costs less. */
export function urgentPart(plan: Plan, { gateways, policies }: Snapshot): Urgent | undefined {
  const groups = Map.groupBy(plan.changes, ({ group }) => group);
  const moving = gateways.filter(({ name, status }) => {
    const changes = groups.get(name) ?? [];
    // A first holder is no takeover, and its virtual IP is looked for on every node.
    return status.activeNodeName !== undefined && changes.length > 0 &&
      changes.every(({ action }) => action !== "delete");
  });
  const names = new Set(moving.map(({ name }) => name));
  const nodes = new Set(
    moving.flatMap(({ name, status }) => [
      status.activeNodeName,
      status.lastFailover?.from,
      plan.gateways.find((planned) => planned.name === name)?.activeNodeName,
    ]).filter((node) => node !== undefined && node !== null),
  );
  if (names.size === 0 || nodes.size > MOST_NODES) return undefined;
  return {
    changes: plan.changes.filter(({ group }) => names.has(group)),
    nodes: [...nodes],
    policies: policies.filter(({ spec }) =>
      spec.gateways.some(({ name }) => names.has(name)) ||
      (spec.fallback !== undefined && names.has(spec.fallback))
    ).map(({ name }) => name),
  };
}

/** Tells whether what was read anew for one is all that another rests on. */
export function isWithin(urgent: Urgent, read: Urgent): boolean {
  return urgent.nodes.every((node) => read.nodes.includes(node)) &&
    urgent.policies.every((policy) => read.policies.includes(policy));
}

/**
 * The snapshot with Leases, nodes and pods as they are now; undefined where gateways or policies are not those of the snapshot
 * any more.
 *
 * @throws what `list` throws
 */
export async function refreshed(
  client: KubeClient,
  snapshot: Snapshot,
  { urgent, witness, clock, cilium = CILIUM_PODS, signal }: RefreshOptions & {
    readonly urgent: Urgent;
  },
): Promise<Snapshot | undefined> {
  const sent = performance.now();
  const named = urgent.nodes.map((name) => `metadata.name=${name}`);
  const onNodes = urgent.nodes.map((name) => `spec.nodeName=${name}`);
  const podsOf = (path: string, labelSelector: string) =>
    Promise.all(
      onNodes.map((fieldSelector) =>
        list(client, path, { decode: decodePod, labelSelector, fieldSelector, signal })
      ),
    );
  const [leases, nodes, ciliumPods, agentPods] = await Promise.all([
    list(client, PATHS.Lease, { decode: decodeLease, signal }),
    Promise.all(
      named.map((fieldSelector) =>
        list(client, PATHS.Node, { decode: decodeNode, fieldSelector, signal })
      ),
    ),
    podsOf(podsIn(cilium.namespace), cilium.labelSelector),
    podsOf(podsIn(NAMESPACE), `app.kubernetes.io/name=${AGENT_APP}`),
  ]);
  // Causes after their effects.
  if (!await areCausesCurrent(client, snapshot, { urgent, signal })) return undefined;
  const received = performance.now();
  clock.observe(leases.serverTime, { sent, received });

  const isFresh = new Set(urgent.nodes);
  const invalid: InvalidObject[] = snapshot.invalid.filter(({ kind, name }) =>
    kind !== "Lease" && !(kind === "Node" && isFresh.has(name))
  );
  const elsewhere = <T extends { readonly nodeName: string }>(pods: readonly T[]) =>
    pods.filter(({ nodeName }) => !isFresh.has(nodeName));
  const items = <T>(lists: readonly { readonly items: readonly T[] }[]) =>
    lists.flatMap((each) => each.items);
  return {
    ...snapshot,
    now: leases.serverTime,
    clock: Math.max(leases.serverTime, clock.at(received)),
    nodes: [
      ...snapshot.nodes.filter(({ name }) => !isFresh.has(name)),
      ...readable(items(nodes), invalid),
    ],
    ciliumPods: [...elsewhere(snapshot.ciliumPods), ...readable(items(ciliumPods), invalid)],
    agentPods: [...elsewhere(snapshot.agentPods), ...readable(items(agentPods), invalid)],
    leases: witness.judge(readable(leases.items, invalid), { sent, received, isListed: true }),
    invalid,
  };
}

/** Whether every gateway, and each policy concerned, is what the snapshot has. */
async function areCausesCurrent(
  client: KubeClient,
  { gateways, policies, invalid }: Snapshot,
  { urgent, signal }: { readonly urgent: Urgent; readonly signal: AbortSignal | undefined },
): Promise<boolean> {
  const unread = (kind: InvalidObject["kind"]) =>
    invalid.filter((object) => object.kind === kind).map(versionIn);
  const isMany = urgent.policies.length > MOST_POLICIES;
  const concerned = policies.filter(({ name }) => urgent.policies.includes(name));
  const unchanged = await Promise.all([
    isUnchanged(client, PATHS.EgressGateway, {
      versions: [...gateways.map(versionIn), ...unread("EgressGateway")],
      signal,
    }),
    ...isMany
      ? [isUnchanged(client, PATHS.EgressGatewayPolicy, {
        versions: [...policies.map(versionIn), ...unread("EgressGatewayPolicy")],
        signal,
      })]
      : concerned.map((policy) =>
        isUnchanged(client, PATHS.EgressGatewayPolicy, {
          versions: [versionIn(policy)],
          fieldSelector: `metadata.name=${policy.name}`,
          signal,
        })
      ),
  ]);
  return !unchanged.includes(false);
}

function versionIn(
  { uid, resourceVersion }: { readonly uid?: string; readonly resourceVersion?: string },
): string | undefined {
  return versionOf({ metadata: { uid, resourceVersion } });
}
