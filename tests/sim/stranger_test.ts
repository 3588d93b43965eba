/** Hosts that are none of the cluster's and answer for a VIP, in the simulated world. */
import assert from "node:assert/strict";
import { assertHeld, CONTROLLER, holding } from "./scene.ts";
import { OTHER_VIP, VIP, World } from "./world.ts";

const STRANGER = "02:00:00:00:00:99";

const saidOf = (vip: string) => new RegExp(`Another host \\(${STRANGER}\\) answers for ${vip}`);

Deno.test("a VIP that another host answers for is bound nowhere, and served once that host has left", async () => {
  const world = new World();
  world.setForeigner(VIP, STRANGER);
  world.startController(CONTROLLER);
  for (let step = 0; step < 200; step++) {
    await world.time.pass(100);
    assert.deepEqual(world.bound(), [], world.lines.join("\n"));
  }
  const { conditions = [] } = world.gateway()?.status ?? {};
  assert.match(
    conditions.find(({ type }) => type === "AddressConflict")?.message ?? "",
    saidOf(VIP),
  );
  world.setForeigner(VIP, null);
  await world.until(() => world.speakers().length === 1, 12);
  await world.pass(5);
  assertHeld(world, world.speakers()[0] ?? "");
});

Deno.test("a VIP that is changed to another host's address is bound nowhere either", async () => {
  const world = await holding();
  world.setForeigner(OTHER_VIP, STRANGER);
  world.setVIP(OTHER_VIP);
  await world.pass(20);
  assert.deepEqual(world.bound(OTHER_VIP), []);
  const { conditions = [] } = world.gateway()?.status ?? {};
  assert.match(
    conditions.find(({ type }) => type === "AddressConflict")?.message ?? "",
    saidOf(OTHER_VIP),
  );
});
