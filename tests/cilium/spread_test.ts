/** Several gateways on real Cilium: what happens to one is not noticed by the others, and their bandwidth adds up. */
import assert from "node:assert/strict";
import { labTests } from "./e2e.ts";
import { mapEntries, pin, settled } from "./gateways.ts";
import type { Lab } from "./lab.ts";
import {
  AT_HOME,
  CROSSWISE,
  GATEWAYS,
  holderDies,
  inForce,
  plannedMove,
  PODS,
  putSpreadPolicy,
  spread,
  type SpreadSeen,
  throughput,
  vipOf,
} from "./spread.ts";
import { pause } from "../lab/wait.ts";
import { say } from "../support/say.ts";

const test = labTests({ wide: true });

async function serve(lab: Lab): Promise<void> {
  await spread(lab, { shares: CROSSWISE });
  await inForce(lab, CROSSWISE);
  await pause(2_000);
}

/** What must hold of the pods of the gateways that nothing happens to, and of all pods' addresses. */
function assertUnnoticed(seen: SpreadSeen): void {
  const all = JSON.stringify(seen);
  for (const pod of PODS) assert.deepEqual(seen.pods[pod].sources, [vipOf(CROSSWISE[pod])], all);
  for (const pod of ["far", "away"] as const) assert.equal(seen.pods[pod].lost, 0, all);
  assert.equal(seen.wrongSource, 0, all);
}

test("a holder of three dies: the others lose nothing, and no pod changes its address", async (lab) => {
  await serve(lab);
  const seen = await holderDies(lab);
  assertUnnoticed(seen);
  say(
    `The dead holder's share was silent for ${
      seen.pods.selected.silenceMilliseconds.toFixed(0)
    } ms`,
  );
  await pin(lab, "node-b", "egress-b");
  await settled(lab, { name: "egress-b", on: "node-b", timeoutMilliseconds: 60_000 });
});

test("one of three gateways is moved: the others lose nothing, and no pod changes its address", async (lab) => {
  await serve(lab);
  assertUnnoticed(await plannedMove(lab, "node-c"));
});

test("a node without a shard is the first gateway's, and with one it is its own gateway's", async (lab) => {
  await spread(lab, { shares: AT_HOME });
  await inForce(lab, AT_HOME);
  const path = "/api/v1/nodes/node-d";
  const key = "egress-gateway.network.deckhouse.io/shard";
  const labels = (await lab.plane.api.get(path)).metadata.labels ?? {};
  await lab.sallyport.killController();
  try {
    for (const shard of [null, "none"]) {
      await lab.plane.api.patch(path, { metadata: { labels: { [key]: shard } } });
      await inForce(lab, { ...AT_HOME, away: "egress-b" });
      await lab.plane.api.patch(path, { metadata: { labels: { [key]: labels[key] ?? "" } } });
      await inForce(lab, AT_HOME);
    }
  } finally {
    await lab.sallyport.startController();
  }
});

test("a gateway that is added brings its bandwidth, and takes no entry of Cilium's map more than there are gateways", async (lab) => {
  await spread(lab, { shares: AT_HOME, count: 1 });
  await inForce(lab, { selected: "egress-b", near: "egress-b", far: "egress-b", away: "egress-b" });
  const entries: number[] = [];
  const megabits: number[] = [];
  for (const count of [1, 2, 3]) {
    await putSpreadPolicy(lab, count);
    await pause(4_000);
    entries.push(await mapEntries(lab));
    megabits.push(await throughput(lab, { seconds: 4 }));
  }
  await inForce(lab, AT_HOME);
  say(
    `1, 2, 3 gateways with ports of 20 Mbit/s: ${
      megabits.map((each) => each.toFixed(1)).join(", ")
    } Mbit/s; ` +
      `entries of all agents' maps: ${entries.join(", ")}`,
  );
  const [one = 0, two = 0, three = 0] = megabits;
  assert.ok(two > 1.5 * one && three > 2.2 * one, `${megabits}`);
  const [before = 0, ...after] = entries;
  for (const count of after) assert.ok(count <= before + GATEWAYS.length, `${entries}`);
});
