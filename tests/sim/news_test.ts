/** How soon a resident controller of the simulated world begins a move when it is told that a node is to be left. */
import assert from "node:assert/strict";
import { assertHeld, CONTROLLER, holding } from "./scene.ts";
import type { World } from "./world.ts";

/** From what a person did to the first write of the move, over a network of which each way takes 1 to 10 ms. */
const BEGIN_MILLISECONDS = 100;

const NEWS: readonly { readonly what: string; readonly act: (world: World) => void }[] = [
  { what: "a pin", act: (world) => world.pin("b") },
  { what: "a cordon", act: (world) => world.cordon("a", true) },
  { what: "a label that is taken away", act: (world) => world.setMember("a", false) },
  { what: "a Node that is deleted", act: (world) => world.removeNode("a") },
];

for (const { what, act } of NEWS) {
  Deno.test(`${what} begins a move within ${BEGIN_MILLISECONDS} ms, and nobody is without an answer`, async () => {
    for (let delay = 0; delay < 1_000; delay += 90) {
      const world = await holding({
        controllers: [{ ...CONTROLLER, resident: true, watches: true }],
      });
      for (const { link } of [...world.controllers, ...world.machines]) link.delay = [1, 10];
      await world.time.pass(delay);
      act(world);
      const took = await world.until(() => world.gateway()?.status.term === 2);
      assert.ok(took <= BEGIN_MILLISECONDS, `${took} ms\n${world.lines.join("\n")}`);
      await world.pass(3);
      assertHeld(world, "b");
    }
  });
}
