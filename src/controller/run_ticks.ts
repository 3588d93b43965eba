/** Ticks for a limited time: one shot, or a CronJob's minute. */
import { LeaseWitness } from "../cluster/lease_witness.ts";
import type { KubeClient } from "../kube/client.ts";
import { asError } from "../core/message.ts";
import { sleep } from "../kube/deadline.ts";
import { tick } from "./tick.ts";
import type { TickOptions, TickResult } from "./tick.ts";

export interface RunOptions extends TickOptions {
  /** How long to go on; 0: until the cluster is settled. Milliseconds. */
  readonly forMilliseconds: number;
  /** From the start of one tick to the start of the next. Milliseconds. */
  readonly everyMilliseconds: number;
  readonly onTick: (result: TickResult) => void;
  /** A tick that threw; the next one is tried where time is left. */
  readonly onError: (error: Error, durationMilliseconds: number) => void;
}

/** A move takes two ticks when the node that hands over is alive; then the next tick comes this soon. */
const UNSETTLED_MILLISECONDS = 100;

/** One shot does not wait longer than this for a move to end: 5 s for binding, 7 s for a node that does not yield. */
const SETTLE_MILLISECONDS = 15_000;

/**
 * Runs ticks, until the signal aborts at the latest: what is under way is then broken off.
 *
 * @returns true when every tick succeeded that was not broken off
 */
export async function runTicks(client: KubeClient, options: RunOptions): Promise<boolean> {
  const { forMilliseconds, everyMilliseconds, onTick, onError, signal, dryRun } = options;
  const started = performance.now();
  const passed = (): number => performance.now() - started;
  // What one tick saw of a Lease, the next one knows.
  const memory = { witness: new LeaseWitness(), ...options };
  let succeeded = true;
  while (true) {
    const begun = passed();
    let settled = true;
    let failed = false;
    try {
      const result = await tick(client, memory);
      onTick(result);
      settled = result.settled || dryRun === true;
      succeeded &&= result.problems.length === 0;
      // Objects that cannot be read are a problem too, but none that a move under way has to wait for.
      failed = result.results.some((each) => each.result === "failed");
    } catch (error) {
      if (signal?.aborted) return succeeded;
      onError(asError(error), passed() - begun);
      succeeded = false;
    }
    const next = settled ? begun + everyMilliseconds : passed() + UNSETTLED_MILLISECONDS;
    const end = settled || failed
      ? forMilliseconds
      : Math.max(forMilliseconds, SETTLE_MILLISECONDS);
    if (next >= end) return succeeded;
    await sleep(Math.max(0, next - passed()), signal).catch(() => {});
    if (signal?.aborted) return succeeded;
  }
}

/**
 * Ticks until the cluster is settled, which takes one tick, or as long as a move.
 *
 * @returns false when a write or a tick failed, or when the move took too long or was broken off
 */
export async function settle(
  client: KubeClient,
  options: Omit<RunOptions, "forMilliseconds" | "everyMilliseconds">,
): Promise<boolean> {
  let settled = false;
  await runTicks(client, {
    ...options,
    forMilliseconds: 0,
    everyMilliseconds: 0,
    onTick: (result) => {
      settled = result.settled;
      options.onTick(result);
    },
    onError: (error, durationMilliseconds) => {
      settled = false;
      options.onError(error, durationMilliseconds);
    },
  });
  return settled;
}
