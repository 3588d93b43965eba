/** What a policy says of itself: Accepted, Ready, Conflicted, and Stalled where it is. */
import { addressesOf } from "./cidrs.ts";
import { stalled } from "./conditions.ts";
import type { Finding } from "./conditions.ts";
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { FAMILIES, familyName } from "./ip_family.ts";
import type { Family } from "./ip_family.ts";
import { listed } from "./listed.ts";
import type { Reach } from "./namespace_reach.ts";
import { familiesOf } from "./policy_parts.ts";
import { holderOf } from "./policy_way.ts";
import type { Policy, PolicyWay } from "./types.ts";

/** What was found about the share of one gateway. */
export interface WayVerdict {
  readonly way: PolicyWay;
  /** Of the gateway that serves it; undefined: there is no such gateway. */
  readonly outcome: GatewayOutcome | undefined;
  readonly standsIn: boolean;
  /** Undefined: the gateway serves all namespaces, or there is none. */
  readonly reach: Reach | undefined;
  /** The gateway does not serve yet, and its nodes are still with the gateways that had them. */
  readonly isElsewhere: boolean;
  /** Families that the policy has destinations of and the gateway no address: Cilium drops these. */
  readonly lacking: readonly Family[];
}

export interface Verdict {
  /** A CiliumEgressGatewayPolicy that stands in the way and is not ours. */
  readonly clash: string | undefined;
  /** A gateway, and what is made from it, one of which cannot be read. */
  readonly unread: { readonly gateway: string; readonly part: string } | undefined;
  readonly overlaps: readonly string[];
  /** Of each gateway of the policy, in its order. */
  readonly ways: readonly WayVerdict[];
  /** The policy's fallback, where there is no such gateway. */
  readonly missingFallback: string | undefined;
}

/** Reasons of not being ready that end only when a policy, a gateway or another object is written differently. */
const STALLED: ReadonlySet<string> = new Set([
  "NameClash",
  "NamespaceNotAllowed",
  "EverythingExcluded",
  "FamilyNotServed",
]);

/** All conditions of a policy. */
export function policyFindings(policy: Policy, verdict: Verdict): readonly Finding[] {
  const whether = ready(policy, verdict);
  return [
    accepted(policy, verdict),
    whether,
    conflicted(policy, verdict),
    ...stalled(whether, STALLED),
  ];
}

function accepted(policy: Policy, verdict: Verdict): Finding {
  const type = "Accepted";
  const { clash, unread, ways, missingFallback } = verdict;
  if (clash !== undefined) return { ...clashOf(policy, clash), type, status: "False" };
  if (unread !== undefined) {
    return {
      type,
      status: "Unknown",
      reason: "Unreadable",
      message:
        `EgressGateway '${unread.gateway}' or CiliumEgressGatewayPolicy '${unread.part}' cannot be read; nothing is changed`,
    };
  }
  const missing = missingGateway(verdict);
  if (missing !== undefined) return { ...missing, type };
  const outside = notServed(verdict);
  if (outside !== undefined) return { ...outside, type };
  const partly = ways.find(({ reach }) => reach !== undefined && reach.verdict !== "Within");
  if (partly?.reach !== undefined) {
    const { reach: { served, refused } } = partly;
    return {
      type,
      status: "True",
      reason: "PartlyAllowed",
      message: `EgressGateway '${servingName(partly)}' serves ${served} only` +
        (refused === "" ? "" : `; not served: ${refused}`),
    };
  }
  const lacking = lackingFamilies(ways);
  if (lacking !== undefined) {
    return { type, status: "True", reason: "FamilyNotServed", message: lacking };
  }
  if (missingFallback !== undefined) {
    return {
      type,
      status: "True",
      reason: "FallbackNotFound",
      message: `No EgressGateway '${missingFallback}', which is the fallback; nothing can stand in`,
    };
  }
  const names = ways.map(({ way }) => `'${way.name}'`);
  return {
    type,
    status: "True",
    reason: "Accepted",
    message: names.length === 1
      ? `EgressGateway ${names[0]} is there`
      : `EgressGateways ${listed(names)} are there`,
  };
}

function ready(policy: Policy, verdict: Verdict): Finding {
  const type = "Ready";
  const { clash, unread, ways } = verdict;
  if (clash !== undefined) return { ...clashOf(policy, clash), type, status: "False" };
  if (unread !== undefined) {
    return {
      type,
      status: "Unknown",
      reason: "Unreadable",
      message: "The state of the gateway is not known",
    };
  }
  const missing = missingGateway(verdict);
  if (missing !== undefined) return { ...missing, type };
  const outside = notServed(verdict);
  if (outside !== undefined) return { ...outside, type };
  if (selectsNothing(policy)) {
    return {
      type,
      status: "False",
      reason: "EverythingExcluded",
      message:
        "excludedCIDRs cover all of destinationCIDRs, so that the pods' traffic leaves by their own nodes; take out what is excluded too widely",
    };
  }
  const isOne = ways.length === 1;
  const lacking = lackingFamilies(ways);
  const families = familiesOf(policy.spec.destinationCIDRs).length;
  if (lacking !== undefined && ways.every((way) => way.lacking.length === families)) {
    return { type, status: "False", reason: "FamilyNotServed", message: lacking };
  }
  const idle = ways.find(({ outcome, isElsewhere }) =>
    outcome !== undefined && (outcome.route.node === undefined || isElsewhere)
  );
  if (idle?.outcome !== undefined) {
    const what = isOne
      ? "Cilium drops the selected traffic"
      : idle.isElsewhere
      ? "the nodes of its share stay with the gateways that have them until it serves"
      : "Cilium drops its share of the traffic";
    const prefix = isOne ? "" : `${servingName(idle)}: `;
    return {
      type,
      status: "False",
      reason: "NoActiveNode",
      message: `${prefix}${idle.outcome.message}; ${what}`,
    };
  }
  const unfit = ways.find(({ outcome }) =>
    outcome !== undefined && holderOf(outcome)?.eligible !== true
  );
  if (unfit?.outcome !== undefined) {
    const traffic = isOne ? "Traffic" : `The share of ${unfit.way.name}`;
    return {
      type,
      status: "False",
      reason: "ActiveNodeNotEligible",
      message: `${traffic} is sent to ${unfit.outcome.route.node}, which is not eligible`,
    };
  }
  const well = leaving(ways);
  return lacking === undefined
    ? well
    : { ...well, reason: "FamilyNotServed", message: `${well.message}; ${lacking}` };
}

