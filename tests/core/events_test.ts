/** The Events that operators read later. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import type { PlannedEvent, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import {
  cluster,
  edit,
  foreignCiliumPolicy,
  gateway,
  lastRenewed,
  LONG_AGO,
  policy,
  VIP,
} from "../support/builders.ts";
import { later, obey, running } from "../support/obedient_agents.ts";

const three = { a: {}, b: {}, c: {} };
const primary = () => running(cluster({ nodes: three, gateways: [gateway("gw")] }));
const virtual = () => running(cluster({ nodes: three, gateways: [gateway("gw", { vip: VIP })] }));
const sick = { ready: "False" } as const;

const ROWS: readonly {
  readonly when: string;
  readonly before: () => Snapshot;
  readonly events: readonly (readonly [PlannedEvent["type"], PlannedEvent["reason"], RegExp])[];
}[] = [
  {
    when: "a gateway is elected for the first time",
    before: () => cluster({ nodes: three, gateways: [gateway("gw")] }),
    events: [["Normal", "Elected", /^a is the best-ranked eligible node$/]],
  },
  {
    when: "the holder fails",
    before: () => edit(primary(), { nodes: { a: sick } }),
    events: [["Warning", "FailedOver", /^a: NodeNotReady: .*; b is the best-ranked/]],
  },
  {
    when: "the holder of a prepared VIP dies",
    before: () => lastRenewed(virtual(), { a: 4 }),
    events: [
      ["Warning", "FailedOver", /HeartbeatStale/],
      ["Normal", "VirtualIPBound", /^b holds 172\.18\.18\.242 since term 2$/],
    ],
  },
  {
    when: "a better-ranked node takes the role back",
    before: () => {
      const failed = edit(primary(), { nodes: { a: sick } });
      const back = edit(applyPlan(failed, decide(failed)), { nodes: { a: { ready: "True" } } });
      return later(applyPlan(back, decide(back)), 10);
    },
    events: [["Normal", "FailedBack", /^a is ranked better than b/]],
  },
  {
    when: "a pin moves the gateway",
    before: () =>
      edit(primary(), {
        gateways: { gw: { annotations: gateway("gw", { pin: "c" }).annotations } },
      }),
    events: [["Normal", "Moved", /^c is pinned and eligible$/]],
  },
  {
    when: "the holder is cordoned, as by a drain",
    before: () => edit(primary(), { nodes: { a: { cordoned: true } } }),
    events: [["Normal", "Moved", /^a: NodeCordoned: .*; b is the best-ranked/]],
  },
  {
    when: "a pin names a node that is not eligible",
    before: () =>
      edit(primary(), {
        nodes: { c: { cordoned: true } },
        gateways: { gw: { annotations: gateway("gw", { pin: "c" }).annotations } },
      }),
    events: [[
      "Normal",
      "PinNotObeyed",
      /^The pin names c, which may not hold it now: NodeCordoned/,
    ]],
  },
  {
    when: "the only node comes back",
    before: () => {
      const gone = edit(primary(), { nodes: { a: sick, b: sick, c: sick } });
      return later(edit(applyPlan(gone, decide(gone)), { nodes: { a: { ready: "True" } } }), 60);
    },
    events: [[
      "Normal",
      "Recovered",
      /^a is active; it was not ready since 2026-11-23T10:00:0\dZ$/,
    ]],
  },
  {
    when: "another node comes back than the one that failed",
    before: () => {
      const gone = edit(primary(), { nodes: { a: sick, b: sick, c: sick } });
      return later(edit(applyPlan(gone, decide(gone)), { nodes: { c: { ready: "True" } } }), 60);
    },
    events: [
      ["Warning", "FailedOver", /^a: NodeNotReady/],
      ["Normal", "Recovered", /^c is active; it was not ready since/],
    ],
  },
  {
    when: "nobody is eligible any more",
    before: () => edit(primary(), { nodes: { a: sick, b: sick, c: sick } }),
    events: [["Warning", "NoEligibleNode", /^None of 3 candidates is eligible; a stays named/]],
  },
  {
    when: "another gateway asks for the VIP",
    before: () => {
      const before = virtual();
      const younger = gateway("two", { vip: VIP, createdAt: LONG_AGO + 1 });
      const told = { ...before, gateways: [...before.gateways, younger] };
      const { gateways } = applyPlan(told, decide(told));
      // Only the older one's event is looked at.
      const seen = gateways.filter(({ name }) => name === "two");
      return { ...before, gateways: [...before.gateways, ...seen] };
    },
    events: [["Warning", "AddressConflict", /is also the virtual IP of two/]],
  },
  { when: "nothing happens", before: primary, events: [] },
  { when: "nothing happens (VIP mode)", before: virtual, events: [] },
  {
    when: "only a standby fails",
    before: () => edit(primary(), { nodes: { b: sick } }),
    events: [],
  },
];

for (const { when, before, events } of ROWS) {
  Deno.test(`events when ${when}: ${events.map(([, reason]) => reason).join(", ") || "none"}`, () => {
    const planned = decide(before()).events;
    assert.deepEqual(
      planned.map(({ type, reason }) => [type, reason]),
      events.map(([type, reason]) => [type, reason]),
    );
    for (const [index, [, , says]] of events.entries()) {
      assert.match(planned[index]?.message ?? "", says);
      assert.deepEqual([planned[index]?.name, planned[index]?.uid], ["gw", "uid-gw"]);
    }
  });
}

Deno.test("each event of a handover is told once, over all its ticks", () => {
  let state = edit(virtual(), {
    gateways: { gw: { annotations: gateway("gw", { pin: "b" }).annotations } },
  });
  const told: string[] = [];
  for (let second = 0; second < 6; second++) {
    const plan = decide(state);
    told.push(...plan.events.map(({ reason }) => reason));
    state = obey(later(applyPlan(state, plan), 1));
  }
  assert.deepEqual(told, ["Moved", "VirtualIPBound"]);
});

const policyEvents = (state: Snapshot) =>
  decide(state).events.filter(({ kind }) => kind === "EgressGatewayPolicy")
    .map(({ type, reason, name, message }) => [`${type} ${reason} ${name}`, message] as const);

Deno.test("a policy's events: active, in trouble for a reason that can be counted, recovered, and quiet between", () => {
  const first = cluster({ nodes: three, gateways: [gateway("gw")], policies: [policy("web")] });
  assert.deepEqual(policyEvents(first), [["Normal Active web", "Traffic leaves by a"]]);
  const state = running(first);
  assert.deepEqual(policyEvents(state), []);
  const orphaned = edit(state, { gateways: { gw: null } });
  assert.deepEqual(policyEvents(orphaned).map(([event]) => event), ["Warning GatewayNotFound web"]);
  const after = applyPlan(orphaned, decide(orphaned));
  assert.deepEqual(policyEvents(later(after, 1)), []);
  const back = { ...later(after, 60), gateways: [...state.gateways] };
  const [[event, message] = []] = policyEvents(back);
  assert.equal(event, "Normal Recovered web");
  assert.match(message ?? "", /^Traffic leaves by a; it was not ready since /);
  const clash = { ...first, ciliumPolicies: [foreignCiliumPolicy("web")] };
  assert.deepEqual(policyEvents(clash).map(([event]) => event), ["Warning NameClash web"]);
});

Deno.test("what another version words differently is no event as long as it is not written", () => {
  const state = edit(primary(), { nodes: { a: sick, b: sick, c: sick } });
  const down = applyPlan(state, decide(state));
  const reworded = {
    ...down,
    gateways: down.gateways.map((one) => ({
      ...one,
      statusWrittenAt: down.now,
      status: {
        ...one.status,
        conditions: (one.status.conditions ?? []).map((each) => ({ ...each, reason: "Other" })),
      },
    })),
  };
  assert.deepEqual(decide(reworded).events, []);
});
