/** A controller that is told to tick on triggers alone. */
import assert from "node:assert/strict";
import { World } from "./world.ts";

Deno.test("on triggers alone a cordoned holder stays, for an hour, until a trigger comes", async () => {
  const world = new World();
  await world.pass(2);
  world.startController({ name: "controller", everyMilliseconds: Infinity });
  const [controller] = world.controllers;
  const holder = () => world.gateway()?.status.activeNodeName;
  for (let second = 0; second < 10 && world.speakers().length === 0; second++) {
    controller?.trigger();
    await world.pass(1);
  }
  await world.pass(10);
  const before = holder();
  const ticks = controller?.ticks;
  // Neither time nor news of a node or of an agent is a trigger.
  world.cordon(before ?? "", true);
  world.killAgent("c");
  await world.pass(3_600);
  assert.deepEqual([holder(), controller?.ticks], [before, ticks]);
  controller?.trigger();
  await world.until(() => holder() !== before && world.speakers().join() === holder(), 10);
});
