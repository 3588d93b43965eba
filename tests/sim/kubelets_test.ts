/** Kubelets that say odd things of their nodes keep nobody from serving, and nobody from taking over. */
import assert from "node:assert/strict";
import { ODD_ADDRESSES } from "./hostile.ts";
import { CONTROLLER, holding } from "./scene.ts";
import type { World } from "./world.ts";

/** The longest takeover, whatever anybody says. */
const TAKEOVER_MILLISECONDS = 6_000;

/** A world in which a holds the VIP, b and c stand by, and d is no candidate. */
async function withStranger(): Promise<World> {
  const world = await holding({ nodes: ["a", "b", "c", "d"], controllers: [CONTROLLER] });
  world.setMember("d", false);
  await world.pass(1);
  return world;
}

async function assertTakenOver(world: World): Promise<void> {
  const took = await world.until(() => world.speakers().join() === "b", 60);
  assert.ok(took <= TAKEOVER_MILLISECONDS, `took ${took} ms`);
  await world.pass(2);
  assert.deepEqual(world.invariants.violations, [], world.lines.slice(-80).join("\n"));
  assert.equal(world.invariants.moves, 1, "b keeps it");
}

for (const which of Object.keys(ODD_ADDRESSES) as (keyof typeof ODD_ADDRESSES)[]) {
  Deno.test(`a kubelet whose addresses are odd (${which}) keeps nobody from serving or from taking over`, async () => {
    for (const node of ["a", "b", "c", "d"]) {
      const world = await withStranger();
      world.setAddresses(node, ODD_ADDRESSES[which]);
      await world.pass(2);
      assert.deepEqual(world.speakers(), ["a"], `${node} says it, and a serves undisturbed`);
      world.setPower("a", false);
      await assertTakenOver(world);
    }
  });
}

Deno.test("a kubelet that says at length why its node is not ready keeps nobody from taking over", async () => {
  for (const node of ["a", "c", "d"]) {
    const world = await withStranger();
    world.setReady(node, "False", "x".repeat(4_200));
    if (node !== "a") {
      await world.pass(2);
      world.setPower("a", false);
    }
    await assertTakenOver(world);
  }
});
