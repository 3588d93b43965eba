/** The first third of a tick: reads the cluster into a snapshot. */
import { AGENT_APP, NAMESPACE } from "../core/names.ts";
import type { InvalidObject, Snapshot } from "../core/types.ts";
import { ciliumPolicy } from "./decoders/cilium_policy.ts";
import { decodeAll } from "./decoders/decode.ts";
import { gateway } from "./decoders/gateway.ts";
import { lease } from "./decoders/lease.ts";
import { node } from "./decoders/node.ts";
import { pod } from "./decoders/pod.ts";
import { policy } from "./decoders/policy.ts";
import type { KubeClient } from "./http.ts";
import type { LeaseWitness } from "./lease_witness.ts";
import { list } from "./list.ts";
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
 * Gateways come last: whatever was derived from their status (policies, fences) is then never newer than the status
 * that it is compared with, so that a slow tick cannot take a newer term's policies for a hand edit.
 *
 * @throws what `list` throws; a partial observation is an error, nothing may be decided from it
 */
export async function observe(client: KubeClient, options: ObserveOptions = {}): Promise<Snapshot> {
  const { cilium = CILIUM_PODS, witness, clock, signal } = options;
  const sent = performance.now();
  const read = async (path: string, labelSelector?: string) =>
    await list(client, path, { labelSelector, signal });
  const [nodes, ciliumPods, agentPods, leases, policies, ciliumPolicies] = await Promise.all([
    read(PATHS.Node),
    read(podsIn(cilium.namespace), cilium.labelSelector),
    read(podsIn(NAMESPACE), `app.kubernetes.io/name=${AGENT_APP}`),
    read(PATHS.Lease),
    read(PATHS.EgressGatewayPolicy),
    read(PATHS.CiliumEgressGatewayPolicy),
  ]);
  const gateways = await read(PATHS.EgressGateway);
  const received = performance.now();
  clock?.observe(leases.serverTime, { sent, received });

  const invalid: InvalidObject[] = [];
  const keep = <T>(
    decoded: { objects: readonly T[]; invalid: readonly InvalidObject[] },
  ): readonly T[] => {
    invalid.push(...decoded.invalid);
    return decoded.objects;
  };
  const decodedLeases = keep(decodeAll(leases.items, { kind: "Lease", schema: lease }));
  return {
    now: leases.serverTime,
    ...(clock === undefined ? {} : { clock: Math.max(leases.serverTime, clock.at(received)) }),
    nodes: keep(decodeAll(nodes.items, { kind: "Node", schema: node })),
    ciliumPods: keep(decodeAll(ciliumPods.items, { kind: "Pod", schema: pod })),
    agentPods: keep(decodeAll(agentPods.items, { kind: "Pod", schema: pod })),
    leases: witness?.judge(decodedLeases, { sent, received }) ?? decodedLeases,
    gateways: keep(decodeAll(gateways.items, { kind: "EgressGateway", schema: gateway })),
    policies: keep(decodeAll(policies.items, { kind: "EgressGatewayPolicy", schema: policy })),
    ciliumPolicies: keep(
      decodeAll(ciliumPolicies.items, { kind: "CiliumEgressGatewayPolicy", schema: ciliumPolicy }),
    ),
    invalid,
  };
}
