/** Gateways whose virtual IP cannot be theirs. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { NO_NODE_LABEL } from "../../src/core/names.ts";
import { cluster, edit, gateway, LONG_AGO, policy, VIP } from "../support/builders.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { running } from "../support/obedient_agents.ts";
import { egressGateway, gatewayCondition, gatewayPlan } from "../support/read_plan.ts";

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
    egressIP: VIP,
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
