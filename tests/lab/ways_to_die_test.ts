/**
 * Every way in which a holder can go, on real hosts in network namespaces, with a real API server and the real
 * programs. A client asks the VIP for its host every 5 ms, another one asks the wire every 50 ms who answers.
 */
import assert from "node:assert/strict";
import { contested } from "./sampler.ts";
import { CANDIDATE, sallyportNeeds, startSallyport, VIP, VIP6 } from "./sallyport.ts";
import type { Sallyport } from "./sallyport.ts";
import { pause, until } from "./wait.ts";
import { testWith } from "../support/needs.ts";

interface WayToDie {
  readonly what: string;
  readonly act: (world: Sallyport, holder: string) => Promise<unknown>;
  /** What is left on the old host as long as it is not repaired: its agent cannot clean up. Default: nothing is. */
  readonly leaves?: "bound";
  /** The node still serves, but the API server cannot tell it that it should not. */
  readonly overlaps?: true;
  /** Asked before the old holder is repaired. */
  readonly then?: (world: Sallyport, holder: string) => Promise<unknown>;
}

const WAYS: readonly WayToDie[] = [
  { what: "SIGTERM of the agent", act: (world, holder) => world.agent(holder).stop() },
  {
    what: "SIGKILL of the agent",
    act: (world, holder) => world.agent(holder).stop({ graceMilliseconds: 0 }),
    leaves: "bound",
  },
  {
    what: "SIGSTOP of the agent, which yields before it speaks again",
    act: (world, holder) => Promise.resolve(Deno.kill(world.agent(holder).pid, "SIGSTOP")),
    leaves: "bound",
    then: async (world, holder) => {
      const answering = await answers(world);
      Deno.kill(world.agent(holder).pid, "SIGCONT");
      // The samplers go on during this: that nobody else answers is checked at the end.
      await pause(2_000);
      assert.deepEqual(await answers(world), answering);
    },
  },
  {
    what: "all of the node's programs frozen with its links up",
    act: (world, holder) => world.lab.node(holder).freeze(),
    leaves: "bound",
  },
  {
    what: "power-off",
    act: (world, holder) => world.lab.node(holder).cutLinks(),
    leaves: "bound",
  },
  {
    what: "a partition from the API server",
    act: (world, holder) => world.lab.node(holder).partitionFromApi(),
    leaves: "bound",
    overlaps: true,
  },
  {
    what: "the public interface down",
    act: (world, holder) => world.lab.node(holder).publicDown(),
  },
  {
    what: "the public interface unplugged",
    act: (world, holder) => world.lab.node(holder).publicDown({ how: "unplugged" }),
  },
  {
    what: "cordon",
    act: (world, holder) =>
      world.plane.api.patch(`/api/v1/nodes/${holder}`, { spec: { unschedulable: true } }),
  },
  {
    what: "the label removed",
    act: (world, holder) => {
      const labels = Object.fromEntries(Object.keys(CANDIDATE).map((key) => [key, null]));
      return world.plane.api.patch(`/api/v1/nodes/${holder}`, { metadata: { labels } });
    },
  },
  {
    what: "the node deleted",
    act: (world, holder) => world.plane.api.delete(`/api/v1/nodes/${holder}`),
  },
  {
    what: "a pin to another node",
    act: async (world, holder) =>
      await world.pin(world.lab.nodes.find(({ name }) => name !== holder)?.name ?? ""),
    leaves: "bound", // It stays a standby.
  },
];

/** How many times the whole table is run; more for a soak. */
const ROUNDS = Number(Deno.env.get("WAYS_TO_DIE_ROUNDS") ?? 1);

const FAMILIES = {
  "whatever happens to the holder, another node takes over": [VIP],
  "whatever happens to the holder of both families, another node takes both over": [VIP, VIP6],
};
for (const [name, ips] of Object.entries(FAMILIES)) {
  testWith(sallyportNeeds, name, (t) => all(t, ips));
}

async function all(t: Deno.TestContext, ips: readonly string[]): Promise<void> {
  await using world = await startSallyport({ ips });
  for (let round = 1; round <= ROUNDS; round++) {
    for (const way of WAYS) {
      await t.step(
        ROUNDS === 1 ? way.what : `${way.what}, round ${round}`,
        () => survive(world, way),
      );
      await world.repair();
    }
    await t.step(
      "the API server down for all: nothing moves, nothing is lost",
      () => survivesWithoutApi(world),
    );
  }
}

/** Who answers for each VIP. */
function answers({ lab, ips }: Sallyport): Promise<readonly (readonly string[])[]> {
  return Promise.all(ips.map((ip) => lab.whoAnswers(ip)));
}

/** Asks all the time for each VIP, a client for its host and a bystander the wire. */
async function watch({ lab, ips }: Sallyport) {
  await using stack = new AsyncDisposableStack();
  const watched = await Promise.all(ips.map(async (ip) => ({
    ip,
    stream: stack.use(await lab.client.stream({ ip })),
    sampler: stack.use(await lab.sampler({ ip })),
  })));
  const kept = stack.move();
  return { watched, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function survive(world: Sallyport, way: WayToDie): Promise<void> {
  await using watching = await watch(world);
  const old = await world.holder();
  const { term = 0 } = await world.status();
  await way.act(world, old);
  const holder = await world.settled({ other: old, standbys: 0 });
  await way.then?.(world, old);
  await pause(1_500);

  const mac = await world.lab.node(holder).publicMac();
  assert.deepEqual(
    await answers(world),
    world.ips.map(() => [mac]),
    "exactly one host answers, the new holder",
  );
  for (const ip of world.ips) {
    assert.equal(await world.lab.observer.macOf(ip), mac, `a bystander's entry for ${ip} follows`);
  }
  const status = await world.status();
  assert.equal(status.term, term + 1);
  assert.equal(status.phase, "Active");
  assert.deepEqual(await world.cegps(), world.ips.map(() => ({ node: holder, term: term + 1 })));
  await until("the old host to be tidy", async () => {
    const { bound, gate } = await world.leftovers(old);
    const left = way.leaves === "bound" ? world.ips : [];
    return bound.join() === left.join() && gate === left.length > 0;
  });
  for (const { ip, stream, sampler } of watching.watched) {
    const samples = await sampler.stop();
    assert.ok(samples.length > 20, `${samples.length} samples of ${ip}`);
    if (!way.overlaps) assert.deepEqual(contested(samples), [], "never do two hosts answer");
    const { hosts } = await stream.stop();
    assert.equal(hosts[0], old);
    assert.equal(hosts.at(-1), holder);
  }
}

async function survivesWithoutApi(world: Sallyport): Promise<void> {
  await using watching = await watch(world);
  const before = await world.status();
  await world.plane.stopApiServer({ graceMilliseconds: 0 });
  await pause(8_000);
  const mac = await world.lab.node(before.activeNodeName ?? "").publicMac();
  assert.deepEqual(await answers(world), world.ips.map(() => [mac]), "the holder goes on");
  await world.plane.startApiServer();
  await world.settled();
  const { activeNodeName, term } = await world.status();
  assert.deepEqual({ activeNodeName, term }, {
    activeNodeName: before.activeNodeName,
    term: before.term,
  });
  for (const { stream, sampler } of watching.watched) {
    assert.deepEqual(contested(await sampler.stop()), []);
    const { lost, hosts } = await stream.stop();
    assert.deepEqual({ lost, hosts }, { lost: 0, hosts: [before.activeNodeName] });
  }
}
