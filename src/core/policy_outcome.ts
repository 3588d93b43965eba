/** What becomes of one policy in this tick. */
import { addressesOf } from "./cidrs.ts";
import { ciliumPolicyFor, ciliumPolicyPatch, isOurs } from "./cilium_policy.ts";
import type { Target } from "./cilium_policy.ts";
import { conditionsFrom } from "./conditions.ts";
import type { Finding } from "./conditions.ts";
import type { Facts } from "./facts.ts";
import { fitPolicyStatus } from "./fit.ts";
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { HOSTNAME_LABEL, POLICY_LABEL } from "./names.ts";
import { reachOf } from "./namespace_reach.ts";
import type { Reach } from "./namespace_reach.ts";
import { freshReport } from "./reports.ts";
import { isUnread } from "./selectors.ts";
import type { Change, Policy, PolicyStatus } from "./types.ts";

/** How many other policies a sentence names. */
const LISTED = 5;

export interface PolicyOutcome {
  readonly policy: Policy;
  readonly status: PolicyStatus;
  /** The write that makes Cilium's policy right; undefined where nothing is to be written. */
  readonly change: Pick<Change, "action" | "body"> | undefined;
}

/** Decides one policy, given what was decided for its gateway. */
export function decidePolicy(
  policy: Policy,
  context: {
    readonly outcome: GatewayOutcome | undefined;
    readonly facts: Facts;
    /** Other policies with some of the same traffic, in words. */
    readonly overlaps: readonly string[];
  },
): PolicyOutcome {
  const { outcome, facts, overlaps } = context;
  const { egressGatewayName } = policy.spec;
  const existing = facts.ciliumPolicies.get(policy.name);
  const unreadable = facts.snapshot.invalid.some(({ kind, name }) =>
    kind === "CiliumEgressGatewayPolicy" && name === policy.name ||
    kind === "EgressGateway" && name === egressGatewayName
  );
  const clash = existing !== undefined && !isOurs(existing);
  const route = outcome?.route;
  const target: Target = {
    gateway: outcome?.gateway,
    route,
    node: route?.node === undefined ? undefined : facts.byNode.get(route.node)?.node,
    unread: isHostnameUnread(route?.node, facts),
  };
  const reach = reachOf(policy.spec.selectors, outcome?.gateway.spec.allowedNamespaces);
  const untouchable = clash || unreadable || policy.deleting || existing?.deleting;
  return {
    policy,
    status: statusOf(policy, { outcome, facts, clash, unreadable, reach, overlaps }),
    change: untouchable ? undefined : changeOf(policy, { existing, target }),
  };
}

/** Tells whether a node is there and the label by which Cilium finds it cannot be read. */
function isHostnameUnread(name: string | undefined, facts: Facts): boolean {
  if (name === undefined) return false;
  const node = facts.byNode.get(name)?.node;
  return node === undefined
    ? facts.unread.nodes.has(name)
    : isUnread(HOSTNAME_LABEL, node.unreadLabels ?? []);
}

function changeOf(
  policy: Policy,
  { existing, target }: {
    existing: Facts["snapshot"]["ciliumPolicies"][number] | undefined;
    target: Target;
  },
): PolicyOutcome["change"] {
  if (existing === undefined) return { action: "create", body: ciliumPolicyFor(policy, target) };
  const body = ciliumPolicyPatch(existing, { policy, target });
  return body === undefined ? undefined : { action: "patch", body };
}

function statusOf(
  policy: Policy,
  context: Verdict & { readonly facts: Facts },
): PolicyStatus {
  const { facts } = context;
  return fitPolicyStatus({
    observedGeneration: policy.generation,
    ...wayOf(policy, context),
    conditions: conditionsFrom([
      accepted(policy, context),
      ready(policy, context),
      conflicted(policy, context),
    ], {
      stored: policy.status.conditions,
      generation: policy.generation,
      now: facts.snapshot.now,
    }),
  });
}

/** By which node and address the traffic leaves; what cannot be read is not changed, so that its traffic stays. */
function wayOf(
  policy: Policy,
  { outcome, facts, clash, unreadable, reach }: Verdict & { readonly facts: Facts },
): Pick<PolicyStatus, "activeNodeName" | "egressIP"> {
  if (clash || reach?.verdict === "Outside") return {};
  const { activeNodeName, egressIP } = unreadable ? policy.status : {
    activeNodeName: outcome?.route.node,
    egressIP: outcome?.route.node === undefined
      ? undefined
      : egressIPOf(outcome.route.node, { policy, outcome, facts }),
  };
  return {
    ...(activeNodeName === undefined ? {} : { activeNodeName }),
    ...(egressIP === undefined ? {} : { egressIP }),
  };
}

/**
 * The source address that the world sees: the VIP, or what the agent reports for the interface. While a handover waits
 * the traffic keeps the address that it has, also where the spec already names another.
 */
function egressIPOf(
  node: string,
  { policy, outcome, facts }: { policy: Policy; outcome: GatewayOutcome; facts: Facts },
): string | undefined {
  const { gateway, route } = outcome;
  const source = gateway.spec.sourceIP;
  if (route.waiting) return policy.status.egressIP;
  if (source.mode === "VirtualIPAddress") return source.ip;
  const report = freshReport(facts.leases.get(node), { gateway, snapshot: facts.snapshot });
  const link = report?.interfaces.find(({ name }) => name === source.interfaceName);
  return link?.addresses?.[0]?.split("/")[0];
}

