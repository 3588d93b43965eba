/** Whose late answers an agent passes on to the holder before, and for how long. */
import assert from "node:assert/strict";
import type { AgentView } from "../../src/agent/core/view.ts";
import type { Passing } from "../../src/agent/hands.ts";
import { LateAnswers } from "../../src/agent/late_answers.ts";
import type { GatewayStatus } from "../../src/core/types.ts";
import { QUIET } from "../support/agent_view.ts";
import { gateway } from "../support/builders.ts";

const VIP = "10.0.0.200";
const FORMER_MAC = "02:00:00:00:00:0a";
const OWN_MAC = "02:00:00:00:00:0b";

/** The agent of node b, which stands by for a; it looks once a second. */
function standby({ passOn }: { readonly passOn?: () => Promise<void> } = {}) {
  const told: (readonly Passing[])[] = [];
  const refusals: string[] = [];
  let answer: string | undefined = FORMER_MAC;
  let now = 0;
  const lateAnswers = new LateAnswers({
    hands: {
      probe: () => Promise.resolve(answer),
      passOn: passOn ?? ((entries) => {
        told.push(entries);
        return Promise.resolve();
      }),
    },
    onRefusal: (message) => void refusals.push(message),
  });
  const heldBy = (node: string, status: GatewayStatus = {}) =>
    gateway("g", {
      vip: VIP,
      status: { phase: "Active", activeNodeName: node, egressIP: VIP, term: 1, ...status },
    });
  let view: AgentView = {
    ...QUIET,
    nodeName: "b",
    gateways: [heldBy("a")],
    interfaces: [{ name: "eth1", up: true, state: "up", mac: OWN_MAC, addresses: [] }],
    bindings: [{
      gateway: "g",
      uid: "uid-g",
      ip: VIP,
      interface: "eth1",
      speakOn: ["eth1"],
      boundAt: "2026-01-01T00:00:00Z",
    }],
  };
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      now += 1_000;
      const speaking = new Map([...view.speaking.keys()].map((ip) => [ip, now + 3_000]));
      view = { ...view, now, speaking };
      await lateAnswers.follow(view);
    }
  };
  return {
    pass,
    told,
    refusals,
    nobodyAnswers: () => void (answer = undefined),
    /** The gateway is handed over, and this node speaks for it. */
    async takeOver(status: GatewayStatus = {}) {
      view = {
        ...view,
        gateways: [heldBy("b", { term: 2, lastFailover: MOVE, ...status })],
        speaking: new Map([[VIP, now + 3_000]]),
      };
      await pass(1);
    },
    async fallSilent() {
      view = { ...view, speaking: new Map() };
      await pass(1);
    },
  };
}

const MOVE = { from: "a", to: "b", reason: "pinned", startTime: "2026-01-01T00:00:00Z" };

Deno.test("after a planned move answers go to the node that was seen to hold the address", async () => {
  const { pass, told, takeOver } = standby();
  await pass(3);
  assert.deepEqual(told, [], "a standby passes nothing on");
  await takeOver();
  assert.deepEqual(told, [[{
    ip: VIP,
    mac: FORMER_MAC,
    milliseconds: 3_000,
    links: [{ name: "eth1", mac: OWN_MAC }],
  }]]);
  await pass(5);
  assert.equal(told.length, 6, "each permission that follows is followed");
});

Deno.test("passing on ends when the node falls silent, or after a quarter of an hour", async () => {
  const silent = standby();
  await silent.pass(3);
  await silent.takeOver();
  await silent.fallSilent();
  assert.deepEqual(silent.told.at(-1), []);
  const long = standby();
  await long.pass(3);
  await long.takeOver();
  await long.pass(899);
  assert.equal(long.told.at(-1)?.length, 1);
  await long.pass(2);
  assert.deepEqual(long.told.at(-1), []);
});

const DEAD: GatewayStatus = {
  candidates: [{
    node: "a",
    eligible: false,
    rank: 1,
    reasons: [{ type: "Unreachable", message: "" }],
  }],
};

for (
  const [what, status] of Object.entries({
    "a node that is dead": DEAD,
    "another node than the one that was seen": { lastFailover: { ...MOVE, from: "c" } },
  })
) {
  Deno.test(`nothing is passed on to ${what}`, async () => {
    const { pass, told, takeOver } = standby();
    await pass(3);
    await takeOver(status);
    assert.deepEqual(told, []);
  });
}

Deno.test("nothing is passed on to a holder that nobody saw on the wire", async () => {
  const { pass, told, nobodyAnswers, takeOver } = standby();
  nobodyAnswers();
  await pass(3);
  await takeOver();
  assert.deepEqual(told, []);
});

Deno.test("a kernel that cannot pass on is asked once for each takeover, and that is said once", async () => {
  let asked = 0;
  const { pass, refusals, takeOver, fallSilent } = standby({
    passOn() {
      asked++;
      return Promise.reject(new Error("Operation not supported"));
    },
  });
  await pass(3);
  await takeOver();
  await pass(5);
  assert.equal(asked, 1);
  assert.match(refusals.join(), /^Answers that come late are lost.*Operation not supported$/);
  await fallSilent();
  await takeOver();
  assert.equal(asked, 2);
});
