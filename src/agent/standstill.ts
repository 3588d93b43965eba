/**
 * Notices that this machine stood still with its monotonic clock, as a virtual machine does that is paused: another clock
 * went on meanwhile. The kernel counts permissions by the clock that stood.
 */

import { TIMINGS } from "../core/timings.ts";
import type { Hands, Reading } from "./hands.ts";

/** Clocks are set by so much, and read so much apart, though nothing stood still. */
const TOLERANCE_MILLISECONDS = 500;

export class Standstill {
  #last: { readonly at: number; readonly readings: readonly Reading[] } | undefined;

  /**
   * Tells whether some clock has gone on for longer than the monotonic one since the last call.
   *
   * @param began and `ended`: the monotonic clock before and after the others were read
   */
  noticed(
    readings: readonly Reading[],
    { began, ended }: { began: number; ended: number },
  ): boolean {
    const last = this.#last;
    this.#last = { at: began, readings };
    if (last === undefined) return false;
    return readings.some(({ name, milliseconds, grainMilliseconds }) => {
      const before = last.readings.find((reading) => reading.name === name);
      return before !== undefined &&
        milliseconds - before.milliseconds - (ended - last.at) >
          TOLERANCE_MILLISECONDS + grainMilliseconds;
    });
  }
}

/** Compares the clocks while it is needed. A machine that stood still has a successor by now, and its kernel does not know. */
export async function watchClocks(
  { hands, now, isNeeded, onStandstill, signal }: {
    readonly hands: Pick<Hands, "clocks">;
    /** Milliseconds of the node's monotonic clock. */
    readonly now: () => number;
    readonly isNeeded: () => boolean;
    readonly onStandstill: () => Promise<void>;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const standstill = new Standstill();
  while (hands.clocks !== undefined && !signal.aborted) {
    // A node that is silent has nothing to take back, and need not be woken so often.
    const pause = isNeeded() ? TIMINGS.clocksMilliseconds : TIMINGS.renewalMilliseconds;
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (!isNeeded()) continue;
    const began = now();
    const readings = await hands.clocks();
    if (standstill.noticed(readings, { began, ended: now() })) await onStandstill();
  }
}
