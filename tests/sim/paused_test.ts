/** Virtual machines that are paused while they hold a gateway, and go on beside their successor. */
import assert from "node:assert/strict";
import { holding } from "./scene.ts";
import type { World } from "./world.ts";

/** Milliseconds for which both answered, once a's machine goes on. */
async function overlap(
  seed: number,
  { hardwareClock, delay }: { hardwareClock: boolean; delay: number },
): Promise<{ readonly both: number; readonly announced: number; readonly world: World }> {
  const world = await holding({ seed });
  const machine = world.machine("a");
  machine.hardwareClock = hardwareClock;
  await world.time.pass(1_000 + world.time.between(0, 1_000));
  world.deafen("a");
  world.pauseMachine("a");
  await world.pass(8);
  assert.deepEqual(world.speakers().includes("a"), false);
  machine.link.delay = [delay / 2, delay];
  const successor = world.agents.get(world.speakers()[0] ?? "");
  const before = successor?.announcements ?? 0;
  world.resumeMachine("a");
  let both = 0;
  for (let step = 0; step < 600; step++) {
    await world.time.pass(5);
    if (world.speakers().length > 1) both += 5;
  }
  return { both, announced: (successor?.announcements ?? 0) - before, world };
}

for (const delay of [20, 700]) {
  Deno.test(`a holder that was paused notices by a clock that went on, an API server ${delay} ms away`, async () => {
    for (let seed = 0; seed < 5; seed++) {
      const { both } = await overlap(seed, { hardwareClock: true, delay });
      assert.ok(both <= 300, `both answered for ${both} ms, seed ${seed}`);
    }
  });

  Deno.test(`a holder that was paused with all its clocks is told by a renewal, an API server ${delay} ms away`, async () => {
    for (let seed = 0; seed < 5; seed++) {
      const { both } = await overlap(seed, { hardwareClock: false, delay });
      assert.ok(both <= 1_100 + 2 * delay, `both answered for ${both} ms, seed ${seed}`);
    }
  });
}

Deno.test("the successor announces the VIP anew once the node that was paused is heard again", async () => {
  // Its first five announcements are over by then.
  const { announced } = await overlap(1, { hardwareClock: true, delay: 20 });
  assert.ok(announced >= 2, `${announced} announcements`);
});

Deno.test("a node whose clock is set forward is silent for no longer than a renewal takes", async () => {
  const world = await holding();
  world.machine("a").hardwareClock = true;
  await world.pass(2);
  world.pauseMachine("a");
  // Too short to be replaced.
  await world.time.pass(1_900);
  world.resumeMachine("a");
  await world.pass(2);
  assert.deepEqual(world.speakers(), ["a"]);
  assert.equal(world.gateway()?.status.term, 1);
});
