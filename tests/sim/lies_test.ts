/** Whoever has the token of one node's agent: what he writes to its Lease harms that node's own candidacy, and nothing else. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Liar, lies } from "./liar.ts";
import type { Lies } from "./liar.ts";
import { CONTROLLER, holding } from "./scene.ts";
import { VIP } from "./world.ts";

/** How many random liars are tried: `LIARS=1000 npm test -- tests/sim/lies_test.ts`. */
const LIARS = Number(Deno.env.get("LIARS") ?? 60);

/** Death to speech, whatever is said: 4 s and 1 s for the grain of a heartbeat that no standby's pings speed up, and a tick. */
const MOST_MILLISECONDS = 6_000;

interface Case {
  readonly told: Omit<Lies, "node">;
  /** The liar's node is a standby, or no candidate at all; its agent goes on beside him, or is gone. */
  readonly isCandidate: boolean;
  readonly isAlone: boolean;
  readonly delay: number;
}

const someCase: fc.Arbitrary<Case> = fc.record({
  told: lies,
  isCandidate: fc.boolean(),
  isAlone: fc.boolean(),
  delay: fc.integer({ min: 0, max: 1_000 }),
});

/** How long nobody speaks when a, the holder, loses its power while c lies. Milliseconds. */
async function silenceBeside({ told, isCandidate, isAlone, delay }: Case, seed: number) {
  const world = await holding({ seed, controllers: [CONTROLLER] });
  if (!isCandidate) {
    world.setMember("c", false);
    await world.pass(2);
  }
  if (isAlone) world.killAgent("c");
  new Liar({ ...told, node: "c" }, world);
  await world.pass(4);
  await world.time.pass(delay);
  assert.deepEqual(world.speakers().filter((name) => name !== "c"), ["a"], "the holder was moved");
  world.setPower("a", false);
  return await world.until(() => world.speakers(VIP).includes("b"), 60);
}

Deno.test("a dead holder is followed within 6 s, whatever one agent's token says", async () => {
  const seed = Number(Deno.env.get("LIARS_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  const cases = fc.sample(someCase, { seed, numRuns: LIARS });
  let longest = 0;
  for (const [index, each] of cases.entries()) {
    const about = `seed ${seed}, liar ${index}: ${JSON.stringify(each)}`;
    const took = await silenceBeside(each, index).catch((error: Error) => {
      throw new Error(`${about}: ${error.message.slice(0, 3_000)}`);
    });
    assert.ok(took <= MOST_MILLISECONDS, `${about}: ${took} ms`);
    longest = Math.max(longest, took);
  }
  const line = `${cases.length} liars, seed ${seed}: followed after ${longest} ms at most\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
});
