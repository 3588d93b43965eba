/** Ways out that die while everything else is well: the router's port of one node, of all, and a wire that loses packets. */
import assert from "node:assert/strict";
import type { Candidate, Condition } from "../../src/core/types.ts";
import { programs } from "../support/needs.ts";
import { testWith } from "../support/needs.ts";
import { CLIENT_IP } from "./hosts.ts";
import { contested } from "./sampler.ts";
import { sallyportNeeds, startSallyport } from "./sallyport.ts";
import type { Sallyport } from "./sallyport.ts";
import { pause, until } from "./wait.ts";

const INTERVAL = 200;

testWith(
  [...sallyportNeeds, programs("ndisc6")],
  "a node whose way out is dead does not keep a gateway",
  async (t) => {
    await using world = await startSallyport({
      uplink: { targets: [`icmp:${CLIENT_IP}`], intervalMilliseconds: INTERVAL, failures: 3 },
    });
    await t.step("all candidates watch", () => watched(world));
    await t.step(
      "the holder's router dies: another node takes over, and never do two answer",
      () => holderCut(world),
    );
    await t.step(
      "a standby's router dies: nothing moves, and it is passed over",
      () => standbyCut(world),
    );
    await t.step("the target dies: nothing moves, and it is told of", () => targetCut(world));
    await t.step("30 % of the packets are lost on a standby: the holder stays", () => lossy(world));
    await world.vary({
      uplink: { targets: [`arp:${CLIENT_IP}`, `tcp:${CLIENT_IP}:9`], intervalMilliseconds: 1_000 },
    });
    await t.step(
      "a router that answers ARP is enough, though nothing takes connections",
      async () => {
        await watched(world);
        await holderCut(world);
      },
    );
  },
);

async function watched(world: Sallyport): Promise<void> {
  await until("candidates that watch", async () => {
    const { reason } = await degraded(world);
    return reason === "AllEligible" || reason === "UplinkTargetsIgnored" || undefined;
  }, { timeoutMilliseconds: 15_000 });
}

async function holderCut(world: Sallyport): Promise<void> {
  const old = await world.holder();
  const { term = 0 } = await world.status();
  await using sampler = await world.lab.sampler({ ip: world.ip });
  await using stream = await world.lab.client.stream({ ip: world.ip });
  await world.lab.node(old).loseUplink();
  const holder = await world.settled({ other: old, standbys: 0 });
  assert.equal((await world.status()).term, term + 1);
  const [reason] = (await candidate(world, old)).reasons;
  assert.equal(reason?.type, "UplinkDown");
  assert.match(reason.message, new RegExp(`${CLIENT_IP} does not answer this node$`));
  assert.equal((await world.status()).history?.[0]?.reason, "FailedOver");

  await world.lab.node(old).restoreUplink();
  await until("the node to be eligible again", async () => {
    const { eligible, reasons } = await candidate(world, old);
    return eligible && reasons.every(({ retryAfter }) => retryAfter !== undefined) || undefined;
  }, { timeoutMilliseconds: 10_000 });
  assert.equal(await world.holder(), holder);
  assert.deepEqual(contested(await sampler.stop()), []);
  const { hosts } = await stream.stop();
  assert.deepEqual([hosts[0], hosts.at(-1)], [old, holder]);
}

async function standbyCut(world: Sallyport): Promise<void> {
  const before = await world.status();
  const standby = before.standbyNodeNames?.[0] ?? "";
  await world.lab.node(standby).loseUplink();
  await until("the standby to be passed over", async () => {
    const { eligible, reasons } = await candidate(world, standby);
    return !eligible && reasons.some(({ type }) => type === "UplinkDown") || undefined;
  }, { timeoutMilliseconds: 10_000 });
  assert.equal((await world.status()).term, before.term);
  await world.lab.node(standby).restoreUplink();
  await until(
    "it to be eligible again",
    async () => (await candidate(world, standby)).eligible || undefined,
    { timeoutMilliseconds: 10_000 },
  );
  await world.settled();
}

async function targetCut(world: Sallyport): Promise<void> {
  const before = await world.status();
  await world.lab.client.cut();
  await until("the target to be ignored", async () => {
    const { reason, message } = await degraded(world);
    return reason === "UplinkTargetsIgnored" && message.includes(CLIENT_IP) || undefined;
  }, { timeoutMilliseconds: 10_000 });
  // Every agent has lost it by then, and some were later than others.
  await pause(5 * INTERVAL);
  const meanwhile = await world.status();
  assert.deepEqual([meanwhile.term, meanwhile.activeNodeName], [
    before.term,
    before.activeNodeName,
  ]);
  await world.lab.client.restore();
  await until(
    "the target to count again",
    async () => (await degraded(world)).reason === "AllEligible" || undefined,
    { timeoutMilliseconds: 20_000 },
  );
  assert.equal((await world.status()).term, before.term);
}

async function lossy(world: Sallyport): Promise<void> {
  const before = await world.status();
  const standby = before.standbyNodeNames?.[0] ?? "";
  await world.lab.node(standby).losePackets(30);
  await pause(30 * INTERVAL);
  await world.lab.node(standby).losePackets(0);
  const after = await world.status();
  assert.deepEqual([after.term, after.activeNodeName], [before.term, before.activeNodeName]);
  await world.settled();
}

async function degraded(world: Sallyport): Promise<Condition> {
  const found = (await world.status()).conditions?.find(({ type }) => type === "Degraded");
  assert.ok(found);
  return found;
}

async function candidate(world: Sallyport, name: string): Promise<Candidate> {
  const found = (await world.status()).candidates?.find(({ node }) => node === name);
  assert.ok(found);
  return found;
}
