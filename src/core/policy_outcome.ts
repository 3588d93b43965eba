/** What becomes of one policy in this tick. */
import { removal } from "./adoption.ts";
import { ciliumPolicyFor, ciliumPolicyPatch } from "./cilium_policy.ts";
import type { Target, Wanted } from "./cilium_policy.ts";
import { networksOf } from "./cilium_spec.ts";
import { conditionsFrom } from "./conditions.ts";
import type { Facts } from "./facts.ts";
import { fitPolicyStatus } from "./fit.ts";
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { FAMILIES, familyOf } from "./ip_family.ts";
import type { Family } from "./ip_family.ts";
import { GATEWAY_LABEL, GENERATION_ANNOTATION, HOSTNAME_LABEL, PART_ANNOTATION } from "./names.ts";
import { reachOf } from "./namespace_reach.ts";
import { nodesOf, UNLABELLED } from "./node_set.ts";
import { sortedByName } from "./order.ts";
import { policyFindings } from "./policy_conditions.ts";
import type { Verdict, WayVerdict } from "./policy_conditions.ts";
import { claimedBy, familiesOf, partsOf, policyOf, sharesOf } from "./policy_parts.ts";
import type { Part } from "./policy_parts.ts";
import { serves, wayOf } from "./policy_way.ts";
import type { Outcomes, Way } from "./policy_way.ts";
import { egressIPMembers, egressIPsOf, freshReport } from "./reports.ts";
import { isUnread as isUnreadLabel } from "./selectors.ts";
import { isHandedOver, isNeeded, nodesNow } from "./share_handover.ts";
import type { Covering } from "./share_handover.ts";
import type {
  Change,
  CiliumPolicy,
  InvalidObject,
  Policy,
  PolicyStatus,
  PolicyWay,
} from "./types.ts";

export interface PolicyOutcome {
  readonly policy: Policy;
  readonly status: PolicyStatus;
  /** How each of its gateways' share leaves. */
  readonly ways: readonly PolicyWay[];
  /** The writes that make Cilium's policies right. */
  readonly changes: readonly PartChange[];
}

/** A write of one CiliumEgressGatewayPolicy, with the gateway that it sends traffic to. */
export interface PartChange extends Pick<Change, "action" | "name" | "body"> {
  /** Undefined: there is no such gateway, or nothing is sent any more. */
  readonly gateway: string | undefined;
}

interface Context {
  readonly policy: Policy;
  readonly facts: Facts;
  readonly outcomes: Outcomes;
  /** By the name of the gateway whose share it is. */
  readonly ways: ReadonlyMap<string, Way>;
  readonly parts: readonly Part[];
  /** What there is of our making for the policy. */
  readonly own: readonly CiliumPolicy[];
  /** Of its destinations. */
  readonly families: readonly Family[];
  /** What is wanted of each family, and what is there of it. */
  readonly coverings: ReadonlyMap<Family, Covering>;
}

/** Decides one policy, given what was decided for all gateways. */
export function decidePolicy(
  policy: Policy,
  { outcomes, facts, overlaps }: {
    readonly outcomes: Outcomes;
    readonly facts: Facts;
    /** Other policies with some of the same traffic, in words. */
    readonly overlaps: readonly string[];
  },
): PolicyOutcome {
  const parts = partsOf(policy);
  const wanted = new Map(parts.map((part) => [part.name, part]));
  const own = [
    ...parts.flatMap(({ name }) => facts.ciliumPolicies.get(name) ?? []).filter((each) =>
      isOf(policy, each)
    ),
    ...(facts.madeFor.get(policy.name) ?? []).filter(({ name }) => !wanted.has(name)),
  ];
  const coverings = new Map(FAMILIES.map((family): [Family, Covering] => [family, {
    parts: parts.filter((part) => part.family === family),
    covered: new Map(
      own.filter(({ deleting, spec }) => !deleting && hasFamily(spec, family)).map((
        { name, labels, annotations, spec },
      ) => [name, {
        gateway: wanted.get(name)?.gateway ?? labels[GATEWAY_LABEL] ?? "",
        nodes: nodesOf(spec),
        isCurrent: annotations[GENERATION_ANNOTATION] === String(policy.generation),
      }]),
    ),
  }]));
  const ways = new Map(policy.spec.gateways.map(({ name }) => {
    const ofShare = own.filter((each) => wanted.get(each.name)?.gateway === name);
    const now = facts.snapshot.now;
    return [name, wayOf(name, { policy, outcomes, parts: ofShare, now })] as const;
  }));
  const families = familiesOf(policy.spec.destinationCIDRs);
  const context: Context = { policy, facts, outcomes, ways, parts, own, families, coverings };
  const verdict = verdictOf(context, overlaps);
  return {
    policy,
    ways: verdict.ways.map(({ way }) => way),
    status: statusOf(context, verdict),
    changes: policy.deleting ? [] : [
      ...parts.flatMap((part) => partChange(part, context)),
      ...sortedByName(own).filter(({ name }) => !wanted.has(name))
        .flatMap((existing) => formerChange(existing, context)),
    ],
  };
}