interface Verdict {
  readonly outcome: GatewayOutcome | undefined;
  readonly clash: boolean;
  readonly unreadable: boolean;
  /** Undefined: the gateway serves all namespaces, or there is none. */
  readonly reach: Reach | undefined;
  readonly overlaps: readonly string[];
}

function accepted(policy: Policy, { outcome, clash, unreadable, reach }: Verdict): Finding {
  const type = "Accepted";
  const gateway = policy.spec.egressGatewayName;
  if (clash) return { type, status: "False", reason: "NameClash", message: clashMessage(policy) };
  if (unreadable) {
    return {
      type,
      status: "Unknown",
      reason: "Unreadable",
      message:
        `EgressGateway '${gateway}' or CiliumEgressGatewayPolicy '${policy.name}' cannot be read; nothing is changed`,
    };
  }
  if (outcome === undefined) {
    return { type, status: "False", reason: "GatewayNotFound", message: gatewayNotFound(policy) };
  }
  switch (reach?.verdict) {
    case "Outside":
      return outside(type, { gateway, reach });
    case "Partly":
      return {
        type,
        status: "True",
        reason: "PartlyAllowed",
        message: `EgressGateway '${gateway}' serves ${reach.served} only` +
          (reach.refused === "" ? "" : `; not served: ${reach.refused}`),
      };
    default:
      return {
        type,
        status: "True",
        reason: "Accepted",
        message: `EgressGateway '${gateway}' is there`,
      };
  }
}

/** The gateway serves no pod that the policy could select; that is as if there were no policy. */
function outside(
  type: string,
  { gateway, reach }: { readonly gateway: string; readonly reach: Reach },
): Finding {
  return {
    type,
    status: "False",
    reason: "NamespaceNotAllowed",
    message:
      `EgressGateway '${gateway}' does not serve ${reach.refused}: its allowedNamespaces are ${reach.served}; ` +
      "the pods' traffic leaves by their own nodes",
  };
}

function ready(policy: Policy, { outcome, clash, unreadable, reach }: Verdict): Finding {
  const type = "Ready";
  if (clash) return { type, status: "False", reason: "NameClash", message: clashMessage(policy) };
  if (unreadable) {
    return {
      type,
      status: "Unknown",
      reason: "Unreadable",
      message: "The state of the gateway is not known",
    };
  }
  if (outcome === undefined) {
    return { type, status: "False", reason: "GatewayNotFound", message: gatewayNotFound(policy) };
  }
  if (reach?.verdict === "Outside") {
    return outside(type, { gateway: outcome.gateway.name, reach });
  }
  if (selectsNothing(policy)) {
    return {
      type,
      status: "False",
      reason: "EverythingExcluded",
      message:
        "excludedCIDRs cover all of destinationCIDRs, so that the pods' traffic leaves by their own nodes; take out what is excluded too widely",
    };
  }
  const { node } = outcome.route;
  if (node === undefined) {
    return {
      type,
      status: "False",
      reason: "NoActiveNode",
      message: `${outcome.message}; Cilium drops the selected traffic`,
    };
  }
  const holder = outcome.candidates.find((candidate) => candidate.node === node);
  return holder?.eligible
    ? { type, status: "True", reason: "Active", message: `${trafficOf(reach)} leaves by ${node}` }
    : {
      type,
      status: "False",
      reason: "ActiveNodeNotEligible",
      message: `Traffic is sent to ${node}, which is not eligible`,
    };
}

function selectsNothing({ spec }: Policy): boolean {
  return addressesOf(spec.destinationCIDRs, { excluded: spec.excludedCIDRs }).length === 0;
}

function trafficOf(reach: Reach | undefined): string {
  return reach?.verdict === "Partly" ? `Traffic of ${reach.served}` : "Traffic";
}

function conflicted(policy: Policy, { clash, overlaps }: Verdict): Finding {
  const type = "Conflicted";
  if (clash) return { type, status: "True", reason: "NameClash", message: clashMessage(policy) };
  if (overlaps.length > 0) {
    const more = overlaps.length - LISTED;
    const named = overlaps.slice(0, LISTED).join(", ") + (more > 0 ? ` and ${more} more` : "");
    return {
      type,
      status: "True",
      reason: "SameTraffic",
      message:
        `${named} sends some of the same pods' traffic elsewhere, and which one Cilium obeys is not defined; ` +
        "narrow the selectors or destinationCIDRs of one",
    };
  }
  return {
    type,
    status: "False",
    reason: "NoConflict",
    message: "No other object stands in the way",
  };
}

function clashMessage({ name }: Policy): string {
  return `CiliumEgressGatewayPolicy '${name}' exists and is not ours; rename this policy or delete that object, ` +
    `or let Sallyport take it over in place: kubectl label ciliumegressgatewaypolicy ${name} ${POLICY_LABEL}=${name}`;
}

function gatewayNotFound({ spec }: Policy): string {
  return `No EgressGateway '${spec.egressGatewayName}'; Cilium drops the selected traffic until there is one`;
}
