/** Hosts that are none of the cluster's and answer for a VIP, in the simulated world. */
import assert from "node:assert/strict";
import { assertHeld, CONTROLLER, holding, silence } from "./scene.ts";
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
  await world.until(() => world.speakers().length === 1, 75);
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

Deno.test("a holder whose VIP another host answers for stays, defends it, and says so", async () => {
  for (let seed = 0; seed < 3; seed++) {
    const world = await holding({ seed });
    world.setForeigner(VIP, STRANGER);
    const { term } = world.gateway()?.status ?? {};
    const before = world.agents.get("a")?.announcements ?? 0;
    assert.equal(await silence(world, 60), 0, `seed ${seed}`);
    const gateway = world.gateway();
    assert.equal(gateway?.status.term, term, `seed ${seed}`);
    const conflict = gateway?.status.conditions?.find(({ type }) => type === "AddressConflict");
    assert.equal(conflict?.status, "True");
    const announced = (world.agents.get("a")?.announcements ?? 0) - before;
    assert.ok(announced >= 6 && announced <= 10, `${announced} announcements in 60 s`);
    // After a minute nobody remembers it any more.
    world.setForeigner(VIP, null);
    await world.pass(75);
    assertHeld(world, "a");
    assert.equal(world.gateway()?.status.candidates?.every(({ eligible }) => eligible), true);
  }
});

Deno.test("a standby that has seen another host answer is not elected for a minute", async () => {
  const world = await holding();
  world.setForeigner(VIP, STRANGER);
  await world.pass(15);
  world.setForeigner(VIP, null);
  await world.pass(15);
  const candidate = world.gateway()?.status.candidates?.find(({ node }) => node === "b");
  assert.deepEqual([candidate?.eligible, candidate?.reasons[0]?.type], [false, "AddressConflict"]);
});

Deno.test("a holder that is cut off goes on beside a stranger that it knows, and yields to a successor", async () => {
  for (let seed = 0; seed < 3; seed++) {
    const world = await holding({ seed });
    world.setForeigner(VIP, STRANGER);
    await world.pass(25);
    world.setServer(false);
    assert.equal(await silence(world, 30), 0, `seed ${seed}`);
    world.setServer(true);
    await world.pass(5);
    assert.deepEqual(world.speakers(), ["a"], `seed ${seed}`);
    // The stranger leaves the standbys free to take over, and comes back before the holder has looked.
    world.setForeigner(VIP, null);
    await world.pass(75);
    world.setForeigner(VIP, STRANGER);
    await world.pass(22);
    world.machine("a").link.cut({ requests: true, answers: true });
    world.setForeigner(VIP, null);
    await world.until(() => world.speakers().join() !== "a", 90);
    world.setForeigner(VIP, STRANGER);
    await world.until(() => world.speakers().length === 1 && !world.speakers().includes("a"), 4);
    assert.deepEqual(world.invariants.violations, [], world.lines.join("\n"));
  }
});

Deno.test("a holder that is cut off lets go when a host answers that it does not know", async () => {
  const world = await holding();
  world.setServer(false);
  await world.pass(5);
  world.setForeigner(VIP, STRANGER);
  await world.until(() => world.speakers().length === 0, 4);
});