/** Tells whether an object that has the name of one of the policy's parts is of our making. */
function isOf({ name }: Policy, existing: CiliumPolicy): boolean {
  return policyOf(existing) === name ||
    existing.name !== name && claimedBy(existing).includes(name);
}

/** Tells whether an object sends some traffic of a family; one whose destinations cannot be told may send any. */
function hasFamily(spec: CiliumPolicy["spec"], family: Family): boolean {
  const families = familiesOf(networksOf(spec, "destinationCIDRs"));
  return families.length === 0 || families.includes(family);
}

/** Tells whether the policy is more than one object, or was. */
function isSplit({ parts, own }: Context): boolean {
  return parts.length > 1 || own.filter(({ deleting }) => !deleting).length > 1;
}

/** The part of the other family that has the same gateway and rules. */
function twinOf(part: Part, { parts }: Context): Part | undefined {
  return parts.find(({ family, gateway, rules }) =>
    family !== part.family && gateway === part.gateway && rules === part.rules
  );
}

/**
 * What an object is to be now. One that has destinations of the other family, which the policy still wants, keeps them until the
 * object that is to have them names all its nodes: else they would leave by the pods' own nodes meanwhile. Undefined: it stays
 * as it is, since it has both.
 */
function standingIn(part: Part, context: Context): Part | undefined {
  const { coverings } = context;
  const twin = twinOf(part, context);
  const covering = twin && coverings.get(twin.family);
  if (twin === undefined || covering?.covered.has(part.name) !== true) return part;
  if (isHandedOver(part.name, twin.name, covering)) return part;
  const isMixed = coverings.get(part.family)?.covered.has(part.name);
  return isMixed ? undefined : { ...twin, name: part.name, suffix: part.suffix };
}

function partChange(wanted: Part, context: Context): readonly PartChange[] {
  const { policy, facts, ways, coverings } = context;
  const existing = facts.ciliumPolicies.get(wanted.name);
  const part = standingIn(wanted, context);
  if (part === undefined) return [];
  const covering = coverings.get(part.family);
  const way = ways.get(part.gateway);
  if (way === undefined || covering === undefined) return [];
  if (unreadOf(part, context) !== undefined) return [];
  if (existing !== undefined && (existing.deleting || !isOf(policy, existing))) return [];
  if (isNameTaken(context, part)) return existing === undefined ? [] : removed(existing);
  const nodes = nodesNow(part, {
    covering,
    standIn: twinOf(wanted, context)?.name,
    serves: serves(way.outcome) && hasAddress(way, part),
  });
  if (nodes.size === 0) return existing === undefined ? [] : removed(existing);
  const rules = { selectors: part.rules, nodes };
  const target = targetOf(way, facts);
  const isMarked = isSplit(context);
  return written(existing, { policy, part, networks: part, rules, target, isMarked });
}

/**
 * Tells whether somebody else's object has the name of the part that is called as the policy, and traffic of this family. It may be
 * adopted yet, or was given back: a second part beside it would take some of its traffic.
 */
function isNameTaken(
  { policy, parts, facts }: Context,
  { family }: Pick<Part, "family">,
): boolean {
  const existing = facts.ciliumPolicies.get(policy.name);
  return existing !== undefined && !isOf(policy, existing) && hasFamily(existing.spec, family) &&
    parts.some(({ name }) => name === policy.name);
}

/** Tells whether the gateway that serves has an address of a part's family, as far as its spec tells. */
function hasAddress({ outcome }: Way, { family }: Pick<Part, "family">): boolean {
  const source = outcome?.gateway.spec.sourceIP;
  return source?.mode !== "VirtualIPAddress" || source.ips.some((ip) => familyOf(ip) === family);
}

