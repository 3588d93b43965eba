/**
 * By which gateway, node and address a pod's traffic to one destination leaves, as Cilium decides it.
 *
 * Cilium (1.18 to 1.20) knows no policies any more when a packet comes: each policy that selects the pod has put its networks
 * into one table, and the longest network that holds the destination counts, of whichever policy; one of `excludedCIDRs` says
 * "by its own node" (forEachEndpointAndCIDR in pkg/egressgateway/policy.go, an LPM trie in bpf/lib/egress_gateway.h). Two
 * policies with the same network leave it to chance. Nothing that stays in the cluster goes by a gateway
 * (egress_gw_handle_packet), and a pod on its host's network is none of Cilium's endpoints.
 */
import ipaddr from "ipaddr.js";
import { nodeRequirementsOf, requirementsOf } from "./allowed_namespaces.ts";
import { networksOf, rulesOf } from "./cilium_spec.ts";
import { familyOf } from "./ip_family.ts";
import { isObject, listOf } from "./json.ts";
import {
  GATEWAY_LABEL,
  NAMESPACE_LABELS_PREFIX,
  POD_NAMESPACE_LABEL,
  SHARD_LABEL,
} from "./names.ts";
import { shardOf, UNLABELLED } from "./node_set.ts";
import { byText, sortedByName } from "./order.ts";
import { partsOf, policyOf } from "./policy_parts.ts";
import { egressIPsOf } from "./reports.ts";
import { matchesLabels, meetsRequirement } from "./selectors.ts";
import type { CiliumPolicy, Labels, PolicyRule, Snapshot } from "./types.ts";

/** A pod that sends. */
export interface SourcePod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly namespaceLabels: Labels;
  readonly nodeName?: string;
  readonly hostNetwork: boolean;
  /** Absent: not known. */
  readonly ips?: readonly string[];
}

export interface WayOut {
  /** `Unclear`: it is left to chance, or cannot be told. */
  readonly verdict: "Gateway" | "OwnNode" | "Dropped" | "Unclear";
  /** Name of the EgressGateway; absent: a CiliumEgressGatewayPolicy of somebody else decides, or none. */
  readonly gateway?: string;
  /** Name of the EgressGatewayPolicy; of the CiliumEgressGatewayPolicy where that is somebody else's. */
  readonly policy?: string;
  readonly node?: string;
  readonly egressIP?: string;
  /** Sentences, the one that decides first. */
  readonly why: readonly string[];
  /** Policies that come near, and why they do not decide: a sentence each. */
  readonly others: readonly string[];
}

/** The way of a pod to all that one policy selects. */
export interface PolicyWayOut extends WayOut {
  readonly destinations: readonly string[];
  readonly excluded: readonly string[];
}

export type WayOutSnapshot = Pick<
  Snapshot,
  "nodes" | "gateways" | "policies" | "ciliumPolicies"
>;

/** A network that a policy has put into Cilium's table for the pod, and that holds the destination. */
interface Entry {
  readonly policy: CiliumPolicy;
  readonly network: string;
  readonly length: number;
  readonly excluded: boolean;
  /** Index of the rule that selects the pod. */
  readonly rule: number;
}

/**
 * @param options.destination an IP address of either family
 * @param options.inCluster what of the cluster has that address beside nodes, as `Pod my-ns/db-0`
 */
export function wayOut(
  pod: SourcePod,
  { destination, inCluster, snapshot }: {
    readonly destination: string;
    readonly inCluster?: string | undefined;
    readonly snapshot: WayOutSnapshot;
  },
): WayOut {
  const own = (why: string, others: readonly string[] = []): WayOut => ({
    verdict: "OwnNode",
    ...(pod.nodeName === undefined ? {} : { node: pod.nodeName }),
    why: [why],
    others,
  });
  if (pod.hostNetwork) {
    return own(
      "The pod is on its host's network (hostNetwork: true), which Cilium's policies do not select",
    );
  }
  const inside = inCluster ?? ownerOf(destination, snapshot);
  if (inside !== undefined) {
    return own(`${destination} belongs to ${inside}: what stays in the cluster goes by no gateway`);
  }
  const labels = labelsForCilium(pod);
  const policies = sortedByName(snapshot.ciliumPolicies);
  const nodeLabels = labelsOfNode(pod, snapshot);
  const selecting = selectingOf(pod, snapshot);
  const entries = selecting.flatMap((each) => entriesOf(each, destination));
  const longest = Math.max(...entries.map(({ length }) => length));
  const deciding = decidingOf(entries.filter(({ length }) => length === longest));
  const others = [
    ...othersOf(selecting, { entries, deciding, destination }),
    ...untold(labels, { destination, nodeLabels, snapshot }),
    ...unreadOf(policies),
  ].sort(byText);
  const [first] = deciding;
  if (first === undefined) return own("No policy selects the pod and this destination", others);
  if (deciding.length > 1) {
    const names = deciding.map(({ policy }) => titleOf(policy)).join(" and ");
    return {
      verdict: "Unclear",
      why: [
        `${names} name the same network ${first.network} for this pod, and which one Cilium obeys is not defined; ` +
        "narrow the selectors or destinationCIDRs of one",
      ],
      others,
    };
  }
  if (first.excluded) {
    return own(`${titleOf(first.policy)} excludes ${first.network} (excludedCIDRs)`, others);
  }
  const way = by(first, snapshot);
  const share = shareOf(first.policy, { pod, nodeLabels });
  return { ...way, why: [...way.why.slice(0, 1), ...share, ...way.why.slice(1)], others };
}