/** Which destinations Cilium drops, since gateways have no address of their family; undefined: none. */
function lackingFamilies(ways: readonly WayVerdict[]): string | undefined {
  if (ways.every(({ lacking }) => lacking.length === 0)) return undefined;
  const each = FAMILIES.flatMap((family) => {
    const without = ways.filter(({ lacking }) => lacking.includes(family));
    if (without.length === 0) return [];
    const names = without.map((way) => {
      const source = way.outcome?.gateway.spec.sourceIP;
      return source?.mode === "PrimaryIPFromEgressGatewayNodeInterface"
        ? `'${servingName(way)}' on ${source.interfaceName}`
        : `'${servingName(way)}'`;
    });
    const [what, have, share] = without.length === 1
      ? ["EgressGateway", "has", "its share"]
      : ["EgressGateways", "have", "their shares"];
    return [
      `${what} ${listed(names)} ${have} no ${familyName(family)} address, so that Cilium drops ` +
      `${ways.length === 1 ? "the traffic" : share} to ${familyName(family)} destinations`,
    ];
  });
  return each.length === 0 ? undefined : each.join("; ");
}

/** All of the traffic leaves. */
function leaving(ways: readonly WayVerdict[]): Finding {
  const type = "Ready";
  const status = "True";
  const [first] = ways;
  const served = first?.reach?.verdict === "Partly" ? ` of ${first.reach.served}` : "";
  const nodeOf = ({ outcome }: WayVerdict) => outcome?.route.node ?? "";
  const stands = ways.filter(({ standsIn }) => standsIn);
  if (stands.length > 0) {
    const each = stands.map((way) =>
      `${servingName(way)} on ${nodeOf(way)} stands in for ${way.way.name}`
    );
    return {
      type,
      status,
      reason: "Fallback",
      message: `${listed(each)}, none of whose candidates is eligible`,
    };
  }
  return {
    type,
    status,
    reason: "Active",
    message: ways.length === 1
      ? `Traffic${served} leaves by ${ways.map(nodeOf)[0]}`
      : `Traffic leaves by ${listed(ways.map((way) => `${nodeOf(way)} (${way.way.name})`))}`,
  };
}

function conflicted(policy: Policy, { clash, overlaps }: Verdict): Finding {
  const type = "Conflicted";
  if (clash !== undefined) return { ...clashOf(policy, clash), type, status: "True" };
  if (overlaps.length > 0) {
    return {
      type,
      status: "True",
      reason: "SameTraffic",
      message:
        `${
          listed(overlaps)
        } sends some of the same pods' traffic elsewhere, and which one Cilium obeys is not defined; ` +
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

function clashOf({ name: policy }: Policy, name: string): Pick<Finding, "reason" | "message"> {
  const advice = name === policy
    ? "rename this policy or delete that object, or let Sallyport keep it in place until you want it back: " +
      `sallyport adopt ${name}`
    : "rename this policy or delete that object";
  return {
    reason: "NameClash",
    message: `CiliumEgressGatewayPolicy '${name}' exists and is not ours; ${advice}`,
  };
}

function missingGateway({ ways }: Verdict): Omit<Finding, "type"> | undefined {
  const missing = ways.filter(({ outcome }) => outcome === undefined);
  if (missing.length === 0) return undefined;
  const names = listed(missing.map(({ way }) => `'${way.name}'`));
  const what = ways.length === 1
    ? "Cilium drops the selected traffic until there is one"
    : missing.every(({ isElsewhere }) => isElsewhere)
    ? "the nodes of its share stay with the gateways that have them until there is one"
    : "Cilium drops its share of the traffic until there is one";
  return {
    status: "False",
    reason: "GatewayNotFound",
    message: `No EgressGateway ${names}; ${what}`,
  };
}

/** The gateways serve no pod that the policy could select; that is as if there were no policy. */
function notServed({ ways }: Verdict): Omit<Finding, "type"> | undefined {
  const [first] = ways;
  if (first?.reach === undefined) return undefined;
  if (!ways.every(({ reach }) => reach?.verdict === "Outside")) return undefined;
  const { reach: { served, refused } } = first;
  return {
    status: "False",
    reason: "NamespaceNotAllowed",
    message:
      `EgressGateway '${
        servingName(first)
      }' does not serve ${refused}: its allowedNamespaces are ${served}; ` +
      "the pods' traffic leaves by their own nodes",
  };
}

function servingName({ way, outcome }: WayVerdict): string {
  return outcome?.gateway.name ?? way.name;
}

function selectsNothing({ spec }: Policy): boolean {
  return addressesOf(spec.destinationCIDRs, { excluded: spec.excludedCIDRs }).length === 0;
}