/** A part of ours that the policy no longer has: it goes once others name all the nodes that it does. */
function formerChange(existing: CiliumPolicy, context: Context): readonly PartChange[] {
  const { policy, facts, outcomes, parts, families, coverings } = context;
  if (existing.deleting) return [];
  const needed = families.filter((family) => {
    const covering = coverings.get(family);
    return covering?.covered.has(existing.name) && isNeeded(existing.name, covering);
  });
  if (needed.length === 0) return removed(existing);
  const hasOne = familiesOf(networksOf(existing.spec, "destinationCIDRs")).length === 1;
  const networks = hasOne ? parts.find(({ family }) => needed.includes(family)) : undefined;
  const gateway = existing.labels[GATEWAY_LABEL] ?? "";
  if (isUnread("EgressGateway", gateway, facts)) return [];
  const suffix = existing.annotations[PART_ANNOTATION] ?? "";
  const part = { name: existing.name, suffix, gateway };
  const way: Way = { gateway, outcome: outcomes.get(gateway), standsIn: false };
  const target = targetOf(way, facts);
  return written(existing, { policy, part, networks, rules: undefined, target, isMarked: false });
}

function written(existing: CiliumPolicy | undefined, wanted: Wanted): readonly PartChange[] {
  const { part: { name }, target: { gateway } } = wanted;
  const to = { name, gateway: gateway?.name };
  if (existing === undefined) return [{ ...to, action: "create", body: ciliumPolicyFor(wanted) }];
  const body = ciliumPolicyPatch(existing, wanted);
  return body === undefined ? [] : [{ ...to, action: "patch", body }];
}

/** It is deleted, or given back where it was adopted. */
function removed(existing: CiliumPolicy): readonly PartChange[] {
  const change = removal(existing);
  return change === undefined ? [] : [{ name: existing.name, gateway: undefined, ...change }];
}

function targetOf({ outcome }: Way, facts: Facts): Target {
  const route = outcome?.route;
  return {
    gateway: outcome?.gateway,
    route,
    node: route?.node === undefined ? undefined : facts.byNode.get(route.node)?.node,
    unread: isHostnameUnread(route?.node, facts),
  };
}

/** Tells whether a node is there and the label by which Cilium finds it cannot be read. */
function isHostnameUnread(name: string | undefined, facts: Facts): boolean {
  if (name === undefined) return false;
  const node = facts.byNode.get(name)?.node;
  return node === undefined
    ? facts.unread.nodes.has(name)
    : isUnreadLabel(HOSTNAME_LABEL, node.unreadLabels ?? []);
}

/** What a part depends on and cannot be read, so that it is left as it is. */
function unreadOf(part: Part, { policy, facts }: Context): Verdict["unread"] {
  if (facts.snapshot.invalid.length === 0) return undefined;
  const { fallback } = policy.spec;
  const existing = facts.ciliumPolicies.get(part.name);
  const isAway = fallback !== undefined && existing?.labels[GATEWAY_LABEL] === fallback;
  const gateway = [part.gateway, ...(isAway ? [fallback] : [])]
    .find((name) => isUnread("EgressGateway", name, facts));
  if (gateway !== undefined) return { gateway, part: part.name };
  return isUnread("CiliumEgressGatewayPolicy", part.name, facts)
    ? { gateway: part.gateway, part: part.name }
    : undefined;
}

function isUnread(kind: InvalidObject["kind"], name: string, { snapshot }: Facts): boolean {
  return snapshot.invalid.some((object) => object.kind === kind && object.name === name);
}

function statusOf({ policy, facts }: Context, verdict: Verdict): PolicyStatus {
  const { ways, clash } = verdict;
  const { gateways, fallback } = policy.spec;
  const isPlain = gateways.length === 1 && fallback === undefined;
  const [first] = ways;
  const { activeNodeName, ...shown }: Shown = gateways.length === 1 && first !== undefined
    ? first.way
    : {};
  return fitPolicyStatus({
    observedGeneration: policy.generation,
    ...(activeNodeName === undefined ? {} : { activeNodeName }),
    ...egressIPMembers(egressIPsOf(shown)),
    ...(isPlain || clash !== undefined ? {} : { gateways: ways.map(({ way }) => way) }),
    conditions: conditionsFrom(policyFindings(policy, verdict), {
      stored: policy.status.conditions,
      generation: policy.generation,
      now: facts.snapshot.now,
    }),
  });
}

