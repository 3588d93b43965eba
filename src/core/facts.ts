/** The snapshot, indexed once per tick by node. */
import { sortedByName } from "./order.ts";
import type { InvalidObject, Lease, Node, Pod, Snapshot } from "./types.ts";

/** What is known of one node. */
export interface NodeFacts {
  readonly node: Node;
  readonly ciliumPods: readonly Pod[];
  readonly agentPods: readonly Pod[];
  readonly lease?: Lease;
}

export interface Facts {
  readonly snapshot: Snapshot;
  /** Sorted by name. */
  readonly nodes: readonly NodeFacts[];
  readonly byNode: ReadonlyMap<string, NodeFacts>;
  readonly leases: ReadonlyMap<string, Lease>;
}

/** Whether an object of that name is there, and is none that can be understood. */
export function isUnreadable(
  { snapshot }: Pick<Facts, "snapshot">,
  object: Pick<InvalidObject, "kind" | "name">,
): boolean {
  return snapshot.invalid.some(({ kind, name }) => kind === object.kind && name === object.name);
}

/** Joins nodes with their pods and Leases. */
export function gatherFacts(snapshot: Snapshot): Facts {
  const ciliumPods = Map.groupBy(snapshot.ciliumPods, (pod) => pod.nodeName);
  const agentPods = Map.groupBy(snapshot.agentPods, (pod) => pod.nodeName);
  const leases = new Map(snapshot.leases.map((lease) => [lease.name, lease]));
  const nodes = sortedByName(snapshot.nodes).map((node): NodeFacts => {
    const lease = leases.get(node.name);
    return {
      node,
      ciliumPods: sortedByName(ciliumPods.get(node.name) ?? []),
      agentPods: sortedByName(agentPods.get(node.name) ?? []),
      ...(lease === undefined ? {} : { lease }),
    };
  });
  return {
    snapshot,
    nodes,
    byNode: new Map(nodes.map((facts) => [facts.node.name, facts])),
    leases,
  };
}
