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