function verdictOf(context: Context, overlaps: readonly string[]): Verdict {
  const { policy, facts, ways, parts, families, coverings } = context;
  const covered = new Map([...coverings.values()].flatMap((each) => [...each.covered]));
  const foreign = parts.map(({ name }) => facts.ciliumPolicies.get(name))
    .find((existing) => existing !== undefined && !isOf(policy, existing));
  const shares = sharesOf(policy.spec);
  const unread = parts.map((part) => unreadOf(part, context)).find((each) => each !== undefined);
  return {
    clash: foreign?.name,
    unread,
    overlaps,
    ways: [...ways.values()].map((way, index): WayVerdict => {
      const own = parts.filter(({ gateway }) => gateway === way.gateway);
      const isLeft = own.some((part) => unreadOf(part, context) !== undefined);
      const { outcome } = way;
      const reach = reachOf(policy.spec.selectors, outcome?.gateway.spec.allowedNamespaces);
      const leaves = () =>
        own.every(({ name, nodes }) => {
          const named = covered.get(name)?.nodes;
          return nodes.size === 0 ||
            named !== undefined && [...nodes].some((each) => named.has(each));
        });
      const share = shares[index];
      const shards = share === undefined ? 0 : share.size - (share.has(UNLABELLED) ? 1 : 0);
      const isOut = foreign !== undefined || reach?.verdict === "Outside";
      const shown = isOut ? {} : isLeft ? storedWay(way.gateway, policy) : shownWay(way, context);
      return {
        outcome,
        standsIn: way.standsIn,
        reach,
        isElsewhere: ways.size > 1 && covered.size > 0 && !serves(outcome) && !leaves(),
        lacking: families.filter((family) =>
          outcome !== undefined && !carries(way, { family, facts })
        ),
        way: {
          name: way.gateway,
          shards,
          ...shown,
          ...(way.standsIn && outcome !== undefined ? { servedBy: outcome.gateway.name } : {}),
        },
      };
    }),
    missingFallback: missingFallback(context),
  };
}

/** Tells whether a gateway has an address of a family: a virtual IP, or what the agent reports for the interface, if it does. */
function carries(
  way: Way,
  { family, facts }: { readonly family: Family; readonly facts: Facts },
): boolean {
  const { outcome } = way;
  if (outcome === undefined || !hasAddress(way, { family })) return false;
  const { node } = outcome.route;
  const addresses = node === undefined ? undefined : interfaceAddresses(node, { outcome, facts });
  return addresses === undefined || addresses.length === 0 ||
    addresses.some((address) => familyOf(address) === family);
}

function missingFallback({ policy, facts, outcomes }: Context): string | undefined {
  const { fallback } = policy.spec;
  return fallback === undefined || outcomes.has(fallback) ||
      isUnread("EgressGateway", fallback, facts)
    ? undefined
    : fallback;
}

type Shown = Pick<PolicyWay, "activeNodeName" | "egressIP" | "egressIPs">;

/** What the status said last of a gateway; what cannot be read is not changed, so that its traffic stays. */
function storedWay(name: string, { status, spec }: Policy): Shown {
  const { activeNodeName, ...stored } = status.gateways?.find((way) => way.name === name) ??
    (spec.gateways.length === 1 ? status : {});
  return {
    ...(activeNodeName === undefined ? {} : { activeNodeName }),
    ...egressIPMembers(egressIPsOf(stored)),
  };
}

/** By which node and addresses the traffic leaves. */
function shownWay({ gateway, outcome }: Way, { policy, facts, families }: Context): Shown {
  const node = outcome?.route.node;
  if (outcome === undefined || node === undefined) return {};
  const stored = egressIPsOf(storedWay(gateway, policy));
  const egressIPs = sourcesOf(node, { stored, outcome, facts, families });
  return { activeNodeName: node, ...egressIPMembers(egressIPs) };
}

/**
 * The source addresses that the world sees, of each family that the policy has destinations of: the VIPs, or what the agent
 * reports for the interface. While a handover waits the traffic keeps the addresses that it has, also where the spec already
 * names others.
 */
function sourcesOf(
  node: string,
  { stored, outcome, facts, families }: {
    readonly stored: readonly string[];
    readonly outcome: GatewayOutcome;
    readonly facts: Facts;
    readonly families: readonly Family[];
  },
): readonly string[] {
  const { gateway: { spec: { sourceIP } }, route } = outcome;
  if (route.waiting) return stored;
  if (sourceIP.mode === "VirtualIPAddress") {
    return sourceIP.ips.filter((ip) => families.includes(familyOf(ip)));
  }
  const addresses = interfaceAddresses(node, { outcome, facts }) ?? [];
  return families.flatMap((family) =>
    addresses.filter((address) => familyOf(address) === family).slice(0, 1)
  );
}

/** What the agent reports for the interface that gives the traffic its address; undefined where it reports none. */
function interfaceAddresses(
  node: string,
  { outcome: { gateway }, facts }: { readonly outcome: GatewayOutcome; readonly facts: Facts },
): readonly string[] | undefined {
  const { sourceIP } = gateway.spec;
  if (sourceIP.mode === "VirtualIPAddress") return undefined;
  const report = freshReport(facts.leases.get(node), { gateway, snapshot: facts.snapshot });
  return report?.interfaces.find(({ name }) => name === sourceIP.interfaceName)?.addresses
    ?.map((address) => address.split("/")[0] ?? "");
}
