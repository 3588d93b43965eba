/** Clocks of API servers are set, while nothing else happens or while the holder dies. */
import assert from "node:assert/strict";
import { CONTROLLER, holding } from "./scene.ts";
import type { ControllerOptions } from "./controller_process.ts";
import type { World } from "./world.ts";

const SEEDS = Number(Deno.env.get("CLOCKS") ?? 4);

/** Controllers that remember, and ones that are started for each tick. */
const KINDS = [
  ["resident controllers", [{ ...CONTROLLER }, { ...CONTROLLER, name: "other" }]],
  ["controllers that watch", [
    { ...CONTROLLER, watches: true },
    { ...CONTROLLER, name: "other", watches: true },
  ]],
  ["controllers without memory", [
    { ...CONTROLLER, resident: false },
    { ...CONTROLLER, name: "other", resident: false },
  ]],
] as const;

/**
 * A world whose agents renew their Leases at different moments: when a clock is set, one has been heard since, and another
 * not yet.
 */
async function outOfStep(seed: number, controllers: readonly ControllerOptions[]): Promise<World> {
  for (let attempt = 0;; attempt++) {
    const world = await holding({ seed: seed + 1_000 * attempt, controllers });
    for (const node of ["b", "c"]) {
      world.agents.get(node)?.process.freeze();
      await world.time.pass(world.time.between(900, 1_400));
      world.agents.get(node)?.process.thaw();
    }
    await world.pass(6);
    if (world.speakers().join() === "a") return world;
  }
}

for (const [who, controllers] of KINDS) {
  Deno.test(
    "a clock that is set moves no gateway and makes no two speakers, with " + who,
    async () => {
      for (const step of [2, 4, 5, 10, 60, 3_600, -3, -10, -3_600]) {
        for (let seed = 0; seed < SEEDS; seed++) {
          const world = await outOfStep(seed, controllers);
          const before = world.gateway()?.status.term;
          await world.time.pass(world.time.between(0, 1_000));
          world.server.stepClock(step * 1_000);
          for (let moment = 0; moment < 600; moment++) {
            await world.time.pass(10);
            assert.ok(world.speakers().length <= 1, `step ${step} s, seed ${seed}: two speak`);
          }
          const { activeNodeName, term } = world.gateway()?.status ?? {};
          assert.deepEqual([activeNodeName, term], ["a", before], `step ${step} s, seed ${seed}`);
        }
      }
    },
  );

  Deno.test(
    "two API servers whose clocks differ move no gateway while its holder lives, with " + who,
    async () => {
      for (const step of [-3_600, -10, 10, 3_600]) {
        for (let seed = 0; seed < SEEDS; seed++) {
          const world = await holding({ seed, controllers, servers: 2 });
          const before = world.gateway()?.status.term;
          world.server.stepClock(step * 1_000, 0);
          await world.pass(20);
          const { activeNodeName, term } = world.gateway()?.status ?? {};
          assert.deepEqual([activeNodeName, term], ["a", before], `step ${step} s, seed ${seed}`);
          world.setPower("a", false);
          const took = await world.until(() => world.speakers().join() === "b", 60);
          assert.ok(took <= 12_000, `step ${step} s, seed ${seed}: ${took} ms`);
          const followed = world.gateway()?.status.term;
          await world.pass(20);
          assert.equal(world.gateway()?.status.term, followed, `step ${step} s, seed ${seed}`);
        }
      }
    },
  );

  Deno.test(
    "a holder that dies as the clock is set back is followed within 12 s, with " + who,
    async () => {
      for (const step of [-3, -30, -120]) {
        for (let seed = 0; seed < SEEDS; seed++) {
          const world = await holding({ seed, controllers });
          await world.time.pass(world.time.between(0, 900));
          world.server.stepClock(step * 1_000);
          world.setPower("a", false);
          const took = await world.until(() => world.speakers().join() === "b", 60);
          assert.ok(took <= 12_000, `step ${step} s, seed ${seed}: ${took} ms`);
        }
      }
    },
  );
}
