/** The snapshot, indexed once per tick by node. */
import { HOSTNAME_LABEL } from "./names.ts";
import { byText, sortedByName } from "./order.ts";
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
  /** Value of the hostname label -> the first of the nodes that have it, by name, which is the one that Cilium takes. */
  readonly byHostname: ReadonlyMap<string, string>;
  readonly leases: ReadonlyMap<string, Lease>;
  /** What is there and cannot be read at all, by kind and name: why. */
  readonly unread: Unread;
}

export interface Unread {
  readonly nodes: ReadonlyMap<string, string>;
  readonly leases: ReadonlyMap<string, string>;
  /** Pods of which it is not known on which node they are. */
  readonly ciliumPods: readonly string[];
  readonly agentPods: readonly string[];
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
    byHostname: new Map(
      nodes.toReversed().flatMap(({ node: { name, labels } }) => {
        const hostname = labels[HOSTNAME_LABEL];
        return hostname === undefined ? [] : [[hostname, name] as const];
      }),
    ),
    leases,
    unread: unreadOf(snapshot),
  };
}

function unreadOf({ invalid, ciliumPods, agentPods }: Snapshot): Unread {
  const ofKind = (kind: InvalidObject["kind"]) =>
    invalid.filter((object) => object.kind === kind).map(({ name, message }) =>
      [name, message] as const
    );
  const pods = ofKind("Pod").map(([name, message]) => `Pod ${name}: ${message}`);
  const astray = (read: readonly Pod[]) =>
    read.flatMap(({ nodeName, namespace, name, unread }) =>
      nodeName === "" && unread !== undefined ? [`Pod ${namespace}/${name}: ${unread}`] : []
    );
  return {
    nodes: new Map(ofKind("Node")),
    leases: new Map(ofKind("Lease")),
    ciliumPods: [...pods, ...astray(ciliumPods)].sort(byText),
    agentPods: [...pods, ...astray(agentPods)].sort(byText),
  };
}
