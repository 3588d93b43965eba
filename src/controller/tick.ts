/**
 * One tick: observe, decide, apply.
 *
 * It may run anywhere, any number at once, and die at any line: status is written only against the version that was
 * read, everything else follows from status, and the next tick begins from what it finds.
 */
import { decide } from "../core/decide.ts";
import { hasMissedRenewal } from "../core/heartbeat.ts";
import { TIMINGS } from "../core/timings.ts";
import type { Plan, Snapshot } from "../core/types.ts";
import { apply } from "../cluster/apply.ts";
import type { ChangeResult } from "../cluster/apply.ts";
import { LeaseWitness } from "../cluster/lease_witness.ts";
import type { KubeClient } from "../kube/client.ts";
import { sleep } from "../kube/deadline.ts";
import { observe } from "../cluster/observe.ts";
import type { ObserveOptions } from "../cluster/observe.ts";
import { refreshed } from "../cluster/refresh.ts";
import type { RefreshOptions } from "../cluster/refresh.ts";
import { isWithin, urgentPart } from "../core/urgent.ts";
import type { Urgent } from "../core/urgent.ts";

export interface TickOptions extends ObserveOptions {
  /** Stops before anything is written. */
  readonly dryRun?: boolean;
  /** What Events name as their reporter. */
  readonly instance?: string | undefined;
}

export interface TickResult {
  readonly snapshot: Snapshot;
  readonly plan: Plan;
  /** Empty for a dry run. */
  readonly results: readonly ChangeResult[];
  readonly durationMilliseconds: number;
  /** What a person has to look at: objects that cannot be read, writes that failed. Empty: the tick succeeded. */
  readonly problems: readonly string[];
  /** False while a move is under way or another writer was faster: tick again soon. */
  readonly settled: boolean;
}

/** @throws what `observe` throws, and the signal's reason */
export async function tick(client: KubeClient, options: TickOptions = {}): Promise<TickResult> {
  const observedAt = performance.now();
  const { signal, instance, witness = new LeaseWitness() } = options;
  let snapshot = await observe(client, { ...options, witness });
  let plan = decide(snapshot);
  if (restsOnClock(plan, snapshot)) {
    await sleep(TIMINGS.missedRenewalMilliseconds, signal);
    snapshot = await observe(client, { ...options, witness });
    plan = decide(snapshot);
  }
  const results = options.dryRun ? [] : await apply(plan, client, {
    observedAt,
    ...(signal ? { signal } : {}),
    ...(instance === undefined ? {} : { instance }),
  });
  return outcomeOf({ snapshot, plan, results }, performance.now() - observedAt);
}

/**
 * Tells whether a node is passed over since its Lease is old, and nothing but servers' clocks says so: this process has not
 * seen with its own eyes that a renewal was missed. A clock may have been set a moment ago, or two API servers differ;
 * whoever is alive has renewed its Lease by the next look.
 */
function restsOnClock({ gateways }: Plan, { leases, gateways: before, now }: Snapshot): boolean {
  const holders = before.flatMap(({ name, status: { activeNodeName, phase, lastFailover } }) => {
    const planned = gateways.find((gateway) => gateway.name === name)?.activeNodeName;
    if (phase === "Preparing") return [activeNodeName, lastFailover?.from];
    return planned === activeNodeName ? [] : [activeNodeName];
  });
  return leases.some((lease) =>
    holders.includes(lease.name) && hasMissedRenewal(lease, now) &&
    (lease.unchangedForMilliseconds ?? 0) < TIMINGS.missedRenewalMilliseconds
  );
}

/** What a snapshot that nothing may be written from tells. */
export interface Look extends TickResult {
  /** What traffic waits for; undefined: nothing, or so much that it takes a whole tick. */
  readonly urgent: Urgent | undefined;
}

/** Decides from what watches told, without a request and without a write. */
export function look(snapshot: Snapshot): Look {
  const begun = performance.now();
  const plan = decide(snapshot);
  const outcome = outcomeOf({ snapshot, plan, results: [] }, performance.now() - begun);
  return { ...outcome, urgent: urgentPart(plan, snapshot) };
}

/**
 * Writes what traffic waits for (`core/urgent.ts`); undefined where that takes a whole tick after all.
 *
 * @throws what `list` throws, and the signal's reason
 */
export async function urgentTick(
  client: KubeClient,
  { snapshot: known, urgent }: Look & { readonly urgent: Urgent },
  options: RefreshOptions & Pick<TickOptions, "instance">,
): Promise<TickResult | undefined> {
  const observedAt = performance.now();
  const { instance, signal } = options;
  const snapshot = await refreshed(client, known, { ...options, urgent });
  if (snapshot === undefined) return undefined;
  const whole = decide(snapshot);
  const now = urgentPart(whole, snapshot);
  if (now === undefined || !isWithin(now, urgent) || restsOnClock(whole, snapshot)) {
    return undefined;
  }
  const groups = new Set(now.changes.map(({ group }) => group));
  const plan = {
    ...whole,
    changes: now.changes,
    events: whole.events.filter(({ group }) => groups.has(group)),
  };
  const results = await apply(plan, client, {
    observedAt,
    ...(signal ? { signal } : {}),
    ...(instance === undefined ? {} : { instance }),
  });
  return outcomeOf({ snapshot, plan, results }, performance.now() - observedAt);
}

function outcomeOf(
  done: Pick<TickResult, "snapshot" | "plan" | "results">,
  durationMilliseconds: number,
): TickResult {
  const { snapshot, plan, results } = done;
  return {
    ...done,
    durationMilliseconds,
    problems: problemsOf(snapshot, results),
    settled: isSettled(plan, results),
  };
}

function problemsOf(snapshot: Snapshot, results: readonly ChangeResult[]): readonly string[] {
  return [
    ...snapshot.invalid.map(({ kind, name, message }) =>
      `Cannot read ${kind} '${name}': ${message}`
    ),
    ...results.flatMap((result) => result.result === "failed" ? [result.error.message] : []),
  ];
}

function isSettled(plan: Plan, results: readonly ChangeResult[]): boolean {
  return plan.gateways.every(({ phase }) => phase !== "Preparing") &&
    results.every(({ result }) => result === "written");
}
