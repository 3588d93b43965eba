/** Rare troubles in the simulated world of `sim_takeover_test.ts`; most were found by `sim_schedules_test.ts`. */
import assert from "node:assert/strict";
import { assertHeld, CONTROLLER, holding, said } from "./scene.ts";
import { OTHER_VIP, VIP, World } from "./world.ts";

Deno.test("a gateway that is deleted and made anew begins with term 1, on another node after the old one is silent", async () => {
  const world = await holding();
  world.deleteGateway();
  world.makeGateway("gw", { vip: VIP, pin: "c" });
  await world.pass(12);
  assertHeld(world, "c");
  assert.equal(world.gateway()?.status.term, 1);
});

Deno.test("a node that hears late that it was elected does not speak for a gateway that was made anew meanwhile", async () => {
  for (let lag = 2_000; lag <= 4_000; lag += 250) {
    const world = await holding({ nodes: ["a", "b", "c", "d"] });
    world.machine("b").link.watchLag = lag;
    world.cordon("a", true);
    await world.until(() => world.gateway()?.status.phase === "Preparing");
    await world.until(() => world.gateway()?.status.phase === "Active", 10);
    world.deleteGateway();
    world.makeGateway("gw", { vip: VIP, pin: "c" });
    await world.until(() => world.speakers().length > 0);
    await world.pass(10);
    assertHeld(world, "c");
  }
});

Deno.test("a holder that does not hear that its gateway was made anew is fenced in the old one's name", async () => {
  const world = await holding();
  world.deafen("a");
  world.deleteGateway();
  world.makeGateway("gw", { vip: VIP, pin: "b" });
  await world.pass(20);
  assertHeld(world, "b");
});

Deno.test("a holder that does not hear that its VIP went to another gateway is fenced in the old one's name", async () => {
  const world = await holding();
  world.deafen("a");
  world.setVIP(OTHER_VIP);
  world.makeGateway("new", { vip: VIP, pin: "c" });
  await world.pass(30);
  assert.deepEqual(world.invariants.violations, [], world.lines.join("\n"));
  assert.deepEqual(world.speakers(), ["c"]);
  assert.equal(world.speakers(OTHER_VIP).length, 1);
});

Deno.test("a node that cannot bind the VIP is passed over after 5 s at the latest", async () => {
  const world = new World({ controllers: [CONTROLLER] });
  world.machine("a").cannotBind = true;
  await world.until(() => world.speakers().join() === "b", 8);
  await world.pass(5);
  assertHeld(world, "b");
  const reasons = world.gateway()?.status.candidates?.find(({ node }) => node === "a")?.reasons;
  assert.equal(reasons?.[0]?.type, "BindFailed");
});

Deno.test("a VIP that no node can bind is not handed round and round", async () => {
  const world = new World({ controllers: [CONTROLLER] });
  for (const name of ["a", "b", "c"]) world.machine(name).cannotBind = true;
  await world.pass(40);
  assert.ok((world.gateway()?.status.term ?? 0) <= 3, "each node is tried once");
});

Deno.test("another VIP in spec is a term of its own: the old one serves until the new one is bound", async () => {
  const world = await holding();
  const begin = world.time.now;
  world.setVIP(OTHER_VIP);
  await world.until(() => world.speakers(OTHER_VIP).length > 0);
  assert.deepEqual(said(world, begin, /^gw term|a: Muted|speaks/), [
    "gw term 2 Preparing a",
    `a: Muted ${VIP}`,
    "gw term 2 Active",
    `a speaks for ${OTHER_VIP}`,
  ]);
  await world.pass(5);
  assertHeld(world, "a", OTHER_VIP);
  assert.deepEqual([world.bound(), world.bound(OTHER_VIP)], [[], ["a", "b", "c"]]);
});

Deno.test("a node that is stopped while it begins to speak says nothing of that when it goes on", async () => {
  for (let delay = 0; delay < 90; delay += 9) {
    const world = await holding({ seed: delay });
    world.pin("b");
    await world.until(() => {
      const { term, phase } = world.gateway()?.status ?? {};
      return term === 2 && phase === "Active";
    });
    await world.time.pass(delay);
    world.agents.get("b")?.process.freeze();
    world.pin(null);
    await world.pass(9);
    world.agents.get("b")?.process.thaw();
    await world.pass(2);
    assert.deepEqual(world.invariants.violations, [], `stopped after ${delay} ms`);
    assert.equal(world.agents.get("b")?.ended, false, `stopped after ${delay} ms`);
  }
});

Deno.test("an agent that dies between binding the VIP and noting that answers for it in no later life", async () => {
  let between = 0;
  // It has looked on the wire for 400 ms by then.
  for (let delay = 410; delay < 460; delay += 2) {
    const world = new World({ seed: delay, controllers: [CONTROLLER] });
    await world.until(() => world.gateway()?.status.phase === "Preparing");
    await world.time.pass(delay);
    const { bound, memory } = world.machine("a");
    if (bound.length > memory.length) between++;
    world.killAgent("a");
    await world.until(() => world.speakers().join() === "b");
    world.startAgent("a");
    await world.pass(3);
    assertHeld(world, "b");
  }
  assert.ok(between > 0, "it never died in between, so that nothing was tried");
});

