/** Properties of every cluster. A failure prints its seed; run again with `fc.assert(..., { seed })`. */
import fc from "fast-check";
import type { Snapshot } from "../../src/core/types.ts";
import { anySnapshot } from "./arbitrary_snapshot.ts";

/** A property of every cluster, tried on so many. */
export function holds(
  name: string,
  check: (snapshot: Snapshot) => void,
  { runs = 300 }: { readonly runs?: number } = {},
): void {
  Deno.test(name, () => {
    fc.assert(fc.property(anySnapshot, check), {
      numRuns: runs,
      // Far more than it takes; a busy machine that gets through fewer, or one, is no failure.
      interruptAfterTimeLimit: 3_000,
      markInterruptAsFailure: false,
    });
  });
}
