/**
 * The election: who holds a gateway.
 *
 * 1. The pinned node, while it is eligible.
 * 2. The current holder, while it is eligible, unless failback is due to a better-ranked node.
 * 3. The best-ranked eligible candidate; one whose uplink has only just come back, where there is no other.
 * 4. Nobody is eligible: the current holder stays named (`whenNoneEligible: Keep`), or nobody holds it (`Drop`).
 *
 * Each gateway is elected on its own. Strategy `Balanced` is in the order of the candidates alone, which `balance.ts` finds for all
 * gateways together.
 */
import { pinOf } from "./pin.ts";
import { hasComeBack, isSteady, restsUntil } from "./damping.ts";
import { virtualIPOf } from "./reports.ts";
import { rfc3339 } from "./time.ts";
import { TIMINGS } from "./timings.ts";
import type { Candidate, Decision, Gateway, Milliseconds } from "./types.ts";
import { hasNoWayOutOnly, isRecovering } from "./uplinks.ts";

export interface Election {
  /** Undefined: nobody. */
  readonly holder: string | undefined;
  readonly decision: Extract<
    Decision,
    "Keep" | "Elect" | "FailOver" | "FailBack" | "Move" | "None"
  >;
  /** One sentence: why. */
  readonly message: string;
  /** The gateway goes back to a node that was away: the more often it does, the longer it waits. */
  readonly isReturn?: boolean;
}

/** Elects the holder from the candidates, which come best-ranked first. */
export function elect(
  gateway: Gateway,
  context: {
    readonly candidates: readonly Candidate[];
    /** Candidates that have just missed a renewal: no reason to leave them, but none to leave another for them either. */
    readonly isLate?: (node: string) => boolean;
    readonly now: Milliseconds;
  },
): Election {
  const { candidates, isLate = () => false, now } = context;
  const eligible = candidates.filter((candidate) => candidate.eligible);
  const best = eligible.find((candidate) => !isRecovering(candidate)) ?? eligible[0];
  const current = gateway.status.activeNodeName;
  const holder = eligible.find((candidate) => candidate.node === current);
  const pin = pinOf(gateway, candidates);
  const pinned = eligible.find((candidate) => candidate.node === pin?.node);

  if (best === undefined) return nobodyEligible(gateway, candidates);
  if (pinned !== undefined) {
    if (pinned.node === current) return keep(pinned.node, `${pinned.node} is pinned and eligible`);
    if (holder !== undefined && isLate(pinned.node)) {
      return keep(
        holder.node,
        `${holder.node} is eligible; ${pinned.node} is pinned, but has missed a heartbeat`,
      );
    }
    if (holder !== undefined && isRecovering(pinned)) {
      return keep(
        holder.node,
        `${holder.node} is eligible; ${pinned.node} is pinned, but its uplink has only just come back`,
      );
    }
    const message = `${pinned.node} is pinned and eligible`;
    if (current === undefined) return { holder: pinned.node, decision: "Elect", message };
    if (holder !== undefined) {
      const isReturn = hasComeBack(pinned, gateway);
      const rest = isReturn ? restsUntil(gateway, now) : undefined;
      return rest === undefined
        ? { holder: pinned.node, ...(isReturn ? { isReturn } : {}), decision: "Move", message }
        : keep(holder.node, `${holder.node} is eligible; ${resting(pinned.node, rest, gateway)}`);
    }
  }
  if (current === undefined) {
    return {
      holder: best.node,
      decision: "Elect",
      message: `${best.node} is the best-ranked eligible node`,
    };
  }
  if (holder === undefined) {
    return failOver(gateway, { eligible, pinned, candidates, current, now });
  }
  const better = eligible.slice(0, eligible.indexOf(holder));
  if (better.length === 0) {
    return keep(holder.node, `${holder.node} is the best-ranked eligible node`);
  }
  const heard = better.filter(({ node }) => !isLate(node));
  if (heard.length === 0) {
    const names = better.map(({ node }) => node).join(", ");
    return keep(
      holder.node,
      `${holder.node} is eligible; ${names} is ranked better, but has missed a heartbeat`,
    );
  }
  return mayFailBack(gateway, { holder, better: heard, now });
}

/**
 * A holder that is not eligible is left at once. One thing is damped: whether it has a way out is told by what others hear, so
 * where the other node comes and goes, or only says so, the role would go to it and back each time.
 */
