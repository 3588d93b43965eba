/** Who holds a gateway, since which term: the part of the status that fencing rests on. */
import type { Election } from "./elect.ts";
import { recentReturns } from "./damping.ts";
import type { Facts } from "./facts.ts";
import { areSameIPs, egressIPsOf, virtualIPsOf } from "./reports.ts";
import { lastSpeaker } from "./takeover.ts";
import { nextTerm, termToldBy } from "./terms.ts";
import { rfc3339Milliseconds } from "./time.ts";
import type { Failover, Gateway, Milliseconds } from "./types.ts";

export interface Tenure {
  readonly holder: string | undefined;
  readonly term: number;
  readonly lastFailover: Failover | undefined;
}

/** The tenure after an election: the stored one, or the next term's. */
export function tenureOf(
  gateway: Gateway,
  { election, clock, facts }: { election: Election; clock: Milliseconds; facts: Facts },
): Tenure {
  const { term = 0, lastFailover } = gateway.status;
  const { holder } = election;
  if (!begins(gateway, { holder, facts })) return { holder, term, lastFailover };
  const next = nextTerm(gateway, facts);
  if (holder === undefined) return { holder, term: next, lastFailover };
  const from = lastSpeaker(gateway);
  const served = hasLostTerms(gateway, { holder, facts }) ? [] : servedIPs(gateway);
  const [fromEgressIP] = served;
  const returns = recentReturns(gateway, facts.snapshot.now) + (election.isReturn ? 1 : 0);
  return {
    holder,
    term: next,
    lastFailover: {
      ...(from === undefined ? {} : { from }),
      ...(fromEgressIP === undefined ? {} : { fromEgressIP }),
      ...(served.length > 1 ? { fromEgressIPs: served } : {}),
      to: holder,
      reason: holder === gateway.status.activeNodeName ? whyAnew(gateway) : election.message,
      startTime: rfc3339Milliseconds(clock),
      ...(returns === 0 ? {} : { returns }),
      ...(virtualIPsOf(gateway).length === 0 ? { durationMilliseconds: 0 } : {}),
    },
  };
}

/**
 * Tells whether a new term begins: another holder, another virtual IP, a status that is not of our making, or a holder that
 * must be silent in its own term.
 */
export function begins(
  gateway: Gateway,
  { holder, facts }: { readonly holder: string | undefined; readonly facts: Facts },
): boolean {
  const { activeNodeName, phase } = gateway.status;
  if (holder !== activeNodeName) return true;
  if (holder === undefined) return false;
  return phase === undefined || phase === "Idle" ||
    !areSameIPs(egressIPsOf(gateway.status), virtualIPsOf(gateway)) ||
    hasLostTerms(gateway, { holder, facts });
}

/**
 * Tells whether the holder knows a term above that of the status. It was fenced for one that is not: nodes are fenced for
 * all gateways that leave them in one plan, and the status of one may have been changed meanwhile. Or the status is of a
 * backup. Only the holder is asked: others would end with a lie what works.
 */
function hasLostTerms(
  gateway: Gateway,
  { holder, facts }: { readonly holder: string | undefined; readonly facts: Facts },
): boolean {
  const { egressIP, term = 0 } = gateway.status;
  if (holder === undefined || egressIP === undefined) return false;
  return termToldBy(facts.leases.get(holder), gateway) > term;
}

/** The virtual IPs that the last speaker is known to have served with. */
function servedIPs({ status }: Gateway): readonly string[] {
  const { phase, lastFailover } = status;
  return phase === "Active"
    ? egressIPsOf(status)
    : phase === "Preparing"
    ? fromEgressIPsOf(lastFailover)
    : [];
}

/** The virtual IPs that a move began with; none where that is not known. */
export function fromEgressIPsOf(move: Failover | undefined): readonly string[] {
  return egressIPsOf({ egressIP: move?.fromEgressIP, egressIPs: move?.fromEgressIPs });
}

/** Why a term begins though the holder stays. */
function whyAnew(gateway: Gateway): string {
  const { phase } = gateway.status;
  if (phase === undefined || phase === "Idle") {
    return "The holder is taken over from a status without a phase of its own";
  }
  const [before, after] = [egressIPsOf(gateway.status), virtualIPsOf(gateway)];
  const inWords = (ips: readonly string[]) =>
    ips.length === 0 ? "the node's own" : ips.join(" and ");
  return areSameIPs(before, after)
    ? "The holder knows a term above this one, of a move that was not made or whose status is lost"
    : `The source address changed from ${inWords(before)} to ${inWords(after)}`;
}
