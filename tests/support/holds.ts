/** Properties of every cluster. A failure prints its seed; run again with `fc.assert(..., { seed })`. */
import type { Snapshot } from "../../src/core/types.ts";
import { anySnapshot } from "./arbitrary_snapshot.ts";
import { property } from "./property.ts";
import type { PropertyOptions } from "./property.ts";

/** A property of every cluster; `check` returns how many cases the cluster had for it, or nothing for one. */
export function holds(
  name: string,
  check: (snapshot: Snapshot) => number | void,
  options: PropertyOptions<Snapshot> = {},
): void {
  property(name, anySnapshot, check, options);
}
