/** Which gateway the pods of a node have, by each policy. */
import { nodeRequirementsOf } from "./allowed_namespaces.ts";
import { shardOf, UNLABELLED } from "./node_set.ts";
import { sortedByName } from "./order.ts";
import { sharesOf } from "./policy_parts.ts";
import { egressIPsOf } from "./reports.ts";
import { meetsRequirement } from "./selectors.ts";
import { SHARDS } from "./shares.ts";
import type { Node, Plan, PolicyWay, Snapshot } from "./types.ts";

/** The way of a node's pods by one policy that may select them. */
export interface NodeWay extends PolicyWay {
  readonly policy: string;
  /** How many gateways the policy has. */
  readonly of: number;
}

/** Sorted by policy; policies whose rules are for other nodes are left out. */
export function waysOfNode(
  { labels }: Node,
  { snapshot, plan }: { readonly snapshot: Snapshot; readonly plan: Plan },
): readonly NodeWay[] {
  const kind = String(shardOf(labels) ?? UNLABELLED);
  return sortedByName(snapshot.policies).flatMap(({ name, spec }): NodeWay[] => {
    const isMeant = spec.selectors.some((rule) =>
      nodeRequirementsOf(rule).every((one) => meetsRequirement(labels, one))
    );
    if (!isMeant) return [];
    const index = sharesOf(spec).findIndex((share) => share.has(kind));
    const way = plan.policies.find((policy) => policy.name === name)?.gateways[index];
    return way === undefined ? [] : [{ ...way, policy: name, of: spec.gateways.length }];
  });
}

/** The same in sentences. */
export function explainNode(
  node: Node,
  context: { readonly snapshot: Snapshot; readonly plan: Plan },
): string {
  const shard = shardOf(node.labels);
  const ways = waysOfNode(node, context);
  const why = (way: NodeWay): string =>
    way.of === 1
      ? "the policy's only gateway"
      : shard === undefined
      ? "the first of the list, as the node has no shard yet"
      : `shard ${shard} is among its ${way.shards} of ${SHARDS}`;
  return [
    `${node.name}: ${shard === undefined ? "no shard yet" : `shard ${shard}`}.`,
    ...(ways.length === 0 ? ["  No policy is for pods of this node."] : []),
    ...ways.map((way) => {
      const by = way.servedBy === undefined ? "" : `, for which ${way.servedBy} stands in`;
      const egressIPs = egressIPsOf(way);
      const address = egressIPs.length === 0 ? "" : `, as ${egressIPs.join(" and ")}`;
      const leaves = way.activeNodeName === undefined
        ? "its traffic is dropped"
        : `by node ${way.activeNodeName}${address}`;
      return `  ${way.policy}: gateway ${way.name} (${why(way)})${by}, ${leaves}.`;
    }),
  ].join("\n");
}
