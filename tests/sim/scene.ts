/** What the scenes of `sim_*_test.ts` have in common: how they begin, and what must be so at their end. */
import assert from "node:assert/strict";
import { nodeOf } from "./invariants.ts";
import { VIP, World } from "./world.ts";
import type { WorldOptions } from "./world.ts";

/** A controller as resident ones are. */
export const CONTROLLER = { name: "controller", everyMilliseconds: 1_000 };

/** A world in which a holds the VIP in term 1; b and c stand by. */
export async function holding(options: WorldOptions = {}): Promise<World> {
  const { controllers = [CONTROLLER], ...others } = options;
  const world = new World(others);
  // Who is heard first is chance, and would be elected.
  await world.until(() => world.machines.every(({ name }) => world.lease(name) !== undefined));
  for (const controller of controllers) world.startController(controller);
  await world.until(() => world.speakers().length > 0);
  await world.pass(5);
  assert.deepEqual([world.speakers(), world.bound()], [["a"], ["a", "b", "c"]]);
  return world;
}

/** Nothing was violated, and this node alone speaks, in phase Active, with all policies. */
export function assertHeld(world: World, node: string, vip = VIP): void {
  assert.deepEqual(world.invariants.violations, [], world.lines.join("\n"));
  assert.deepEqual(world.speakers(vip), [node]);
  const { activeNodeName, phase } = world.gateway()?.status ?? {};
  assert.deepEqual([activeNodeName, phase], [node, "Active"]);
  // Where there are two gateways, a policy is spread over both.
  const policies = world.gateway("other") === undefined ? 2 : 3;
  assert.deepEqual(
    world.invariants.policiesOf("gw").map(nodeOf),
    Array.from({ length: policies }, () => node),
  );
}

/** How long nobody spoke while time passed, to 5 ms. */
export async function silence(world: World, seconds: number, vip = VIP): Promise<number> {
  let silent = 0;
  for (let step = 0; step < seconds * 200; step++) {
    await world.time.pass(5);
    if (world.speakers(vip).length === 0) silent += 5;
  }
  return silent;
}

/** Ticks that have ended, of all controllers. */
export function tickCount(world: World): number {
  return world.controllers.reduce((sum, { ticks }) => sum + ticks, 0);
}

/** What the log says since a moment, of those lines that match. */
export function said(world: World, since: number, what: RegExp): readonly string[] {
  return world.lines.filter((line) => Number(line.slice(0, 8)) * 1_000 >= since)
    .map((line) => line.slice(8)).filter((line) => what.test(line));
}
