/** Takeovers of a gateway with an address of each family: one holder, one term, both addresses. */
import assert from "node:assert/strict";
import { nodeOf } from "./invariants.ts";
import { holding, silence } from "./scene.ts";
import { VIP, VIP6 } from "./world.ts";
import type { World } from "./world.ts";

const both = () => holding({ gateways: { gw: { vip: VIP, vip6: VIP6 } } });

/** Both addresses are this node's alone, by all policies of both families, and nothing was violated. */
function assertBothHeld(world: World, node: string): void {
  assert.deepEqual(world.invariants.violations, [], world.lines.join("\n"));
  assert.deepEqual([world.speakers(VIP), world.speakers(VIP6)], [[node], [node]]);
  const policies = world.invariants.policiesOf("gw");
  assert.equal(policies.filter(({ name }) => name.endsWith("-ipv6")).length * 2, policies.length);
  assert.deepEqual(new Set(policies.map(nodeOf)), new Set([node]));
  assert.deepEqual(world.gateway()?.status.egressIPs, [VIP, VIP6]);
}

Deno.test("a planned move takes both addresses in one term", async () => {
  const world = await both();
  assertBothHeld(world, "a");
  world.pin("b");
  await world.until(() => world.speakers(VIP6).join() === "b");
  await world.pass(5);
  assert.equal(world.gateway()?.status.term, 2);
  assertBothHeld(world, "b");
});

Deno.test("a dead holder of both addresses is followed in one term, and both come back at once", async () => {
  const world = await both();
  world.setPower("a", false);
  const [silent, silent6] = [await silence(world, 5), world.speakers(VIP6)];
  assert.ok(silent < 3_500, `${silent} ms`);
  assert.deepEqual(silent6, ["b"]);
  await world.pass(5);
  assert.equal(world.gateway()?.status.term, 2);
  assertBothHeld(world, "b");
});

Deno.test("an address of IPv6 that is added is served from the next term, and IPv4 goes on", async () => {
  const world = await holding();
  world.addIPv6(VIP6);
  await world.until(() => world.speakers(VIP6).join() === "a");
  await world.pass(5);
  assert.deepEqual(world.speakers(VIP), ["a"]);
  assert.deepEqual(world.gateway()?.status.egressIPs, [VIP, VIP6]);
  assert.deepEqual(world.invariants.violations, []);
});
