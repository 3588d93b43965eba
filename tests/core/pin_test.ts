/** A pin that is not obeyed says so, in a condition, in the plan's message, and so in `explain`. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { explainGateway } from "../../src/core/explain.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, gateway, type Machine } from "../support/builders.ts";
import { gatewayPlan } from "../support/read_plan.ts";

const ROWS: readonly (readonly [
  what: string,
  row: {
    pin?: string;
    b?: Machine;
    status?: string;
    reason?: string;
    says?: RegExp;
    holder: string;
  },
])[] = [
  ["names no node", {
    pin: "worker-2",
    holder: "a",
    status: "False",
    reason: "NoCandidate",
    says: /The pin names worker-2, which is no candidate: candidates are a, b/,
  }],
  ["names a candidate that may not hold", {
    pin: "b",
    b: { node: { cordoned: true } },
    holder: "a",
    status: "False",
    reason: "NotEligible",
    says: /The pin names b, which may not hold it now: NodeCordoned: /,
  }],
  ["is obeyed", { pin: "b", holder: "b", status: "True", reason: "Obeyed" }],
  ["is not there", { holder: "a" }],
];

for (const [what, { pin, b = {}, holder, status, reason, says }] of ROWS) {
  Deno.test(`a pin that ${what} is told as it is`, () => {
    const state = cluster({
      nodes: { a: {}, b },
      gateways: [gateway("gw", pin === undefined ? {} : { pin })],
    });
    const plan = decide(state);
    const planned = gatewayPlan(plan);
    assert.equal(planned.activeNodeName, holder);
    const { conditions = [] } = applyPlan(state, plan).gateways[0]?.status ?? {};
    const pinned = conditions.find(({ type }) => type === "Pinned");
    assert.deepEqual([pinned?.status, pinned?.reason], [status, reason]);
    if (says === undefined) return assert.doesNotMatch(planned.message, /The pin/);
    for (const text of [planned.message, pinned?.message ?? "", explainGateway(planned, plan)]) {
      assert.match(text, says);
    }
  });
}
