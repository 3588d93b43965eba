/** Who holds a gateway, since which term: the part of the status that fencing rests on. */
import type { Election } from "./elect.ts";
import { virtualIPOf } from "./reports.ts";
import { lastSpeaker } from "./takeover.ts";
import { rfc3339Milliseconds } from "./time.ts";
import type { Failover, Gateway, Milliseconds, Phase } from "./types.ts";

export interface Tenure {
  readonly holder: string | undefined;
  readonly term: number;
  readonly phase: Phase;
  readonly lastFailover: Failover | undefined;
}

/** The tenure after an election: the stored one, or the next term's. */
export function tenureOf(
  gateway: Gateway,
  { election, clock }: { election: Election; clock: Milliseconds },
): Tenure {
  const { term = 0, lastFailover } = gateway.status;
  const { holder } = election;
  if (!begins(gateway, holder)) {
    const phase = holder === undefined ? "Idle" : gateway.status.phase ?? "Idle";
    return { holder, term, phase, lastFailover };
  }
  if (holder === undefined) return { holder, term: term + 1, phase: "Idle", lastFailover };
  const from = lastSpeaker(gateway);
  return {
    holder,
    term: term + 1,
    phase: "Active",
    lastFailover: {
      ...(from === undefined ? {} : { from }),
      to: holder,
      reason: holder === gateway.status.activeNodeName ? whyAnew(gateway) : election.message,
      startTime: rfc3339Milliseconds(clock),
      ...(virtualIPOf(gateway) === undefined ? { durationMilliseconds: 0 } : {}),
    },
  };
}

/** Tells whether a new term begins: another holder, another virtual IP, or a status that is not of our making. */
export function begins(gateway: Gateway, holder: string | undefined): boolean {
  const { activeNodeName, egressIP, phase } = gateway.status;
  if (holder !== activeNodeName) return true;
  return holder !== undefined && (phase === undefined || egressIP !== virtualIPOf(gateway));
}

/** Why a term begins though the holder stays. */
function whyAnew(gateway: Gateway): string {
  const { phase, egressIP = "the node's own" } = gateway.status;
  return phase === undefined
    ? "The holder is taken over from a status without phase"
    : `The source address changed from ${egressIP} to ${virtualIPOf(gateway) ?? "the node's own"}`;
}