/**
 * The ways of a pod by all policies that select it, sorted by policy; none: all that it sends leaves by its own node. Which of two
 * counts for a destination, `wayOut` tells.
 */
export function waysOut(pod: SourcePod, snapshot: WayOutSnapshot): readonly PolicyWayOut[] {
  if (pod.hostNetwork) return [];
  const nodeLabels = labelsOfNode(pod, snapshot);
  return selectingOf(pod, snapshot).map(({ policy, rule }): PolicyWayOut => {
    const destinations = networksOf(policy.spec, "destinationCIDRs");
    const excluded = networksOf(policy.spec, "excludedCIDRs");
    const network = destinations.join(", ");
    const way = by({ policy, network, length: 0, excluded: false, rule }, snapshot);
    const share = shareOf(policy, { pod, nodeLabels });
    const why = [...way.why.slice(0, 1), ...share, ...way.why.slice(1)];
    return { ...way, why, others: [], destinations, excluded };
  }).sort((a, b) => byText(a.policy ?? "", b.policy ?? ""));
}

/** Policies that select the pod, each with the rule that does, sorted by name. */
function selectingOf(
  pod: SourcePod,
  snapshot: WayOutSnapshot,
): readonly { readonly policy: CiliumPolicy; readonly rule: number }[] {
  const labels = labelsForCilium(pod);
  const nodeLabels = labelsOfNode(pod, snapshot);
  // Cilium obeys one that is being deleted until it is gone.
  return sortedByName(snapshot.ciliumPolicies).flatMap((policy) => {
    const rules = rulesOf(policy.spec);
    const rule = rules.findIndex((each) => each !== undefined && selectsPod(each, labels));
    return rule < 0 || !selectsNode(rules, nodeLabels) ? [] : [{ policy, rule }];
  });
}

/** None where the node is not known, as Cilium takes it. */
function labelsOfNode({ nodeName }: SourcePod, { nodes }: WayOutSnapshot): Labels {
  return nodes.find(({ name }) => name === nodeName)?.labels ?? {};
}

export function selectsPod(rule: PolicyRule, labels: Labels): boolean {
  return requirementsOf(rule).every((part) => meetsRequirement(labels, part));
}

/** Cilium takes the nodeSelectors of all rules together: one of them is enough, whichever rule it stands in. */
export function selectsNode(rules: readonly (PolicyRule | undefined)[], labels: Labels): boolean {
  const selectors = rules.filter((rule) => rule?.nodeSelector !== undefined);
  return selectors.length === 0 ||
    selectors.some((rule) =>
      rule !== undefined && nodeRequirementsOf(rule).every((part) => meetsRequirement(labels, part))
    );
}

/** Why this gateway of several. */
function shareOf(
  policy: CiliumPolicy,
  { pod, nodeLabels }: { readonly pod: SourcePod; readonly nodeLabels: Labels },
): readonly string[] {
  const isShare = policyOf(policy) !== undefined &&
    rulesOf(policy.spec).some((rule) =>
      rule?.nodeSelector?.matchExpressions?.some(({ key }) => key === SHARD_LABEL)
    );
  if (!isShare) return [];
  const shard = shardOf(nodeLabels);
  const node = `The pod's node ${pod.nodeName ?? "is not known yet and"}`;
  return [
    shard === undefined
      ? `${node} has no shard yet, so that the first gateway of the list has its pods`
      : `${node} is of shard ${shard}, which is in this gateway's share`,
  ];
}

/** As Cilium labels the endpoint: nobody but the namespace can set these. */
export function labelsForCilium({ namespace, labels, namespaceLabels }: SourcePod): Labels {
  return {
    ...Object.fromEntries(
      Object.entries(labels).filter(([key]) => !key.startsWith(NAMESPACE_LABELS_PREFIX)),
    ),
    ...Object.fromEntries(
      Object.entries(namespaceLabels).map(([key, value]) => [NAMESPACE_LABELS_PREFIX + key, value]),
    ),
    [POD_NAMESPACE_LABEL]: namespace,
  };
}

