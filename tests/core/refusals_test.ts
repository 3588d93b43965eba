/** Gateways whose virtual IP cannot be theirs. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { NO_NODE_LABEL } from "../../src/core/names.ts";
import { cluster, edit, gateway, LONG_AGO, policy, report, VIP } from "../support/builders.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { later, running, settle } from "../support/obedient_agents.ts";
import { egressGateway, gatewayCondition, gatewayPlan, statusAfter } from "../support/read_plan.ts";

const older = gateway("older", { vip: VIP, createdAt: LONG_AGO });
const newer = gateway("newer", { vip: VIP, createdAt: LONG_AGO + 1_000 });

Deno.test("of two gateways with one VIP the older goes on, the newer gets nobody, both say so", () => {
  const alone = running(cluster({ nodes: { a: {}, b: {} }, gateways: [older], policies: [] }));
  const before = { ...alone, gateways: [newer, ...alone.gateways] };
  const plan = decide(before);
  const { activeNodeName, decision, phase } = gatewayPlan(plan, "older");
  assert.deepEqual([activeNodeName, decision, phase], ["a", "Keep", "Active"]);
  assert.equal(gatewayPlan(plan, "newer").activeNodeName, null);
  assert.equal(gatewayPlan(plan, "newer").decision, "None");
  const conflict = (name: string) => gatewayCondition(before, plan, "AddressConflict", name);
  assert.deepEqual([conflict("older").status, conflict("newer").status], ["True", "True"]);
  assert.match(
    conflict("older").message,
    /virtual IP of newer; this gateway is the oldest and keeps it$/,
  );
  assert.match(conflict("newer").message, /virtual IP of older; write another address here$/);
  assert.equal(gatewayCondition(before, plan, "Ready", "older").status, "True");
  assert.equal(gatewayCondition(before, plan, "Ready", "newer").reason, "AddressConflict");
});

Deno.test("gateways of the same age: the first by name goes on", () => {
  const twins = ["y", "x", "z"].map((name, index) =>
    gateway(name, { vip: VIP, uid: `uid-${index}` })
  );
  const plan = decide(cluster({ nodes: { a: {} }, gateways: twins }));
  assert.deepEqual(plan.gateways.map(({ activeNodeName }) => activeNodeName), ["a", null, null]);
});

Deno.test("a refused gateway is elected once the other one is gone", () => {
  const both = cluster({ nodes: { a: {} }, gateways: [older, newer] });
  const after = applyPlan(both, decide(both));
  const plan = decide(edit(after, { gateways: { older: null } }));
  assert.equal(gatewayPlan(plan, "newer").activeNodeName, "a");
});

Deno.test("policies of a refused gateway select no node", () => {
  const before = cluster({
    nodes: { a: {} },
    gateways: [older, newer],
    policies: [policy("web", { gateway: "newer" })],
  });
  assert.deepEqual(egressGateway(before, decide(before), "web"), {
    nodeSelector: { matchLabels: { [NO_NODE_LABEL]: "true" } },
  });
});

Deno.test("two primary-IP gateways never conflict", () => {
  const plan = decide(cluster({ nodes: { a: {} }, gateways: [gateway("one"), gateway("two")] }));
  assert.deepEqual(plan.gateways.map(({ activeNodeName }) => activeNodeName), ["a", "a"]);
});

for (
  const [where, machine] of [
    ["an InternalIP", { node: { internalIPs: ["10.0.0.1", VIP] } }],
    [
      "an address of an interface",
      {
        lease: {
          report: {
            interfaces: [{ name: "eth1", up: true, addresses: ["10.0.0.1/24", `${VIP}/24`] }],
          },
        },
      },
    ],
  ] as const
) {
  Deno.test(`a VIP that is ${where} of a node is refused`, () => {
    const before = cluster({ nodes: { a: {}, b: machine }, gateways: [older] });
    const plan = decide(before);
    assert.equal(gatewayPlan(plan, "older").activeNodeName, null);
    const conflict = gatewayCondition(before, plan, "AddressConflict", "older");
    assert.deepEqual([conflict.status, conflict.reason], ["True", "AddressInUse"]);
    assert.match(conflict.message, /is node b's own address; write an address that no host uses$/);
  });
}

Deno.test("an address that only begins like the VIP is no conflict", () => {
  const plan = decide(cluster({
    nodes: { a: { node: { internalIPs: ["172.18.18.24"] } } },
    gateways: [older],
  }));
  assert.equal(gatewayPlan(plan, "older").activeNodeName, "a");
});

const ADDED_BY_HAND = {
  lease: { report: { interfaces: [{ name: "eth1", up: true, addresses: [`${VIP}/24`] }] } },
};
const LISTED = { node: { internalIPs: ["10.0.0.1", VIP] } };

for (
  const [what, node, machine] of [
    ["a standby's kubelet lists it", "b", { internalIPs: [VIP] }],
    ["its holder's kubelet lists it", "a", { internalIPs: ["10.0.0.9", VIP] }],
    ["a node outside the pool lists it", "other", { internalIPs: [VIP] }],
  ] as const
) {
  Deno.test(`a gateway that serves goes on when ${what}`, () => {
    const before = running(cluster({
      nodes: { a: {}, b: {}, other: { node: { labels: { pool: "none" } } } },
      gateways: [gateway("gw", { vip: VIP })],
    }));
    const after = edit(before, { nodes: { [node]: machine } });
    const { activeNodeName, term, phase } = gatewayPlan(decide(after));
    assert.deepEqual([activeNodeName, term, phase], ["a", 1, "Active"]);
  });
}

Deno.test("the VIP among its holder's addresses is no conflict, and is not what standbys ping", () => {
  const before = running(cluster({ nodes: { a: {}, b: {} }, gateways: [older] }));
  const after = edit(before, { nodes: { a: { internalIPs: ["10.0.0.9", VIP] } } });
  const plan = decide(after);
  assert.equal(gatewayCondition(after, plan, "AddressConflict", "older").status, "False");
  assert.deepEqual(statusAfter(after, plan, "older").activeNodeAddresses, ["10.0.0.9"]);
});

Deno.test("a dead holder whose kubelet listed the VIP does not keep its successor from it", () => {
  const before = running(cluster({ nodes: { a: LISTED, b: {} }, gateways: [older] }));
  assert.equal(before.gateways[0]?.status.activeNodeName, undefined);
  const served = running(cluster({ nodes: { a: {}, b: {} }, gateways: [older] }));
  const listed = edit(served, { nodes: { a: { internalIPs: [VIP], ready: "Unknown" } } });
  const { snapshot } = settle(later(listed, 9, ["a"]), { dead: ["a"] });
  const { activeNodeName, phase, conditions } = snapshot.gateways[0]?.status ?? {};
  assert.deepEqual([activeNodeName, phase], ["b", "Active"]);
  assert.equal(conditions?.find(({ type }) => type === "AddressConflict")?.status, "False");
});

for (const [who, machine] of [["reports it", ADDED_BY_HAND], ["lists it", LISTED]] as const) {
  Deno.test(`a gateway that serves goes on when another node ${who} as its own, and says so`, () => {
    const alone = running(cluster({ nodes: { a: {}, b: {} }, gateways: [older] }));
    const { nodes, leases } = cluster({ nodes: { x: machine } });
    const before = {
      ...alone,
      nodes: [...alone.nodes, ...nodes],
      leases: [...alone.leases, ...leases.map((each) => ({ ...each, renewedAt: alone.now }))],
    };
    const plan = decide(before);
    const { activeNodeName, phase } = gatewayPlan(plan, "older");
    assert.deepEqual([activeNodeName, phase], ["a", "Active"]);
    const { status, message } = gatewayCondition(before, plan, "AddressConflict", "older");
    assert.equal(status, "True");
    assert.equal(message, `${VIP} is also an address of node x; take it from that node`);
    assert.equal(gatewayCondition(before, plan, "Ready", "older").status, "True");
  });
}

Deno.test("a report keeps no gateway from coming back that was held before", () => {
  const drop = gateway("older", { vip: VIP, whenNoneEligible: "Drop" });
  const served = running(
    cluster({ nodes: { a: {}, x: { node: { cordoned: true } } }, gateways: [drop] }),
  );
  const cordoned = running(edit(served, { nodes: { a: { cordoned: true } } }));
  assert.equal(cordoned.gateways[0]?.status.phase, "Idle");
  const lying = edit(cordoned, {
    nodes: { a: { cordoned: false } },
    leases: { x: { report: report(ADDED_BY_HAND.lease.report) } },
  });
  assert.equal(gatewayPlan(decide(lying), "older").activeNodeName, "a");
});

Deno.test("a VIP that becomes a node's own address in the spec is refused, whoever holds the gateway", () => {
  const before = running(cluster({ nodes: { a: {}, b: {} }, gateways: [older] }));
  const own = before.nodes[1]?.internalIPs[0] ?? "";
  const after = edit(before, { gateways: { older: { spec: gateway("x", { vip: own }).spec } } });
  const plan = decide(after);
  assert.equal(gatewayPlan(plan, "older").activeNodeName, null);
  assert.match(gatewayCondition(after, plan, "Ready", "older").message, /is node b's own address/);
});
