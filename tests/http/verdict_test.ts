/** What the status page calls well, worth a look, and not well. */
import assert from "node:assert/strict";
import type { Condition } from "../../src/core/types.ts";
import { statusView } from "../../src/http/status_view.ts";
import {
  clusterFindings,
  gatewayTroubles,
  policyRemarks,
  policyTroubles,
} from "../../src/http/verdict.ts";
import { gatewayPlan, plan, policyPlan, snapshot } from "../support/http.ts";

const WELL = { node: "node-a", eligible: true, rank: 0, reasons: [] };
const CANDIDATES = [WELL, { ...WELL, node: "node-b" }];

function condition(type: string, status: Condition["status"], reason: string): Condition {
  return {
    type,
    status,
    reason,
    message: `${type} is ${status}: ${reason}`,
    lastTransitionTime: "2026-11-23T11:00:00Z",
    observedGeneration: 1,
  };
}

const GATEWAYS: readonly (readonly [Condition, readonly string[]])[] = [
  [condition("Degraded", "False", "AllEligible"), []],
  [condition("Degraded", "True", "CandidatesExcluded"), []],
  [condition("Degraded", "True", "HeartbeatsIgnored"), []],
  [condition("Degraded", "True", "Unreadable"), ["busy"]],
  [condition("Degraded", "True", "UplinkTargetsIgnored"), ["busy"]],
  [condition("Degraded", "True", "UplinkNotWatched"), ["busy"]],
  [condition("AddressConflict", "False", "NoConflict"), []],
  [condition("AddressConflict", "True", "AnotherOwner"), ["bad"]],
];

for (const [each, levels] of GATEWAYS) {
  Deno.test(`a gateway whose ${each.message} is ${levels[0] ?? "well"}`, () => {
    const planned = gatewayPlan("web", { candidates: CANDIDATES, conditions: [each] });
    const { gateways: [view] } = statusView(plan({ gateways: [planned] }), snapshot());
    assert.ok(view !== undefined);
    const found = gatewayTroubles(view);
    assert.deepEqual(found.map(({ level }) => level), levels);
    for (const { text } of found) assert.equal(text, each.message);
  });
}

const POLICIES: readonly (readonly [Condition, string, string])[] = [
  [condition("Ready", "True", "Active"), "", ""],
  [condition("Conflicted", "False", "NoConflict"), "", ""],
  [condition("Ready", "False", "NoActiveNode"), "bad", "bad"],
  [condition("Ready", "Unknown", "Unreadable"), "bad", "bad"],
  [condition("Ready", "True", "Fallback"), "busy", "busy"],
  [condition("Accepted", "True", "FallbackNotFound"), "busy", "busy"],
  [condition("Accepted", "True", "PartlyAllowed"), "", "good"],
  [condition("Conflicted", "True", "SameTraffic"), "busy", "busy"],
];

for (const [each, trouble, remark] of POLICIES) {
  Deno.test(`a policy whose ${each.message} is ${trouble || "in force"}`, () => {
    const view = { ...policyPlan("shop", "web"), conditions: [each] };
    assert.equal(policyTroubles(view).map(({ level }) => level).join(), trouble);
    assert.equal(policyRemarks(view).map(({ level }) => level).join(), remark);
  });
}

Deno.test("what several conditions of a policy say in the same words is said once, as the worst of them", () => {
  const message = "CiliumEgressGatewayPolicy 'shop' exists and is not ours";
  const clash = [
    { ...condition("Conflicted", "True", "NameClash"), message },
    { ...condition("Ready", "False", "NameClash"), message },
    { ...condition("Accepted", "False", "NameClash"), message },
  ];
  const found = policyTroubles({ ...policyPlan("shop", "web"), conditions: clash });
  assert.deepEqual(found, [{ level: "bad", text: message }]);
});

Deno.test("the worst is told first, whatever it is about, and of many only how many more there are", () => {
  const moving = Array.from(
    { length: 9 },
    (_, index) => gatewayPlan(`web-${index}`, { candidates: CANDIDATES, phase: "Preparing" }),
  );
  const dropped = {
    ...policyPlan("shop", "web-0"),
    conditions: [condition("Ready", "False", "NoActiveNode")],
  };
  const view = statusView(plan({ gateways: moving, policies: [dropped] }), snapshot());
  const found = clusterFindings(view).map(({ level, text }) => `${level} ${text}`);
  assert.equal(found[0], "bad Policy shop: Ready is False: NoActiveNode");
  assert.equal(found.length, 7);
  assert.equal(found[6], "busy 4 more gateways need a look");
});
