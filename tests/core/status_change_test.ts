/** Two controllers that say the same in other words leave each other's status alone. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { TIMINGS } from "../../src/core/timings.ts";
import type { GatewayStatus, Milliseconds, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, edit, gateway, invalid, NOW, policy } from "../support/builders.ts";
import { holds } from "../support/holds.ts";
import { running } from "../support/obedient_agents.ts";
import { writes } from "../support/read_plan.ts";

const MINUTE = 60_000;

/** As a controller of another version would have written it. */
function reworded(status: GatewayStatus): GatewayStatus {
  const { conditions, candidates } = status;
  const words = (message: string) => `In other words: ${message}`;
  return {
    ...status,
    ...(conditions === undefined ? {} : {
      conditions: conditions.map((one) => ({
        ...one,
        reason: `${one.reason}Too`,
        message: words(one.message),
      })),
    }),
    ...(candidates === undefined ? {} : {
      candidates: candidates.map((one) => ({
        ...one,
        reasons: one.reasons.map((reason) => ({ ...reason, message: words(reason.message) })),
      })),
    }),
  };
}

/** The other version's controller wrote everything so long ago. */
function byAnother(
  state: Snapshot,
  { ago, change = reworded }: {
    /** Undefined: nobody says. */
    ago: Milliseconds | undefined;
    change?: (status: GatewayStatus) => GatewayStatus;
  },
): Snapshot {
  const written = ago === undefined ? {} : { statusWrittenAt: state.now - ago };
  return {
    ...state,
    gateways: state.gateways.map((one) => ({
      ...one,
      status: change(one.status),
      ...written,
    })),
    policies: state.policies.map((one) => ({
      ...one,
      status: change(one.status),
      ...written,
    })),
    invalid: state.invalid.map((one) => ({
      ...one,
      ...change({ conditions: one.conditions ?? [] }),
      ...written,
    })),
  };
}

const settled = () =>
  running(cluster({
    nodes: { a: {}, b: { node: { cordoned: true } } },
    gateways: [gateway("gw")],
    policies: [policy("web")],
  }));

Deno.test("other words are left alone for a while, then they are ours", () => {
  const state = settled();
  assert.deepEqual(writes(decide(state)), []);
  for (const ago of [0, 1_000, TIMINGS.rewordMilliseconds - 1_000]) {
    assert.deepEqual(writes(decide(byAnother(state, { ago }))), [], `${ago} ms ago`);
  }
  const statuses = ["patch EgressGateway/gw", "patch EgressGatewayPolicy/web"];
  const late = byAnother(state, { ago: TIMINGS.rewordMilliseconds });
  assert.deepEqual(writes(decide(late)), statuses);
  // A dump without managedFields does not tell.
  const unknown = byAnother(state, { ago: undefined });
  assert.deepEqual(writes(decide(unknown)), statuses);
});

Deno.test("a condition that the other version does not know waits as well, and so does one that we do not know", () => {
  const state = settled();
  const without = byAnother(state, {
    ago: 1_000,
    change: ({ conditions = [], ...rest }) => ({ ...rest, conditions: conditions.slice(1) }),
  });
  assert.deepEqual(writes(decide(without)), []);
  const condition = {
    type: "Balanced",
    status: "True" as const,
    reason: "New",
    message: "",
    lastTransitionTime: "2026-11-23T10:00:00Z",
    observedGeneration: 1,
  };
  const more = byAnother(state, {
    ago: 1_000,
    change: ({ conditions = [], ...rest }) => ({ ...rest, conditions: [...conditions, condition] }),
  });
  assert.deepEqual(writes(decide(more)), []);
});

Deno.test("what is so is written at once, whoever wrote last", () => {
  const state = byAnother(settled(), { ago: 0 });
  const moved = decide(edit(state, { nodes: { a: { cordoned: true } } }));
  assert.ok(writes(moved).includes("patch EgressGateway/gw"), "an ineligible holder");
  const back = decide(edit(state, { nodes: { b: { cordoned: false } } }));
  assert.ok(writes(back).includes("patch EgressGateway/gw"), "one more candidate");
  const edited = decide(edit(state, { policies: { web: { generation: 2 } } }));
  assert.ok(writes(edited).includes("patch EgressGatewayPolicy/web"), "a changed policy");
  const never = decide(edit(state, { gateways: { gw: { status: {} } } }));
  assert.ok(writes(never).includes("patch EgressGateway/gw"), "an empty status");
});

Deno.test("an object that neither can read is told so in one version's words", () => {
  const state = cluster({
    nodes: { a: {} },
    gateways: [],
    invalid: [invalid("EgressGateway", "g", { resourceVersion: "7", generation: 1 })],
  });
  const [change] = decide(state).changes;
  assert.ok(change);
  const { conditions } = (change.body as { status: { conditions: [] } }).status;
  const told = { ...state, invalid: state.invalid.map((one) => ({ ...one, conditions })) };
  assert.deepEqual(writes(decide(told)), []);
  assert.deepEqual(writes(decide(byAnother(told, { ago: MINUTE }))), ["patch EgressGateway/g"]);
  assert.deepEqual(writes(decide(byAnother(told, { ago: 1_000 }))), []);
});

holds("in no cluster do words alone make a write while they are fresh", (snapshot) => {
  let state = snapshot;
  for (let tick = 0; tick < 5; tick++) state = applyPlan(state, decide(state));
  // What goes on, a move that waits, goes on in either version's words.
  const before = writes(decide(byAnother(state, { ago: 1_000, change: (status) => status })));
  assert.deepEqual(writes(decide(byAnother(state, { ago: 1_000 }))), before);
});

Deno.test("two versions at rest write a status each now and then, not each second", () => {
  // Each sees the other's words each second, and writes when it may.
  let state = byAnother(settled(), { ago: 0 });
  let count = 0;
  for (let second = 0; second < 300; second++) {
    const plan = decide(state);
    count += plan.changes.length;
    const written = plan.changes.length === 0
      ? state
      : byAnother(applyPlan(state, plan), { ago: 0 });
    state = { ...written, now: NOW + second * 1_000 };
  }
  const periods = 300_000 / TIMINGS.rewordMilliseconds;
  assert.ok(count > 0 && count <= 2 * periods, `${count} writes of two statuses in 300 s`);
});
