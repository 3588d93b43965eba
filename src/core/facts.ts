/** The snapshot, indexed once per tick: what is decided for one gateway must not take a look at all of the others. */
import { isObserverSuspect } from "./heartbeat.ts";
import { HOSTNAME_LABEL } from "./names.ts";
import { byName, byText, sortedByName } from "./order.ts";
import { policyOf } from "./policy_parts.ts";
import { egressIPsOf, virtualIPsOf } from "./reports.ts";
import { mayMatch } from "./selectors.ts";
import type {
  CiliumPolicy,
  Gateway,
  InvalidObject,
  Labels,
  Lease,
  Node,
  Pod,
  Snapshot,
} from "./types.ts";

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
  /** Node that Cilium was asked about -> the CiliumNode that it takes for it; undefined: it finds none. */
  readonly ciliumNodes: ReadonlyMap<string, string | undefined>;
  readonly leases: ReadonlyMap<string, Lease>;
  /** `key=value` -> the nodes with that label, of the keys that `nodesMatching` looks up. */
  readonly byLabel: ReadonlyMap<string, readonly NodeFacts[]>;
  /** Nodes with labels that cannot be read. */
  readonly uncertain: readonly NodeFacts[];
  /** Virtual IP that a gateway asks for -> the nodes that list it, or whose agents report it on an interface, by name. */
  readonly byAddress: ReadonlyMap<string, readonly NodeFacts[]>;
  /** Virtual IP -> the gateways that ask for it. */
  readonly byVirtualIP: ReadonlyMap<string, readonly Gateway[]>;
  /** All virtual IPs that gateways ask for or have. */
  readonly virtualIPs: ReadonlySet<string>;
  readonly ciliumPolicies: ReadonlyMap<string, CiliumPolicy>;
  /** Those of our making, by the policy that they were made for. */
  readonly madeFor: ReadonlyMap<string, readonly CiliumPolicy[]>;
  /** Timeout of heartbeats, seconds, as gateways have it -> whether the stale ones are to be doubted. */
  readonly suspects: ReadonlyMap<number, boolean>;
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
  const ciliumPods = podsByNode(snapshot.ciliumPods);
  const agentPods = podsByNode(snapshot.agentPods);
  const leases = new Map(snapshot.leases.map((lease) => [lease.name, lease]));
  const nodes = sortedByName(snapshot.nodes).map((node): NodeFacts => {
    const lease = leases.get(node.name);
    return {
      node,
      ciliumPods: ciliumPods.get(node.name) ?? [],
      agentPods: agentPods.get(node.name) ?? [],
      ...(lease === undefined ? {} : { lease }),
    };
  });
  const { gateways } = snapshot;
  const virtual = gateways.flatMap((gateway) =>
    virtualIPsOf(gateway).map((ip) => [ip, gateway] as const)
  );
  return {
    snapshot,
    nodes,
    ...labelsOf(nodes, gateways),
    byAddress: addressesOf(nodes, new Set(virtual.map(([ip]) => ip))),
    byVirtualIP: grouped(virtual),
    virtualIPs: new Set([
      ...virtual.map(([ip]) => ip),
      ...gateways.flatMap(({ status }) => egressIPsOf(status)),
    ]),
    madeFor: madeFor(snapshot.ciliumPolicies),
    ciliumPolicies: new Map(snapshot.ciliumPolicies.map((policy) => [policy.name, policy])),
    suspects: new Map(
      [...new Set(gateways.map(({ spec }) => spec.failureDetection.timeoutSeconds))].map((
        timeoutSeconds,
      ) => [timeoutSeconds, isObserverSuspect(snapshot, { timeoutSeconds })]),
    ),
    byNode: new Map(nodes.map((facts) => [facts.node.name, facts])),
    byHostname: firstByHostname(nodes),
    ciliumNodes: ciliumNodesOf(snapshot),
    leases,
    unread: unreadOf(snapshot),
  };
}

/** Sorted by name. */
function podsByNode(pods: readonly Pod[]): ReadonlyMap<string, readonly Pod[]> {
  const groups = Map.groupBy(pods, ({ nodeName }) => nodeName);
  for (const group of groups.values()) group.sort(byName);
  return groups;
}

function firstByHostname(nodes: readonly NodeFacts[]): Facts["byHostname"] {
  const first = new Map<string, string>();
  for (const { node: { name, labels } } of nodes) {
    const hostname = labels[HOSTNAME_LABEL];
    if (hostname !== undefined && !first.has(hostname)) first.set(hostname, name);
  }
  return first;
}

/** Of several CiliumNodes with a node's hostname label Cilium takes the first by name. */
function ciliumNodesOf({ nodes, ciliumNodes }: Snapshot): Facts["ciliumNodes"] {
  if (ciliumNodes === undefined) return new Map();
  const taken = new Map(
    sortedByName(ciliumNodes.found).toReversed().map(({ name, hostname }) => [hostname, name]),
  );
  const asked = new Set(ciliumNodes.asked);
  return new Map(
    nodes.flatMap(({ name, labels }) => {
      const hostname = labels[HOSTNAME_LABEL];
      return asked.has(name) && hostname !== undefined ? [[name, taken.get(hostname)]] : [];
    }),
  );
}

function madeFor(all: readonly CiliumPolicy[]): Facts["madeFor"] {
  return grouped(all.flatMap((made) => {
    const policy = policyOf(made);
    return policy === undefined ? [] : [[policy, made] as const];
  }));
}

/** The nodes that a selector matches, or would by labels that cannot be read. */
export function nodesMatching(
  { nodes, byLabel, uncertain }: Facts,
  selector: Labels,
): readonly NodeFacts[] {
  const [first] = Object.entries(selector);
  if (first === undefined) return nodes;
  const [key, value] = first;
  return [...byLabel.get(`${key}=${value}`) ?? [], ...uncertain]
    .filter(({ node }) => mayMatch(node, selector));
}

function labelsOf(
  nodes: readonly NodeFacts[],
  gateways: readonly Gateway[],
): Pick<Facts, "byLabel" | "uncertain"> {
  const keys = [
    ...new Set(gateways.flatMap(({ spec }) => Object.keys(spec.nodeSelector)[0] ?? [])),
  ];
  const labelled: (readonly [string, NodeFacts])[] = [];
  const uncertain: NodeFacts[] = [];
  for (const facts of nodes) {
    const { labels, unreadLabels } = facts.node;
    if (unreadLabels !== undefined) uncertain.push(facts);
    else {
      for (const key of keys) {
        const value = labels[key];
        if (value !== undefined) labelled.push([`${key}=${value}`, facts]);
      }
    }
  }
  return { byLabel: grouped(labelled), uncertain };
}

function addressesOf(
  nodes: readonly NodeFacts[],
  virtualIPs: ReadonlySet<string>,
): Facts["byAddress"] {
  if (virtualIPs.size === 0) return new Map();
  return grouped(nodes.flatMap((facts) => {
    const { node: { internalIPs, externalIPs }, lease } = facts;
    const reported = (lease?.report?.interfaces ?? []).flatMap(({ addresses = [] }) =>
      addresses.map((address) => address.split("/")[0] ?? "")
    );
    const all = [...internalIPs, ...externalIPs, ...reported].filter((ip) => virtualIPs.has(ip));
    return [...new Set(all)].map((ip) => [ip, facts] as const);
  }));
}

function grouped<T>(pairs: readonly (readonly [string, T])[]): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const [key, value] of pairs) {
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
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
