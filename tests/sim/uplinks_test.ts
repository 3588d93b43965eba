/** Ways out that die in the simulated world, on one node and on all, while agents say what they hear. */
import assert from "node:assert/strict";
import { assertHeld, CONTROLLER, holding } from "./scene.ts";
import type { World } from "./world.ts";
import { VIP } from "./world.ts";

/** The controller hears of reports as resident ones do. */
const watching = (seed = 1): Promise<World> =>
  holding({
    seed,
    gateways: { gw: { vip: VIP, uplink: true } },
    controllers: [{ ...CONTROLLER, resident: true, watches: true }],
  });

function lose(world: World, nodes: readonly string[], works = false): void {
  for (const node of nodes) world.machine(node).uplinkWorks = works;
}

Deno.test("a holder whose way out dies is replaced by a node that has one, soon after three intervals", async () => {
  for (let delay = 0; delay < 1_000; delay += 130) {
    const world = await watching();
    await world.time.pass(delay);
    lose(world, ["a", "b"]);
    const took = await world.until(() => world.speakers().join() === "c");
    assert.ok(took <= 2_300, `${took} ms\n${world.lines.join("\n")}`);
    await world.pass(5);
    assertHeld(world, "c");
  }
});

Deno.test("a target that dies for all moves nothing, whoever notices it first, nor when it is back", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const world = await watching(seed);
    await world.time.pass(seed * 83);
    lose(world, ["a", "b", "c"]);
    await world.pass(6);
    const reason = () =>
      world.gateway()?.status.conditions?.find(({ type }) => type === "Degraded")?.reason;
    assert.equal(reason(), "UplinkTargetsIgnored", world.lines.join("\n"));
    lose(world, ["a", "b", "c"], true);
    await world.pass(20);
    assert.equal(reason(), "AllEligible", world.lines.join("\n"));
    assertHeld(world, "a");
    assert.equal(world.gateway()?.status.term, 1, world.lines.join("\n"));
  }
});

Deno.test("a way out that comes and goes costs one move, and the node its role only once it has been well", async () => {
  const world = await watching();
  for (let round = 0; round < 6; round++) {
    lose(world, ["a"]);
    await world.pass(5);
    lose(world, ["a"], true);
    await world.pass(5);
  }
  assertHeld(world, "b");
  assert.equal(world.gateway()?.status.term, 2);
  await world.pass(20);
  assertHeld(world, "a");
});

Deno.test("an agent that is frozen or whose node is slow calls nobody lost", async () => {
  for (const milliseconds of [500, 1_400, 2_800]) {
    const world = await watching();
    for (const node of ["a", "b", "c"]) {
      world.agents.get(node)?.process.freeze();
      await world.time.pass(milliseconds);
      world.agents.get(node)?.process.thaw();
      await world.pass(3);
    }
    const downs = world.gateway()?.status.candidates?.flatMap(({ reasons }) =>
      reasons.filter(({ type }) => type === "UplinkDown")
    );
    assert.deepEqual(downs, [], `${milliseconds} ms`);
  }
});

Deno.test("who lies that its way out is dead keeps itself out and nobody else; who lies that it is well gets no node out", async () => {
  for (const says of ["dead uplink", "good uplink"] as const) {
    const world = await watching();
    const lie = {
      everyMilliseconds: 300,
      manager: "agent",
      claims: "none",
      term: "as it is",
    } as const;
    world.killAgent("b");
    world.lie({ node: "b", ...lie, heard: "all", says: [says] });
    await world.pass(20);
    assertHeld(world, "a");
    assert.equal(world.gateway()?.status.term, 1);
  }
});
