/** etcd is set back to a backup, and with it terms, fences, reports and versions. */
import assert from "node:assert/strict";
import { assertHeld, CONTROLLER, holding, said } from "./scene.ts";
import { VIP } from "./world.ts";
import type { World } from "./world.ts";
import { nodeOf } from "./invariants.ts";
import { PATHS } from "../../src/cluster/resources.ts";

/** From the API server's return until one node speaks, in phase Active, and the status names it. */
const SETTLED_SECONDS = 10;

/** Of each kind of restore. */
const SEEDS = Number(Deno.env.get("RESTORES") ?? 4);

/** A failback that is due later is none of the restore's doing. */
const CALM_MILLISECONDS = 5_000;

/** As long as a permission from before the restore lives. */
const MOST_OVERLAP_MILLISECONDS = 3_000;

/** Moves the gateway a few times, and sets etcd back to what it was before. */
async function movedAndRestored(
  { seed, moves, outage }: { seed: number; moves: readonly string[]; outage: number },
): Promise<World> {
  const world = await holding({
    seed,
    controllers: [CONTROLLER, { ...CONTROLLER, name: "other", resident: false }],
  });
  await world.time.pass(world.time.between(0, 1_500));
  const backup = world.server.backup();
  for (const node of moves) {
    world.pin(node);
    await world.until(() => world.speakers().join() === node);
    await world.pass(1);
  }
  await world.time.pass(world.time.between(0, 3_000));
  world.setServer(false);
  await world.pass(outage);
  world.server.restore(backup);
  world.setServer(true);
  return world;
}

/** How long two nodes spoke until the restored world was settled. Milliseconds. */
async function overlapUntilSettled(world: World): Promise<number> {
  const begin = world.time.now;
  let [overlap, settledAt] = [0, begin];
  while (world.time.now - settledAt < CALM_MILLISECONDS) {
    await world.time.pass(10);
    const speakers = world.speakers(VIP);
    if (speakers.length > 1) overlap += 10;
    const { activeNodeName, phase } = world.gateway()?.status ?? {};
    if (speakers.join() !== activeNodeName || phase !== "Active") settledAt = world.time.now;
    assert.ok(
      settledAt - begin <= SETTLED_SECONDS * 1_000,
      `not settled after ${SETTLED_SECONDS} s`,
    );
  }
  return overlap;
}

Deno.test("a backup of etcd that is restored settles within 10 s, and no longer than a permission do two speak", async () => {
  let [longest, restores] = [0, 0];
  for (const outage of [1, 3, 8]) {
    for (const cordoned of [false, true]) {
      for (let seed = 0; seed < SEEDS; seed++) {
        const moves = ["b", "c", "b", "c"].slice(0, 1 + seed % 4);
        const world = await movedAndRestored({ seed, moves, outage });
        if (cordoned) world.cordon("a", true);
        const overlap = await overlapUntilSettled(world);
        const about = `seed ${seed}, outage ${outage} s, cordoned ${cordoned}`;
        assert.ok(overlap <= MOST_OVERLAP_MILLISECONDS, `${about}: ${overlap} ms`);
        longest = Math.max(longest, overlap);
        restores++;
      }
    }
  }
  const line = `${restores} restores: two spoke for ${longest} ms at most\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
});

Deno.test("a backup from the middle of a move has lost that its node served: the next one waits for that", async () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const world = await holding({ seed, controllers: [CONTROLLER] });
    world.pin("b");
    await world.until(() => world.gateway()?.status.phase === "Preparing");
    const backup = world.server.backup();
    await world.until(() => world.speakers().join() === "b");
    await world.pass(2);
    // No watch tells of it: b does not know that it has lost the role.
    world.restore(backup, null);
    await world.time.pass(1);
    world.pin("c");
    assert.equal(await overlapUntilSettled(world), 0, `seed ${seed}`);
    assert.deepEqual(world.speakers(VIP), ["c"]);
  }
});

Deno.test("a holder hears of a restore by its next renewal, though its watch tells nothing more and no controller runs", async () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const world = await holding({ seed, controllers: [CONTROLLER] });
    const backup = world.server.backup();
    world.pin("b");
    await world.until(() => world.speakers().join() === "b");
    await world.pass(2);
    world.restore(backup, null);
    for (const { process } of world.controllers) process.freeze();
    await world.pass(2);
    assert.deepEqual(world.speakers(VIP), ["a"], `seed ${seed}`);
  }
});

Deno.test("a tick that reads before and after a restore does not take policies of before for written", async () => {
  const oneShot = { ...CONTROLLER, resident: false, everyMilliseconds: 200 };
  for (let milliseconds = 0; milliseconds < 300; milliseconds += 10) {
    const world = await holding({ controllers: [oneShot] });
    world.pin("b");
    await world.until(() => world.gateway()?.status.phase === "Preparing");
    const backup = world.server.backup();
    await world.until(() => world.speakers().join() === "b");
    await world.time.pass(2_000 + milliseconds);
    world.restore(backup, null);
    await world.time.pass(1);
    await world.until(() => world.gateway()?.status.phase === "Active");
    const sent = world.invariants.policiesOf("gw").map(nodeOf);
    assert.deepEqual(sent, ["b", "b"], `${milliseconds} ms`);
  }
});

Deno.test("what a node reported before a backup counts as of then: a dead one is not served by", async () => {
  for (const watches of [false, true]) {
    for (let seed = 0; seed < SEEDS; seed++) {
      const world = await holding({ seed, controllers: [{ ...CONTROLLER, watches }] });
      world.pin("b");
      await world.until(() =>
        world.lease("b")?.report?.addresses.some(({ speaking }) => speaking) ?? false
      );
      const backup = world.server.backup();
      world.setPower("b", false);
      await world.until(() => !["", "b"].includes(world.speakers().join()));
      await world.pass(5);
      const restoredAt = world.time.now;
      world.restore(backup, null);
      await overlapUntilSettled(world);
      assert.deepEqual(said(world, restoredAt, /names b/), [], `watches ${watches}, seed ${seed}`);
    }
  }
});

Deno.test("a resident whose watches do not tell of a restore follows the cluster anew, and does not list it all the time", async () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const world = await holding({ seed, controllers: [{ ...CONTROLLER, watches: true }] });
    const backup = world.server.backup();
    world.pin("b");
    await world.until(() => world.speakers().join() === "b");
    await world.pass(2 + seed / SEEDS);
    world.restore(backup, null);
    await overlapUntilSettled(world);
    assertHeld(world, "a");
    const listings = countListings(world);
    await world.pass(10);
    assert.equal(listings(), 0, `seed ${seed}`);
    world.pin("c");
    await world.until(() => world.speakers().join() === "c");
    await world.pass(1);
    assertHeld(world, "c");
  }
});

/** Listings of all policies of Cilium from now on. */
function countListings({ server }: World): () => number {
  let count = 0;
  const handle = server.handle.bind(server);
  server.handle = (request, caller) => {
    const { method, path } = request;
    if (method === "GET" && path === PATHS.CiliumEgressGatewayPolicy) count++;
    return handle(request, caller);
  };
  return () => count;
}
