/**
 * Moves are damped: a node that comes and goes gets its role back ever later, while failovers stay immediate. What is
 * remembered is in the status: how many returns followed each other, and when the last move began.
 */
import { parseTime } from "./time.ts";
import { TIMINGS } from "./timings.ts";
import type { Candidate, Gateway, Milliseconds } from "./types.ts";

/** How long after the last move a gateway may return, given how many returns there were shortly before. */
function restAfter(returns: number): Milliseconds {
  if (returns <= 0) return 0;
  return Math.min(
    TIMINGS.returnMilliseconds * 2 ** Math.min(returns, 20),
    TIMINGS.longestReturnMilliseconds,
  );
}

/** Returns that followed each other until now; none once the gateway has been where it is for twice as long as it rests. */
export function recentReturns({ status: { lastFailover } }: Gateway, now: Milliseconds): number {
  const { returns = 0, startTime } = lastFailover ?? {};
  const began = parseTime(startTime) ?? now;
  return now - began > 2 * restAfter(returns) ? 0 : returns;
}

/** Until when a gateway stays where it is before it returns to a node that came back; undefined: it need not wait. */
export function restsUntil(gateway: Gateway, now: Milliseconds): Milliseconds | undefined {
  const { returns = 0, startTime } = gateway.status.lastFailover ?? {};
  const end = (parseTime(startTime) ?? -Infinity) + restAfter(returns);
  return end > now ? end : undefined;
}

/**
 * Tells whether a move to a candidate is a return: the last move left it, whether it served or was still on its way to, and it
 * was not eligible since that began. A pin to another node whose agent was just replaced is none.
 */
export function hasComeBack(
  { node, eligibleSince }: Candidate,
  { status: { lastFailover, history = [], term = 0 } }: Gateway,
): boolean {
  const before = history.find((move) => move.term < term);
  if (lastFailover?.from !== node && before?.to !== node) return false;
  const [since, began] = [parseTime(eligibleSince), parseTime(lastFailover?.startTime)];
  // The one is told in whole seconds, the other to the millisecond.
  return since !== undefined && began !== undefined && since > began - 1_000;
}

/** Tells whether a candidate has been eligible for so long without a break. */
export function isSteady(
  { eligibleSince }: Candidate,
  { milliseconds, now }: { readonly milliseconds: Milliseconds; readonly now: Milliseconds },
): boolean {
  return now - (parseTime(eligibleSince) ?? now) >= milliseconds;
}