function ownerOf(destination: string, { nodes }: WayOutSnapshot): string | undefined {
  const owner = sortedByName(nodes).find(({ internalIPs, externalIPs }) =>
    [...internalIPs, ...externalIPs].some((ip) => isSame(ip, destination))
  );
  return owner && `node ${owner.name}`;
}

function isSame(a: string, b: string): boolean {
  return ipaddr.isValid(a) && ipaddr.parse(a).toNormalizedString() ===
      ipaddr.parse(b).toNormalizedString();
}

function entriesOf(
  { policy, rule }: { readonly policy: CiliumPolicy; readonly rule: number },
  destination: string,
): readonly Entry[] {
  return (["destinationCIDRs", "excludedCIDRs"] as const).flatMap((list) =>
    networksOf(policy.spec, list).flatMap((network) => {
      const length = lengthIfHolds(network, destination);
      const excluded = list === "excludedCIDRs";
      return length === undefined ? [] : [{ policy, network, length, excluded, rule }];
    })
  );
}

/** The length of the network's prefix; undefined where it does not hold the address. */
function lengthIfHolds(network: string, address: string): number | undefined {
  if (!ipaddr.isValidCIDR(network)) return undefined;
  const [base, length] = ipaddr.parseCIDR(network);
  const wanted = ipaddr.parse(address);
  return wanted.kind() === base.kind() && wanted.match([base, length]) ? length : undefined;
}

/** One entry of each policy: an exclusion is written after the destinations, over the same network of its own policy. */
function decidingOf(longest: readonly Entry[]): readonly Entry[] {
  const byPolicy = Map.groupBy(longest, ({ policy }) => policy.name);
  const each = [...byPolicy.values()].flatMap((entries) =>
    entries.find(({ excluded }) => excluded) ?? entries.slice(0, 1)
  );
  const [first] = each;
  // By one way all the same.
  return first !== undefined && each.every((other) => wayKey(other) === wayKey(first))
    ? [first]
    : each;
}

function wayKey({ policy, excluded }: Entry): string {
  return excluded
    ? ""
    : JSON.stringify([policy.spec["egressGateway"], policy.spec["egressGateways"]]);
}

/** By the gateway of the policy whose network counts. */
function by(
  { policy, network, rule }: Entry,
  snapshot: WayOutSnapshot,
): Omit<WayOut, "others"> {
  const owner = policyOf(policy);
  const ours = owner !== undefined;
  const gateway = ours ? policy.labels[GATEWAY_LABEL] : undefined;
  const named = {
    policy: owner ?? policy.name,
    ...(gateway === undefined ? {} : { gateway }),
  };
  const selects = `${titleOf(policy)} selects the pod (selectors[${rule}]) and ${network}`;
  const stored = snapshot.policies.find(({ name }) => name === owner);
  const status = snapshot.gateways.find(({ name }) => name === gateway)?.status;
  const ready = stored?.status.conditions?.find(({ type }) => type === "Ready");
  const nodes = selectedNodes(policy, snapshot);
  const [node] = nodes;
  if (node === undefined) {
    return {
      ...named,
      verdict: "Dropped",
      why: [
        selects,
        ready?.status === "False" || ready?.reason === "FamilyNotServed"
          ? ready.message
          : "It names no node that there is, so that Cilium drops",
      ],
    };
  }
  if (nodes.length > 1) {
    return {
      ...named,
      verdict: "Unclear",
      why: [selects, `It names several nodes (${nodes.join(", ")}), of which Cilium takes one`],
    };
  }
  const way = stored?.status.gateways?.find(({ name, servedBy }) => (servedBy ?? name) === gateway);
  const egressIP = egressIPOf(policy) ??
    [...egressIPsOf(way ?? {}), ...egressIPsOf(stored?.status ?? {})].find((ip) =>
      familyOf(ip) === familyOf(network)
    );
  const term = status?.term === undefined ? "" : ` in term ${status.term}`;
  const move = status?.lastFailover;
  const since = move?.to === node ? ` since ${move.startTime}: ${move.reason}` : "";
  const moving = status?.activeNodeName !== undefined && status.activeNodeName !== node
    ? [`The gateway is moving to ${status.activeNodeName} (${status.phase})`]
    : [];
  return {
    ...named,
    verdict: "Gateway",
    node,
    ...(egressIP === undefined ? {} : { egressIP }),
    why: [
      selects,
      ...(gateway === undefined ? [] : [
        moving.length > 0
          ? `${node} is still the way of EgressGateway '${gateway}'`
          : `${node} holds EgressGateway '${gateway}'${term}${since}`,
      ]),
      ...moving,
      ...(ready === undefined || ready.status === "True" ? [] : [ready.message]),
    ],
  };
}

