/**
 * A snapshot made of what watches told that is as good as one made of listings, for writing what traffic waits for
 * (`core/urgent.ts`).
 *
 * A decision from listings is safe since causes are listed after their effects (`observe.ts`), and each write carries the
 * version that it was decided from. Here the effects, Cilium's policies, are as old as the watch; Leases and the nodes
 * concerned are read anew; and then every gateway, and the policies concerned, must still be in the version that was decided
 * from. So no effect is newer than its cause, and one that is older fails its write. Where these are of before what watches told,
 * etcd was restored, and the copies are of what never was.
 */
import type { InvalidObject, Snapshot } from "../core/types.ts";
import type { Urgent } from "../core/urgent.ts";
import type { KubeClient } from "../kube/client.ts";
import { list } from "../kube/list.ts";
import type { ListOptions } from "../kube/list.ts";
import { lastOf } from "../kube/resource_version.ts";
import { isUnchanged, versionOf } from "../kube/versions.ts";
import { CILIUM_PODS } from "./cilium_pods.ts";
import type { CiliumPods } from "./cilium_pods.ts";
import { readable } from "./decoders/decode.ts";
import { decodeLease, decodeNode, decodePod } from "./decoders/kinds.ts";
import type { LeaseWitness } from "./lease_witness.ts";
import { AGENT_PODS, PATHS, podsIn } from "./resources.ts";
import type { ServerClock } from "./server_clock.ts";

/** Of more policies than these a whole listing of their versions costs less. */
const MOST_POLICIES = 8;

export interface RefreshOptions {
  readonly witness: LeaseWitness;
  readonly clock: ServerClock;
  readonly cilium?: CiliumPods | undefined;
  /** Of custom resources, read before. */
  readonly resourceVersion?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The snapshot with Leases, nodes and pods as they are now; undefined where gateways or policies are not those of the snapshot
 * any more.
 *
 * @throws what `list` throws, RestoredError among it
 */
export async function refreshed(
  client: KubeClient,
  snapshot: Snapshot,
  { urgent, witness, clock, cilium = CILIUM_PODS, resourceVersion, signal }: RefreshOptions & {
    readonly urgent: Urgent;
  },
): Promise<Snapshot | undefined> {
  const sent = performance.now();
  const named = urgent.nodes.map((name) => `metadata.name=${name}`);
  const onNodes = urgent.nodes.map((name) => `spec.nodeName=${name}`);
  const podsOf = ({ namespace, labelSelector }: CiliumPods) =>
    Promise.all(
      onNodes.map((fieldSelector) =>
        list(client, podsIn(namespace), { decode: decodePod, labelSelector, fieldSelector, signal })
      ),
    );
  const [leases, nodes, ciliumPods, agentPods] = await Promise.all([
    list(client, PATHS.Lease, { decode: decodeLease, signal }),
    Promise.all(
      named.map((fieldSelector) =>
        list(client, PATHS.Node, { decode: decodeNode, fieldSelector, signal })
      ),
    ),
    podsOf(cilium),
    podsOf(AGENT_PODS),
  ]);
  // Causes after their effects.
  const effects = snapshot.ciliumPolicies.map((policy) => policy.resourceVersion);
  const notBefore = lastOf([resourceVersion, ...effects]);
  if (!await areCausesCurrent(client, snapshot, { urgent, notBefore, signal })) return undefined;
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
    // A pod that cannot be read was told by the watch, too: on which node it is nobody knows.
    invalid: [...new Map(invalid.map((each) => [`${each.kind}/${each.name}`, each])).values()],
  };
}

/** Whether every gateway, and each policy concerned, is what the snapshot has. */
async function areCausesCurrent(
  client: KubeClient,
  { gateways, policies, invalid }: Snapshot,
  { urgent, ...options }: Pick<ListOptions, "notBefore" | "signal"> & { readonly urgent: Urgent },
): Promise<boolean> {
  const unread = (kind: InvalidObject["kind"]) =>
    invalid.filter((object) => object.kind === kind).map(versionIn);
  const isMany = urgent.policies.length > MOST_POLICIES;
  const concerned = policies.filter(({ name }) => urgent.policies.includes(name));
  const unchanged = await Promise.all([
    isUnchanged(client, PATHS.EgressGateway, {
      versions: [...gateways.map(versionIn), ...unread("EgressGateway")],
      ...options,
    }),
    ...isMany
      ? [isUnchanged(client, PATHS.EgressGatewayPolicy, {
        versions: [...policies.map(versionIn), ...unread("EgressGatewayPolicy")],
        ...options,
      })]
      : concerned.map((policy) =>
        isUnchanged(client, PATHS.EgressGatewayPolicy, {
          versions: [versionIn(policy)],
          fieldSelector: `metadata.name=${policy.name}`,
          ...options,
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
