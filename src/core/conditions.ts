import { rfc3339 } from "./time.ts";
import type { Condition, Milliseconds } from "./types.ts";

/** A condition before it is known whether it is a transition. */
export interface Finding {
  readonly type: string;
  readonly status: Condition["status"];
  readonly reason: string;
  readonly message: string;
}

/** Turns findings into conditions; the transition time moves only when the status really changed. */
export function conditionsFrom(
  findings: readonly Finding[],
  context: {
    readonly stored: readonly Condition[] | undefined;
    readonly generation: number;
    readonly now: Milliseconds;
  },
): readonly Condition[] {
  return findings.map((finding): Condition => {
    const last = context.stored?.find(({ type }) => type === finding.type);
    return {
      ...finding,
      lastTransitionTime: last?.status === finding.status
        ? last.lastTransitionTime
        : rfc3339(context.now),
      observedGeneration: context.generation,
    };
  });
}

/**
 * The condition `Stalled` of kstatus, which tools that wait take for a failure: the object is not ready, and stays so until
 * somebody changes what was written. There only where it is true, as kstatus has it. What may come by itself (a node, a
 * gateway of the same rollout) is none of these reasons.
 */
export function stalled(ready: Finding, reasons: ReadonlySet<string>): readonly Finding[] {
  if (ready.status !== "False" || !reasons.has(ready.reason)) return [];
  return [{ ...ready, type: "Stalled", status: "True" }];
}
