/** Which gateway serves a share of a policy's traffic: its own, or the one that stands in for it. */
import { limitRules } from "./allowed_namespaces.ts";
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { GATEWAY_LABEL } from "./names.ts";
import { reachOf } from "./namespace_reach.ts";
import { parseTime } from "./time.ts";
import type { Candidate, CiliumPolicy, Milliseconds, Policy } from "./types.ts";

export interface Way {
  /** The gateway that the policy names. */
  readonly gateway: string;
  /** What was decided for the gateway that serves; undefined: there is no such gateway. */
  readonly outcome: GatewayOutcome | undefined;
  /** Another one stands in. */
  readonly standsIn: boolean;
}

/** What was decided for every gateway, by name. */
export type Outcomes = ReadonlyMap<string, GatewayOutcome>;

/**
 * The fallback takes over when none of the gateway's candidates is eligible, or there is no such gateway, and only where it
 * serves all the pods that the gateway does: the others would leave by their own nodes. The gateway takes its traffic back
 * once its holder has been eligible for its `failback.minReadySeconds`.
 */
export function wayOf(
  gateway: string,
  { policy, outcomes, parts, now }: {
    readonly policy: Policy;
    readonly outcomes: Outcomes;
    /** The CiliumEgressGatewayPolicies of this gateway's share that exist. */
    readonly parts: readonly CiliumPolicy[];
    readonly now: Milliseconds;
  },
): Way {
  const own: Way = { gateway, outcome: outcomes.get(gateway), standsIn: false };
  const { fallback } = policy.spec;
  const other = fallback === undefined || fallback === gateway ? undefined : outcomes.get(fallback);
  if (other === undefined) return own;
  const standIn: Way = { gateway, outcome: other, standsIn: true };
  const usable = serves(other) && servesAllOf(own.outcome, { other, policy });
  const away = parts.some(({ labels }) => labels[GATEWAY_LABEL] === fallback);
  if (isLost(own.outcome)) return usable || away ? standIn : own;
  const back = own.outcome !== undefined && isSteady(own.outcome, now);
  return away && !back && !isLost(other) ? standIn : own;
}

/** Tells whether traffic that is sent by this gateway now has a node to leave by, which is well. */
export function serves(outcome: GatewayOutcome | undefined): outcome is GatewayOutcome {
  return outcome !== undefined && !outcome.route.waiting && holderOf(outcome)?.eligible === true;
}

function isLost(outcome: GatewayOutcome | undefined): boolean {
  return outcome === undefined || outcome.refusal?.refused === true ||
    !outcome.candidates.some(({ eligible }) => eligible);
}

function isSteady(outcome: GatewayOutcome, now: Milliseconds): boolean {
  const since = parseTime(holderOf(outcome)?.eligibleSince);
  const { minReadySeconds } = outcome.gateway.spec.failback;
  return serves(outcome) && since !== undefined && now - since >= minReadySeconds * 1_000;
}

export function holderOf({ route, candidates }: GatewayOutcome): Candidate | undefined {
  return candidates.find(({ node }) => node === route.node);
}

function servesAllOf(
  outcome: GatewayOutcome | undefined,
  { other, policy }: { readonly other: GatewayOutcome; readonly policy: Policy },
): boolean {
  const { selectors } = policy.spec;
  const served = limitRules(selectors, outcome?.gateway.spec.allowedNamespaces);
  const reach = reachOf(served, other.gateway.spec.allowedNamespaces);
  return reach === undefined || reach.verdict === "Within";
}
