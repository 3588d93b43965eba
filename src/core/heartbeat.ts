/**
 * Ages of heartbeats, by the API server's clock alone.
 *
 * Both times (`Date` of the list, `managedFields` time of the Lease) are whole seconds, cut off below: a difference of
 * `n` seconds means that between `n - 1` and `n + 1` seconds have really passed. A resident observer that has seen the
 * Lease unchanged for some time knows a finer lower bound; either proof is enough.
 */
import { parseTime } from "./time.ts";
import type { Lease, Milliseconds, Report, Snapshot } from "./types.ts";

/**
 * How long an agent may speak for a VIP after it sent a renewal that the API server answered; the kernel enforces it
 * (design section 5).
 */
export const SPEECH_MILLISECONDS = 3_000;

/** Agents renew each second. */
export const RENEWAL_MILLISECONDS = 1_000;

/** The worst error of a difference of two times of whole seconds. */
const CLOCK_GRAIN_MILLISECONDS = 1_000;

/**
 * Tells whether certainly more than `milliseconds` have passed since the agent's last renewal. A Lease that its agent never
 * wrote tells nothing of it: an earlier one may have been deleted a moment ago.
 */
function silentLongerThan(lease: Lease, now: Milliseconds, milliseconds: Milliseconds): boolean {
  return now - (lease.renewedAt ?? now) >= milliseconds + CLOCK_GRAIN_MILLISECONDS ||
    (lease.unchangedForMilliseconds ?? 0) > milliseconds;
}

/**
 * Tells whether a heartbeat is stale: its age in whole seconds has reached the timeout. That may be up to a second
 * early by the true time, never late.
 */
export function isStale(lease: Lease, now: Milliseconds, timeoutSeconds: number): boolean {
  const timeout = timeoutSeconds * 1_000;
  return lease.renewedAt === undefined || now - lease.renewedAt >= timeout ||
    (lease.unchangedForMilliseconds ?? 0) >= timeout;
}

/** One period, with some allowance for a renewal that is on its way. */
const MISSED_MILLISECONDS = 1.2 * RENEWAL_MILLISECONDS;

/** How long a resident observer waits until it can tell whether the agent misses the renewal that is due. */
export function untilMissed({ unchangedForMilliseconds = 0 }: Lease): Milliseconds {
  return Math.max(0, MISSED_MILLISECONDS - unchangedForMilliseconds) + 1;
}

/** Tells whether the agent has missed a renewal: more than one period, with some allowance, has passed. */
export function hasMissedRenewal(lease: Lease, now: Milliseconds): boolean {
  if (lease.renewedAt === undefined) return true;
  return now - lease.renewedAt >= RENEWAL_MILLISECONDS + CLOCK_GRAIN_MILLISECONDS ||
    (lease.unchangedForMilliseconds ?? 0) > MISSED_MILLISECONDS;
}

/** Tells whether all that the agent may have said since its last renewal has expired in its kernel. */
export function isSpeechExpired(lease: Lease, now: Milliseconds): boolean {
  return silentLongerThan(lease, now, SPEECH_MILLISECONDS);
}

/** A Lease without an agent's pod on its node is believed for this long; then the agent was taken away. */
const ABANDONED_MILLISECONDS = 60_000;

/** Tells whether a Lease was left behind by an agent that no longer runs on the node. */
export function isAbandoned(
  lease: Lease,
  context: { readonly hasAgentPod: boolean; readonly now: Milliseconds },
): boolean {
  return !context.hasAgentPod &&
    (lease.renewedAt === undefined || context.now - lease.renewedAt >= ABANDONED_MILLISECONDS);
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
  const alive = new Set(
    nodes.filter(({ ready }) => ready === "True" || ready === "Missing").map(({ name }) => name),
  );
  const agents = new Set(agentPods.map(({ nodeName }) => nodeName));
  const heartbeats = leases.filter((lease) =>
    lease.renewedAt !== undefined && alive.has(lease.name) &&
    !isAbandoned(lease, { hasAgentPod: agents.has(lease.name), now })
  );
  const stale = heartbeats.filter((lease) => isStale(lease, now, options.timeoutSeconds));
  const fresh = heartbeats.filter((lease) => !stale.includes(lease));
  const witnessed = fresh.length === 0 ||
    fresh.some(({ report }) => renewedFor(report, now) >= options.timeoutSeconds * 1_000);
  return (stale.length >= 2 && stale.length * 2 > heartbeats.length) ||
    (stale.length > 0 && !witnessed);
}

/** For how long an agent's renewals have been answered without a pause. */
function renewedFor(report: Report | undefined, now: Milliseconds): Milliseconds {
  const since = report?.renewingSince;
  return since === null ? 0 : now - (parseTime(since) ?? -Infinity);
}