function selectedNodes({ spec }: CiliumPolicy, { nodes }: WayOutSnapshot): readonly string[] {
  const list = spec["egressGateways"];
  const gateways = [spec["egressGateway"], ...listOf(list)].filter(isObject);
  const names = gateways.flatMap(({ nodeSelector }) => {
    const labels = isObject(nodeSelector) ? nodeSelector["matchLabels"] : undefined;
    const wanted = isObject(labels) ? Object.entries(labels) : [];
    const selector = Object.fromEntries(wanted.map(([key, value]) => [key, String(value)]));
    // Cilium takes the first that matches.
    return sortedByName(nodes).filter((node) => matchesLabels(node.labels, selector)).slice(0, 1);
  }).map(({ name }) => name);
  return [...new Set(names)].sort(byText);
}

function egressIPOf({ spec }: CiliumPolicy): string | undefined {
  const gateway = spec["egressGateway"];
  const ip = isObject(gateway) ? gateway["egressIP"] : undefined;
  return typeof ip === "string" && ip !== "" ? ip : undefined;
}

/** Policies that select the pod and do not decide. */
function othersOf(
  selecting: readonly { readonly policy: CiliumPolicy }[],
  { entries, deciding, destination }: {
    readonly entries: readonly Entry[];
    readonly deciding: readonly Entry[];
    readonly destination: string;
  },
): readonly string[] {
  return selecting.filter(({ policy }) => !deciding.some((each) => each.policy === policy)).map(
    ({ policy }) => {
      const [first] = entries.filter((each) => each.policy === policy).toSorted((a, b) =>
        b.length - a.length
      );
      const [winner] = deciding;
      return first === undefined || winner === undefined
        ? `${titleOf(policy)} selects the pod, but not ${destination}`
        : first.length === winner.length
        ? `${titleOf(policy)} sends it the same way`
        : `${titleOf(policy)} ${
          first.excluded ? "excludes" : "selects"
        } ${first.network}, which is less precise than ${winner.network}`;
    },
  );
}

/** Policies that would select the pod, of which Cilium has not been told, or that it is told for other namespaces only. */
function untold(
  labels: Labels,
  { destination, nodeLabels, snapshot }: {
    readonly destination: string;
    readonly nodeLabels: Labels;
    readonly snapshot: WayOutSnapshot;
  },
): readonly string[] {
  return snapshot.policies.filter(({ deleting, spec }) =>
    !deleting &&
    spec.destinationCIDRs.some((network) => lengthIfHolds(network, destination) !== undefined)
  ).flatMap((policy) => {
    const [part] = partsOf(policy).filter(({ nodes, rules, family }) =>
      family === familyOf(destination) &&
      nodes.has(String(shardOf(nodeLabels) ?? UNLABELLED)) &&
      rules.some((rule) => selectsPod(rule, labels) && selectsNode([rule], nodeLabels))
    );
    if (part === undefined) return [];
    const existing = snapshot.ciliumPolicies.find(({ name }) => name === part.name);
    const what = `EgressGatewayPolicy '${policy.name}' selects it`;
    if (existing === undefined) {
      return [
        `${what}, but Cilium has not been told: there is no CiliumEgressGatewayPolicy '${part.name}' yet`,
      ];
    }
    if (policyOf(existing) === undefined) {
      return [`${what}, but CiliumEgressGatewayPolicy '${part.name}' is somebody else's`];
    }
    const told = rulesOf(existing.spec).some((rule) =>
      rule !== undefined && selectsPod(rule, labels)
    );
    return told ? [] : [
      `${what}, but EgressGateway '${
        existing.labels[GATEWAY_LABEL] ?? part.gateway
      }' does not serve namespace ${labels[POD_NAMESPACE_LABEL]} (allowedNamespaces)`,
    ];
  });
}

/** Rules of which it cannot be told whom they select. */
function unreadOf(policies: readonly CiliumPolicy[]): readonly string[] {
  return policies.filter(({ spec }) => rulesOf(spec).includes(undefined)).map((policy) =>
    `${titleOf(policy)} has a rule that is not understood here, and may select the pod`
  );
}

function titleOf(policy: CiliumPolicy): string {
  const owner = policyOf(policy);
  return owner !== undefined
    ? `EgressGatewayPolicy '${owner}'`
    : `CiliumEgressGatewayPolicy '${policy.name}'`;
}
