/** Nodes whose clocks are wrong: only the API server's counts. */
import assert from "node:assert/strict";
import { contested } from "./sampler.ts";
import { sallyportNeeds, startSallyport } from "./sallyport.ts";
import { until } from "./wait.ts";
import { file, testWith } from "../support/needs.ts";

/** Debian's libfaketime; it leaves the monotonic clock alone when told to, as a wrong wall clock does. */
const LIBRARY = `/usr/lib/${Deno.build.arch}-linux-gnu/faketime/libfaketime.so.1`;

function clock(offset: string): Readonly<Record<string, string>> {
  return { LD_PRELOAD: LIBRARY, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}

testWith(
  [...sallyportNeeds, file(LIBRARY, "libfaketime")],
  "agents whose clocks are an hour ahead or behind hand over as others do, and are found dead as others are",
  async () => {
    await using world = await startSallyport();
    const [ahead = "", behind = ""] = world.lab.nodes.map(({ name }) => name);
    for (const [name, offset] of [[ahead, "+1h"], [behind, "-1h"]] as const) {
      await world.agent(name).stop({ graceMilliseconds: 0 });
      world.startAgent(name, clock(offset));
    }
    await world.settled();
    const held = (name: string) =>
      until(`the gateway on ${name}`, async () => await world.settled() === name, {
        timeoutMilliseconds: 30_000,
      });
    await world.pin(ahead);
    await held(ahead);

    await using sampler = await world.lab.sampler({ ip: world.ip });
    await using stream = await world.lab.client.stream({ ip: world.ip });
    await world.pin(behind);
    await held(behind);
    const { lost, hosts } = await stream.stop();
    assert.deepEqual({ lost, hosts }, { lost: 0, hosts: [ahead, behind] });

    const begun = performance.now();
    await world.lab.node(behind).cutLinks();
    await world.settled({ other: behind, standbys: 0 });
    const took = performance.now() - begun;
    assert.ok(took < 6_000, `the dead node was replaced after ${took} ms`);
    assert.deepEqual(contested(await sampler.stop()), [], "never do two hosts answer");
  },
);