Deno.test("an agent that is started anew while its node loses the role is silent before the new holder speaks", async () => {
  for (let delay = 0; delay < 600; delay += 40) {
    const world = await holding({ controllers: [{ ...CONTROLLER, everyMilliseconds: 100 }] });
    world.agents.get("a")?.process.kill();
    world.startAgent("a");
    await world.time.pass(delay);
    world.pin("b");
    await world.pass(4);
    assertHeld(world, "b");
  }
});

Deno.test("a gateway that is made anew while its holder does not look keeps the address where it is", async () => {
  const world = await holding();
  world.deafen("a");
  world.deleteGateway();
  world.makeGateway("gw", { vip: VIP, pin: "a" });
  await world.until(() => world.gateway()?.status.activeNodeName === "a");
  world.breakWatches("a");
  for (let step = 0; step < 800; step++) {
    await world.time.pass(5);
    assert.ok(world.bound().includes("a"), world.lines.join("\n"));
  }
  await world.pass(5);
  assertHeld(world, "a");
});

Deno.test("a standby whose watch hangs is told by its heartbeat that it is the holder", async () => {
  const world = await holding();
  world.deafen("b");
  const begin = world.time.now;
  world.setPower("a", false);
  await world.until(() => world.speakers().join() === "b");
  assert.ok(world.time.now - begin < 7_000, `${world.time.now - begin} ms`);
  await world.pass(5);
  assertHeld(world, "b");
});

Deno.test("a holder that hears late that nobody holds the gateway any more speaks beside no successor", async () => {
  const world = new World({
    controllers: [{ ...CONTROLLER, everyMilliseconds: 300 }],
    gateways: { gw: { vip: VIP, whenNoneEligible: "Drop" } },
  });
  await world.until(() => world.gateway()?.status.phase === "Preparing");
  world.machine("a").link.watchLag = 1_500;
  await world.until(() => world.gateway()?.status.phase === "Active");
  for (const node of ["a", "b", "c"]) world.cordon(node, true);
  await world.until(() => world.gateway()?.status.phase === "Idle");
  world.cordon("b", false);
  await world.pass(10);
  assertHeld(world, "b");
});

/** Node a speaks and hears of nothing more, while its silent report as a standby is held up on its way. */
async function speakWithReportHeldUp(world: World) {
  const { link } = world.machine("a");
  world.pin("b");
  await world.until(() => world.speakers().join() === "b");
  await world.pass(2);
  link.holdWrite();
  await world.pass(2);
  world.pin("a");
  await world.until(() => world.speakers().join() === "a");
  await world.pass(2);
  world.deafen("a");
  return link;
}

Deno.test("a renewal that was overtaken by a later one does not pass for silence", async () => {
  const world = await holding({ controllers: [{ ...CONTROLLER, everyMilliseconds: 300 }] });
  const link = await speakWithReportHeldUp(world);
  world.pin("c");
  await world.until(() => world.gateway()?.status.term === 4);
  // It arrives now that a speaks, and a does not hear that c is to follow.
  link.release();
  await world.pass(15);
  assertHeld(world, "c");
});

Deno.test("a node that holds a gateway in primary-IP mode speaks for no VIP before a term has begun with it", async () => {
  const world = await holding({
    gateways: { gw: { vip: VIP }, other: { vip: OTHER_VIP, pin: "b" } },
  });
  world.setPrimaryIP("other");
  await world.until(() => world.gateway("other")?.status.egressIP === undefined);
  await world.pass(2);
  // By mistake, the VIP that a speaks for.
  world.setVIP(VIP, "other");
  await world.pass(5);
  assertHeld(world, "a");
  world.setVIP(OTHER_VIP, "other");
  await world.pass(5);
  assertHeld(world, "a");
  assert.deepEqual(world.speakers(OTHER_VIP), ["b"]);
});

Deno.test("a node whose claim was hidden while its gateway was made anew does not go on beside the new holder", async () => {
  let hidden = 0;
  for (let delay = 20; delay < 1_500; delay += 40) {
    const world = await holding({
      seed: delay,
      controllers: [{ ...CONTROLLER, everyMilliseconds: 100 }],
    });
    // The report arrives while its successor is sought in another name.
    const link = await speakWithReportHeldUp(world);
    world.deleteGateway();
    world.makeGateway("gw", { vip: VIP, pin: "c" });
    await world.time.pass(delay);
    link.release();
    await world.until(() => world.speakers().includes("c"), 15);
    if (world.speakers().includes("a")) hidden++;
    await world.until(() => world.speakers().join() === "c", 4);
    await world.pass(3);
    assert.deepEqual(world.speakers(), ["c"]);
  }
  assert.ok(hidden > 0, "the claim was never hidden, so that nothing was tried");
});

Deno.test("when the API server comes back, no gateway moves because its holder is heard last", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const world = await holding({ seed });
    world.setServer(false);
    await world.pass(8 + (seed % 10) / 10);
    world.setServer(true);
    await world.pass(6);
    assertHeld(world, "a");
    assert.equal(world.gateway()?.status.term, 1, `seed ${seed}`);
  }
});

Deno.test("a holder that dies while the API server is away is replaced when that is back", async () => {
  const world = await holding();
  world.setServer(false);
  await world.pass(5);
  world.setPower("a", false);
  await world.pass(3);
  world.setServer(true);
  const took = await world.until(() => world.speakers().join() === "b");
  assert.ok(took < 6_000, `${took} ms`);
  await world.pass(5);
  assertHeld(world, "b");
});
