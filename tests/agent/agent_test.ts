import assert from "node:assert/strict";
import { Agent } from "../../src/agent/agent.ts";
import { gateway } from "../support/builders.ts";
import { sleep } from "../../src/kube/deadline.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import { memoryHands } from "../support/memory_hands.ts";

Deno.test("an agent that cannot look on the wire tries again at its own pace", async () => {
  let probes = 0;
  const gateways = [
    gateway("g", { vip: "10.0.0.200", status: { phase: "Active", activeNodeName: "a", term: 1 } }),
  ];
  const agent = new Agent({
    nodeName: "a",
    hands: {
      ...memoryHands({ address: "10.0.0.1" }),
      async probe() {
        probes++;
        await sleep(2);
        throw new Error("Cannot run 'arping': the interface is down");
      },
    },
    renew: () =>
      Promise.resolve({
        fence: {},
        serverTime: undefined,
        leaseUid: "uid-lease",
        held: { "uid-g": 1 },
      }),
    recall: () => Promise.resolve([]),
    remember: () => Promise.resolve(),
    relist: () => agent.setGateways(gateways),
    setPingTargets: () => {},
  });
  agent.setGateways(gateways);
  const time = new VirtualTime(1);
  let ended = false;
  time.after(0, () => void agent.run().then(() => ended = true));
  await time.pass(60_000);
  // One look per turn of the loop: each second, and with the news of the first report. Never at each failure.
  assert(probes >= 30 && probes <= 65, `${probes} probes`);
  agent.setGateways([]);
  agent.leave();
  await time.pass(10_000);
  assert(ended);
});
