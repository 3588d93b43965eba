/** The first third of a tick: reads the cluster into a snapshot. */
import { AGENT_APP, NAMESPACE } from "../core/names.ts";
import type { InvalidObject, Snapshot } from "../core/types.ts";
import type { KubeClient } from "../kube/client.ts";
import { readable } from "./decoders/decode.ts";
import {
  decodeCiliumPolicy,
  decodeGateway,
  decodeLease,
  decodeNode,
  decodePod,
  decodePolicy,
} from "./decoders/kinds.ts";
import type { LeaseWitness } from "./lease_witness.ts";
import { list } from "../kube/list.ts";
import { PATHS, podsIn } from "./resources.ts";
import type { ServerClock } from "./server_clock.ts";

export interface ObserveOptions {
  /** Where Cilium's agents run. Default: namespace `kube-system`, label `k8s-app=cilium`. */
  readonly cilium?: { readonly namespace: string; readonly labelSelector: string };
  /** What a resident process knows beyond one listing. */
  readonly witness?: LeaseWitness;
  readonly clock?: ServerClock;
  readonly signal?: AbortSignal;
}

export const CILIUM_PODS = { namespace: "kube-system", labelSelector: "k8s-app=cilium" } as const;

/**
 * Lists everything that a tick decides from.
 *
 * Causes come after their effects: gateways and policies are listed when all else has been. What was made from a
 * gateway's status (policies of Cilium, fences) is then never newer than the status that it is compared with, and a
 * policy of Cilium never older than the policy that it was made from. So a slow tick takes neither a newer term for a
 * hand edit nor a new policy for an orphan.
 *
 * @throws what `list` throws; a partial observation is an error, nothing may be decided from it
 */
export async function observe(client: KubeClient, options: ObserveOptions = {}): Promise<Snapshot> {
  const { cilium = CILIUM_PODS, witness, clock, signal } = options;
  const sent = performance.now();
  const cilia = { labelSelector: cilium.labelSelector, signal };
  const agents = { labelSelector: `app.kubernetes.io/name=${AGENT_APP}`, signal };
  const [nodes, ciliumPods, agentPods, leases, ciliumPolicies] = await Promise.all([
    list(client, PATHS.Node, { decode: decodeNode, signal }),
    list(client, podsIn(cilium.namespace), { decode: decodePod, ...cilia }),
    list(client, podsIn(NAMESPACE), { decode: decodePod, ...agents }),
    list(client, PATHS.Lease, { decode: decodeLease, signal }),
    list(client, PATHS.CiliumEgressGatewayPolicy, { decode: decodeCiliumPolicy, signal }),
  ]);
  const [policies, gateways] = await Promise.all([
    list(client, PATHS.EgressGatewayPolicy, { decode: decodePolicy, signal }),
    list(client, PATHS.EgressGateway, { decode: decodeGateway, signal }),
  ]);
  const received = performance.now();
  clock?.observe(leases.serverTime, { sent, received });

  const invalid: InvalidObject[] = [];
  const readLeases = readable(leases.items, invalid);
  return {
    now: leases.serverTime,
    ...(clock === undefined ? {} : { clock: Math.max(leases.serverTime, clock.at(received)) }),
    nodes: readable(nodes.items, invalid),
    ciliumPods: readable(ciliumPods.items, invalid),
    agentPods: readable(agentPods.items, invalid),
    leases: witness?.judge(readLeases, { sent, received }) ?? readLeases,
    gateways: readable(gateways.items, invalid),
    policies: readable(policies.items, invalid),
    ciliumPolicies: readable(ciliumPolicies.items, invalid),
    invalid,
  };
}
