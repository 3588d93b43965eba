/** A property that says how many cases it really ran, and fails where they are too few to mean anything. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { say } from "./say.ts";

export interface PropertyOptions<T> {
  /** Worlds to try first: those in which it did not hold once. */
  readonly examples?: readonly T[];
  /** Worlds to try. Default 300. */
  readonly runs?: number;
  /** The fewest cases that must have been looked at. Default: a third of the runs. */
  readonly floor?: number;
}

/** On a busy machine fewer worlds are tried, but no fewer than the floor asks for. */
const MILLISECONDS = 30_000;

/**
 * Tries a property on random worlds.
 *
 * @param check throws where it does not hold; returns how many cases the world had for it, one where it says nothing
 */
export function property<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  check: (world: T) => number | void,
  { examples = [], runs = 300, floor = Math.ceil(runs / 3) }: PropertyOptions<T> = {},
): void {
  Deno.test(name, () => {
    let [worlds, cases] = [0, 0];
    fc.assert(
      fc.property(arbitrary, (world) => {
        cases += check(world) ?? 1;
        worlds++;
      }),
      {
        examples: examples.map((world): [T] => [world]),
        numRuns: runs,
        interruptAfterTimeLimit: MILLISECONDS,
        markInterruptAsFailure: false,
      },
    );
    say(`${name}: ${cases} cases in ${worlds} worlds, at least ${floor}`);
    assert.ok(cases >= floor, `only ${cases} cases in ${worlds} worlds, wanted ${floor}`);
  });
}
