import assert from "node:assert/strict";
import { Agent } from "../../src/agent/agent.ts";
import { gateway } from "../support/builders.ts";
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
        await new Promise((resolve) => setTimeout(resolve, 2));
        throw new Error("Cannot run 'arping': the interface is down");
      },
    },
    renew: () => Promise.resolve({ fence: {}, serverTime: undefined, leaseUid: "uid-lease" }),
    recall: () => Promise.resolve([]),
    remember: () => Promise.resolve(),
    relist: () => agent.setGateways(gateways),
    setPingTargets: () => {},
  });
  agent.setGateways(gateways);
  const ended = agent.run();
  await new Promise((resolve) => setTimeout(resolve, 300));
  // One look per turn of the loop: each second, and with the news of the first report. Never at each failure.
  assert(probes >= 1 && probes <= 5, `${probes} probes`);
  agent.setGateways([]);
  agent.leave();
  await ended;
});