function failOver(
  gateway: Gateway,
  { eligible, pinned, candidates, current, now }: {
    /** Best-ranked first; not empty. */
    readonly eligible: readonly Candidate[];
    readonly pinned: Candidate | undefined;
    readonly candidates: readonly Candidate[];
    readonly current: string;
    readonly now: Milliseconds;
  },
): Election {
  const why = reasonAgainst(candidates, current);
  const holder = candidates.find(({ node }) => node === current);
  const isReturn = (candidate: Candidate): boolean =>
    holder !== undefined && hasNoWayOutOnly(holder) && hasComeBack(candidate, gateway);
  const rest = restsUntil(gateway, now);
  const ready = eligible.filter((candidate) =>
    rest === undefined || !isReturn(candidate) ||
    // Nobody need wait for it, though it came and went before.
    isSteady(candidate, { milliseconds: TIMINGS.returnMilliseconds, now })
  );
  const best = ready.find((candidate) => candidate === pinned) ??
    ready.find((candidate) => !isRecovering(candidate)) ?? ready[0];
  if (best === undefined) {
    const [first = { node: "another node" }] = eligible;
    return keep(current, `${why}; ${resting(first.node, rest ?? now, gateway)}`);
  }
  return {
    holder: best.node,
    ...(isReturn(best) ? { isReturn: true } : {}),
    decision: "FailOver",
    message: best === pinned
      ? `${best.node} is pinned and eligible`
      : `${why}; ${best.node} is the best-ranked eligible node`,
  };
}

/** A healthy holder is left only for a better-ranked node that has been eligible for minReadySeconds. */
function mayFailBack(
  gateway: Gateway,
  context: {
    readonly holder: Candidate;
    readonly better: readonly Candidate[];
    readonly now: Milliseconds;
  },
): Election {
  const { holder, better, now } = context;
  const { mode, minReadySeconds } = gateway.spec.failback;
  const names = better.map(({ node }) => node).join(", ");
  if (mode === "Never") {
    return keep(
      holder.node,
      `${holder.node} is eligible and failback.mode is Never, though ${names} is ranked better`,
    );
  }
  if (gateway.status.phase === "Preparing" && virtualIPOf(gateway) !== undefined) {
    return keep(holder.node, `The handover to ${holder.node} is under way`);
  }
  const steady = better.find((candidate) =>
    isSteady(candidate, { milliseconds: minReadySeconds * 1_000, now })
  );
  if (steady === undefined) {
    return keep(
      holder.node,
      `${holder.node} is eligible; ${names} is ranked better, but not yet eligible for ${minReadySeconds} s`,
    );
  }
  const rest = restsUntil(gateway, now);
  if (rest !== undefined) {
    return keep(holder.node, `${holder.node} is eligible; ${resting(steady.node, rest, gateway)}`);
  }
  return {
    holder: steady.node,
    isReturn: true,
    decision: "FailBack",
    message:
      `${steady.node} is ranked better than ${holder.node} and has been eligible for ${minReadySeconds} s`,
  };
}

/** Why a node that came back does not get its role back yet; the same words in each tick. */
function resting(node: string, until: Milliseconds, { status }: Gateway): string {
  const { returns = 0 } = status.lastFailover ?? {};
  const times = returns === 1 ? "once" : `${returns} times in a row`;
  return `the role went back ${times} shortly before, so ${node} gets it back not before ${
    rfc3339(until)
  }`;
}

function nobodyEligible(gateway: Gateway, candidates: readonly Candidate[]): Election {
  const current = gateway.status.activeNodeName;
  const nobody = candidates.length === 0
    ? "No node matches spec.nodeSelector"
    : `None of ${candidates.length} candidates is eligible`;
  // The same words before and after the drop, so that status comes to rest.
  if (gateway.spec.whenNoneEligible === "Drop") {
    const message = `${nobody}; nobody holds it since whenNoneEligible is Drop`;
    return { holder: undefined, decision: "None", message };
  }
  if (current === undefined) return { holder: undefined, decision: "None", message: nobody };
  return keep(current, `${nobody}; ${current} stays named since whenNoneEligible is Keep`);
}

/** Why a node that held the gateway may not hold it now, as a sentence. */
function reasonAgainst(candidates: readonly Candidate[], node: string): string {
  const candidate = candidates.find((other) => other.node === node);
  if (candidate === undefined) return `${node} is no longer a candidate`;
  const [first] = candidate.reasons;
  return first === undefined
    ? `${node} is not eligible`
    : `${node}: ${first.type}: ${first.message}`;
}

function keep(holder: string, message: string): Election {
  return { holder, decision: "Keep", message };
}
