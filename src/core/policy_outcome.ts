/** What becomes of one policy in this tick. */
import { removal } from "./adoption.ts";
import { ciliumPolicyFor, ciliumPolicyPatch } from "./cilium_policy.ts";
import type { Target, Wanted } from "./cilium_policy.ts";
import { conditionsFrom } from "./conditions.ts";
import type { Facts } from "./facts.ts";
import { fitPolicyStatus } from "./fit.ts";
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { GATEWAY_LABEL, GENERATION_ANNOTATION, HOSTNAME_LABEL, PART_ANNOTATION } from "./names.ts";
import { reachOf } from "./namespace_reach.ts";
import { nodesOf, UNLABELLED } from "./node_set.ts";
import { sortedByName } from "./order.ts";
import { policyFindings } from "./policy_conditions.ts";
import type { Verdict, WayVerdict } from "./policy_conditions.ts";
import { claimedBy, partsOf, policyOf, sharesOf } from "./policy_parts.ts";
import type { Part } from "./policy_parts.ts";
import { serves, wayOf } from "./policy_way.ts";
import type { Outcomes, Way } from "./policy_way.ts";
import { freshReport } from "./reports.ts";
import { isUnread as isUnreadLabel } from "./selectors.ts";
import { isNeeded, isSplit, nodesNow } from "./share_handover.ts";
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
  readonly covering: Covering;
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
  const covering: Covering = {
    parts,
    covered: new Map(
      own.filter(({ deleting }) => !deleting).map(({ name, labels, annotations, spec }) => [name, {
        gateway: wanted.get(name)?.gateway ?? labels[GATEWAY_LABEL] ?? "",
        nodes: nodesOf(spec),
        isCurrent: annotations[GENERATION_ANNOTATION] === String(policy.generation),
      }]),
    ),
  };
  const ways = new Map(policy.spec.gateways.map(({ name }) => {
    const ofShare = own.filter((each) => wanted.get(each.name)?.gateway === name);
    const now = facts.snapshot.now;
    return [name, wayOf(name, { policy, outcomes, parts: ofShare, now })] as const;
  }));
  const context: Context = { policy, facts, outcomes, ways, covering };
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

function partChange(part: Part, context: Context): readonly PartChange[] {
  const { policy, facts, ways, covering } = context;
  const existing = facts.ciliumPolicies.get(part.name);
  const way = ways.get(part.gateway);
  if (way === undefined || unreadOf(part, context) !== undefined) return [];
  if (existing !== undefined && (existing.deleting || !isOf(policy, existing))) return [];
  const nodes = nodesNow(part, { covering, serves: serves(way.outcome) });
  if (nodes.size === 0) return existing === undefined ? [] : removed(existing);
  const rules = { selectors: part.rules, nodes };
  const target = targetOf(way, facts);
  return written(existing, { policy, part, rules, target, isMarked: isSplit(covering) });
}

/** A part of ours that the policy no longer has: it goes once others name all the nodes that it does. */
function formerChange(existing: CiliumPolicy, context: Context): readonly PartChange[] {
  const { policy, facts, outcomes, covering } = context;
  if (existing.deleting) return [];
  if (!isNeeded(existing.name, covering)) return removed(existing);
  const gateway = existing.labels[GATEWAY_LABEL] ?? "";
  if (isUnread("EgressGateway", gateway, facts)) return [];
  const suffix = existing.annotations[PART_ANNOTATION] ?? "";
  const part = { name: existing.name, suffix, gateway };
  const way: Way = { gateway, outcome: outcomes.get(gateway), standsIn: false };
  const target = targetOf(way, facts);
  return written(existing, { policy, part, rules: undefined, target, isMarked: false });
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
  const { activeNodeName, egressIP } = gateways.length === 1 && first !== undefined
    ? first.way
    : { activeNodeName: undefined, egressIP: undefined };
  return fitPolicyStatus({
    observedGeneration: policy.generation,
    ...(activeNodeName === undefined ? {} : { activeNodeName }),
    ...(egressIP === undefined ? {} : { egressIP }),
    ...(isPlain || clash !== undefined ? {} : { gateways: ways.map(({ way }) => way) }),
    conditions: conditionsFrom(policyFindings(policy, verdict), {
      stored: policy.status.conditions,
      generation: policy.generation,
      now: facts.snapshot.now,
    }),
  });
}

function verdictOf(context: Context, overlaps: readonly string[]): Verdict {
  const { policy, facts, ways, covering: { parts, covered } } = context;
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
      const leaves = own.every(({ name, nodes }) => {
        const named = covered.get(name)?.nodes;
        return nodes.size === 0 ||
          named !== undefined && [...nodes].some((each) => named.has(each));
      });
      const shards = [...shares[index] ?? []].filter((node) => node !== UNLABELLED).length;
      const isOut = foreign !== undefined || reach?.verdict === "Outside";
      const shown = isOut ? {} : isLeft ? storedWay(way.gateway, policy) : shownWay(way, context);
      return {
        outcome,
        standsIn: way.standsIn,
        reach,
        isElsewhere: ways.size > 1 && covered.size > 0 && !serves(outcome) && !leaves,
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

function missingFallback({ policy, facts, outcomes }: Context): string | undefined {
  const { fallback } = policy.spec;
  return fallback === undefined || outcomes.has(fallback) ||
      isUnread("EgressGateway", fallback, facts)
    ? undefined
    : fallback;
}

type Shown = Pick<PolicyWay, "activeNodeName" | "egressIP">;

/** What the status said last of a gateway; what cannot be read is not changed, so that its traffic stays. */
function storedWay(name: string, { status, spec }: Policy): Shown {
  const { activeNodeName, egressIP } = status.gateways?.find((way) => way.name === name) ??
    (spec.gateways.length === 1 ? status : {});
  return {
    ...(activeNodeName === undefined ? {} : { activeNodeName }),
    ...(egressIP === undefined ? {} : { egressIP }),
  };
}

/** By which node and address the traffic leaves. */
function shownWay({ gateway, outcome }: Way, { policy, facts }: Context): Shown {
  const node = outcome?.route.node;
  if (outcome === undefined || node === undefined) return {};
  const stored = storedWay(gateway, policy).egressIP;
  const egressIP = egressIPOf(node, { stored, outcome, facts });
  return { activeNodeName: node, ...(egressIP === undefined ? {} : { egressIP }) };
}

/**
 * The source address that the world sees: the VIP, or what the agent reports for the interface. While a handover waits
 * the traffic keeps the address that it has, also where the spec already names another.
 */
function egressIPOf(
  node: string,
  { stored, outcome, facts }: {
    readonly stored: string | undefined;
    readonly outcome: GatewayOutcome;
    readonly facts: Facts;
  },
): string | undefined {
  const { gateway, route } = outcome;
  const source = gateway.spec.sourceIP;
  if (route.waiting) return stored;
  if (source.mode === "VirtualIPAddress") return source.ips[0];
  const report = freshReport(facts.leases.get(node), { gateway, snapshot: facts.snapshot });
  const link = report?.interfaces.find(({ name }) => name === source.interfaceName);
  return link?.addresses?.[0]?.split("/")[0];
}
