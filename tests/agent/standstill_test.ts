/** A machine that stood still is told by any clock that went on, and by nothing else. */
import assert from "node:assert/strict";
import { Standstill } from "../../src/agent/standstill.ts";
import type { Reading } from "../../src/agent/hands.ts";

const clock = (milliseconds: number, grainMilliseconds = 1): Reading => ({
  name: "wall",
  milliseconds,
  grainMilliseconds,
});

/** Time by the monotonic clock, time by the other clock, its grain, and whether that is a standstill. */
const ROWS: readonly (readonly [
  what: string,
  monotonic: number,
  other: number,
  grain: number,
  expected: boolean,
])[] = [
  ["both went on", 250, 250, 1, false],
  ["the process alone was stopped", 60_000, 60_000, 1, false],
  ["the machine was paused", 250, 6_250, 1, true],
  ["the clock was set a little", 250, 700, 1, false],
  ["the clock was set back", 250, -3_600_000, 1, false],
  ["a clock of whole seconds told the next one", 250, 1_000, 1_000, false],
  ["a clock of whole seconds went on", 250, 3_000, 1_000, true],
];

for (const [what, monotonic, other, grain, expected] of ROWS) {
  Deno.test(`a standstill is ${expected ? "" : "not "}noticed when ${what}`, () => {
    const standstill = new Standstill();
    const zero = { began: 5_000, ended: 5_002 };
    assert.equal(standstill.noticed([clock(90_000, grain)], zero), false, "nothing to compare");
    const then = { began: 5_000 + monotonic, ended: 5_002 + monotonic };
    assert.equal(standstill.noticed([clock(90_000 + other, grain)], then), expected);
    assert.equal(standstill.noticed([clock(90_000 + other, grain)], then), false, "told once");
  });
}

Deno.test("a clock that takes long to read, or comes and goes, is no standstill", () => {
  const standstill = new Standstill();
  standstill.noticed([clock(0)], { began: 0, ended: 1 });
  assert.equal(standstill.noticed([clock(9_000)], { began: 250, ended: 9_000 }), false);
  assert.equal(standstill.noticed([], { began: 9_250, ended: 9_251 }), false);
  assert.equal(standstill.noticed([clock(90_000)], { began: 9_500, ended: 9_501 }), false);
});
