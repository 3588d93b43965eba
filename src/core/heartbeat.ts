/**
 * Ages of heartbeats, by the API server's clock alone.
 *
 * Both times (`Date` of the list, `managedFields` time of the Lease) are whole seconds, cut off below: a difference of
 * `n` seconds means that between `n - 1` and `n + 1` seconds have really passed. A resident observer that has seen the
 * Lease unchanged for some time knows a finer lower bound; either proof is enough.
 */
import { TIMINGS } from "./timings.ts";
import { parseTime } from "./time.ts";
import type { Gateway, Lease, Milliseconds, Snapshot } from "./types.ts";

/**
 * Tells whether certainly more than `milliseconds` have passed since the agent's last renewal. A Lease that its agent never
 * wrote tells nothing of it: an earlier one may have been deleted a moment ago.
 */
function silentLongerThan(lease: Lease, now: Milliseconds, milliseconds: Milliseconds): boolean {
  const { renewedAt = now, renewedWithinMilliseconds = Infinity } = lease;
  const age = Math.min(now - renewedAt, renewedWithinMilliseconds);
  return age >= milliseconds + TIMINGS.clockGrainMilliseconds ||
    (lease.unchangedForMilliseconds ?? 0) > milliseconds;
}

/**
 * The age of a heartbeat by the server's clock, and no more than what was seen of it: the clock may have been set forward, or
 * be another server's than the one that noted the renewal. A renewal from the future is of before the clock was set back,
 * nobody knows when; so it is not taken for fresh.
 */
function ageOf(lease: Lease, now: Milliseconds): Milliseconds {
  const { renewedAt, renewedWithinMilliseconds = Infinity, heardWithinMilliseconds = Infinity } =
    lease;
  const heard = heardWithinMilliseconds < TIMINGS.pauseMilliseconds
    ? heardWithinMilliseconds
    : Infinity;
  const seen = Math.min(renewedWithinMilliseconds, heard);
  if (renewedAt === undefined || renewedAt - now > TIMINGS.clockGrainMilliseconds) return seen;
  return Math.min(now - renewedAt, seen);
}

/**
 * Tells whether a heartbeat is stale: its age in whole seconds has reached the timeout. That may be up to a second
 * early by the true time, never late.
 */
export function isStale(lease: Lease, now: Milliseconds, timeoutSeconds: number): boolean {
  const timeout = timeoutSeconds * 1_000;
  return lease.renewedAt === undefined || ageOf(lease, now) >= timeout ||
    (lease.unchangedForMilliseconds ?? 0) >= timeout;
}

/** How long a resident observer waits until it can tell whether the agent misses the renewal that is due. */
export function untilMissed({ unchangedForMilliseconds = 0 }: Lease): Milliseconds {
  return Math.max(0, TIMINGS.missedRenewalMilliseconds - unchangedForMilliseconds) + 1;
}

/** Tells whether the agent has missed a renewal: more than one period, with some allowance, has passed. */
export function hasMissedRenewal(lease: Lease, now: Milliseconds): boolean {
  if (isUnheard(lease)) return true;
  if (lease.renewedAt === undefined) return lease.unread === undefined;
  return ageOf(lease, now) >= TIMINGS.renewalMilliseconds + TIMINGS.clockGrainMilliseconds;
}

/** Tells whether the agent has missed a renewal for certain; by the server's clock alone that takes a second longer. */
export function isLate(lease: Lease, now: Milliseconds): boolean {
  return isUnheard(lease) || ageOf(lease, now) >= TIMINGS.pauseMilliseconds;
}

/** Seen with one's own eyes. A fence changes a Lease as well. */
function isUnheard(
  { unchangedForMilliseconds = 0, heardWithinMilliseconds = 0 }: Lease,
): boolean {
  return Math.max(unchangedForMilliseconds, heardWithinMilliseconds) >
    TIMINGS.missedRenewalMilliseconds;
}

/** Tells whether all that the agent may have said since its last renewal has expired in its kernel. */
export function isSpeechExpired(lease: Lease, now: Milliseconds): boolean {
  return silentLongerThan(lease, now, TIMINGS.speechMilliseconds);
}

/** Tells whether a Lease was left behind by an agent that no longer runs on the node. */
export function isAbandoned(
  lease: Lease,
  context: { readonly hasAgentPod: boolean; readonly now: Milliseconds },
): boolean {
  return !context.hasAgentPod &&
    (lease.renewedAt === undefined ||
      context.now - lease.renewedAt >= TIMINGS.abandonedMilliseconds);
}

/**
 * Whether a gateway's heartbeats are believed: `Ignored` by its own wish, `Doubted` where the observer or the API server is
 * the likelier fault.
 */
export type HeartbeatTrust = "Believed" | "Ignored" | "Doubted";

/** How far a gateway's heartbeats are trusted now. */
export function trustInHeartbeats(
  { spec }: Gateway,
  { suspects }: { readonly suspects: ReadonlyMap<number, boolean> },
): HeartbeatTrust {
  const { heartbeat, timeoutSeconds } = spec.failureDetection;
  if (heartbeat === "Ignore") return "Ignored";
  return suspects.get(timeoutSeconds) === true ? "Doubted" : "Believed";
}

/**
 * Tells whether stale heartbeats are to be doubted, since the observer or the API server is the likelier fault:
 *  - at least two, and more than half, of all are stale at once; or
 *  - those that are fresh have only just begun. Agents are not heard all at once when an API server comes back, so one is
 *    stale only beside another that has been heard for as long as it was silent.
 * Nodes that Kubernetes itself calls not ready, and abandoned Leases, do not vote.
 */
export function isObserverSuspect(
  snapshot: Snapshot,
  options: { timeoutSeconds: number },
): boolean {
  const { now, nodes, agentPods, leases } = snapshot;
  if (leases.length === 0) return false;
  const alive = new Set(
    nodes.filter(({ ready }) => ready === "True" || ready === "Missing").map(({ name }) => name),
  );
  const agents = new Set(agentPods.map(({ nodeName }) => nodeName));
  const heartbeats = leases.filter((lease) =>
    lease.renewedAt !== undefined && alive.has(lease.name) &&
    !isAbandoned(lease, { hasAgentPod: agents.has(lease.name), now })
  );
  const isSilent = (lease: Lease) => isStale(lease, now, options.timeoutSeconds);
  const stale = heartbeats.filter(isSilent);
  const fresh = heartbeats.filter((lease) => !isSilent(lease));
  const witnessed = fresh.length === 0 ||
    fresh.some((lease) => renewedFor(lease) >= options.timeoutSeconds * 1_000);
  return (stale.length >= 2 && stale.length * 2 > heartbeats.length) ||
    (stale.length > 0 && !witnessed);
}

/**
 * For how long an agent's renewals had been answered without a pause at its last one. Both times are of the servers that the
 * agent asked, since the one that this snapshot is from may have another clock.
 */
function renewedFor({ report, renewedAt = 0 }: Lease): Milliseconds {
  return renewedAt - (parseTime(report?.renewingSince ?? undefined) ?? renewedAt);
}
