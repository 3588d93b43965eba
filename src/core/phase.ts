import type { Handover } from "./takeover.ts";
import type { Phase } from "./types.ts";

/** The phase that a tick writes first, and the one that it leaves a gateway in once the rest is written. */
export interface Phases {
  readonly first: Phase;
  readonly last: Phase;
}

/**
 * Decides the phase; the table is in the comment of `Phase`.
 *
 * @param handover what is left of handing the VIP over; undefined: nothing, in primary-IP mode or once it is Active
 */
export function phasesOf(
  { holder, handover }: {
    readonly holder: string | undefined;
    readonly handover: Handover["state"] | undefined;
  },
): Phases {
  if (holder === undefined) return { first: "Idle", last: "Idle" };
  if (handover === undefined) return { first: "Active", last: "Active" };
  return { first: "Preparing", last: handover === "ready" ? "Active" : "Preparing" };
}
