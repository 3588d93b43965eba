/** What a gateway's status says, and that it is written only when something changed. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { rfc3339 } from "../../src/core/time.ts";
import type { Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import {
  at,
  cluster,
  edit,
  gateway,
  invalid,
  lastRenewed,
  NOW,
  policy,
  VIP,
} from "../support/builders.ts";
import type { GatewayOptions, Machine } from "../support/builders.ts";
import { later, running } from "../support/obedient_agents.ts";
import { found, gatewayCondition, statusAfter, writes } from "../support/read_plan.ts";

const SICK: Machine = { node: { ready: false } };

function world(nodes: Readonly<Record<string, Machine>>, options: GatewayOptions = {}): Snapshot {
  return cluster({ nodes, gateways: [gateway("gw", options)], policies: [policy("web")] });
}

Deno.test("the whole status of a healthy gateway", () => {
  const before = world({ a: {}, b: {} });
  const since = rfc3339(NOW - 3_600_000);
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    reason,
    message,
    lastTransitionTime: at(0),
    observedGeneration: 1,
  });
  assert.deepEqual(statusAfter(before, decide(before)), {
    observedGeneration: 1,
    activeNodeName: "a",
    activeNodeAddresses: found(before.nodes[0], "node").internalIPs,
    standbyNodeNames: ["b"],
    readyNodes: 2,
    term: 1,
    phase: "Active",
    candidates: [
      { node: "a", eligible: true, eligibleSince: since, rank: 0, reasons: [] },
      { node: "b", eligible: true, eligibleSince: since, rank: 0, reasons: [] },
    ],
    lastFailover: {
      to: "a",
      reason: "a is the best-ranked eligible node",
      startTime: at(0),
      durationMilliseconds: 0,
    },
    history: [{
      term: 1,
      time: at(0),
      to: "a",
      reason: "Elected",
      message: "a is the best-ranked eligible node",
      planned: true,
      durationMilliseconds: 0,
    }],
    conditions: [
      condition("Ready", "True", "Active", "a is active"),
      condition("Degraded", "False", "AllEligible", "All candidates are eligible"),
      condition("NoStandby", "False", "StandbyEligible", "b would take over"),
      condition("AddressConflict", "False", "NoConflict", "No other owner of the address is known"),
    ],
  });
});

const CONDITIONS: readonly {
  readonly name: string;
  readonly before: Snapshot;
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly says: RegExp;
}[] = [
  {
    name: "Ready is False while nobody is eligible",
    before: world({ a: SICK }),
    type: "Ready",
    status: "False",
    reason: "NoEligibleNode",
    says: /^None of 1 candidates is eligible$/,
  },
  {
    name: "Ready is False while the last holder is only kept",
    before: world({ a: SICK }, { status: { activeNodeName: "a", term: 1, phase: "Active" } }),
    type: "Ready",
    status: "False",
    reason: "NoEligibleNode",
    says: /a stays named since whenNoneEligible is Keep/,
  },
  {
    name: "Ready is False while a handover is under way",
    before: world({ a: {} }, { vip: VIP }),
    type: "Ready",
    status: "False",
    reason: "Preparing",
    says: /^Handover to a is under way: a has not yet reported/,
  },
  {
    name: "Degraded names the excluded candidates and why",
    before: world({ a: {}, b: SICK, c: { node: { cordoned: true } } }),
    type: "Degraded",
    status: "True",
    reason: "CandidatesExcluded",
    says: /^Not eligible: b \(NodeNotReady\), c \(NodeCordoned\)$/,
  },
  {
    name: "Degraded names five of many excluded candidates",
    before: world({ a: {}, b: SICK, c: SICK, d: SICK, e: SICK, f: SICK, g: SICK, h: SICK }),
    type: "Degraded",
    status: "True",
    reason: "CandidatesExcluded",
    says: /f \(NodeNotReady\) and 2 more$/,
  },
  {
    name: "NoStandby is True when no other node could take over",
    before: world({ a: {}, b: SICK }),
    type: "NoStandby",
    status: "True",
    reason: "NoEligibleNode",
    says: /^No other node could take over$/,
  },
  {
    name: "AddressConflict is True when a standby sees a foreign owner of the VIP",
    before: world({
      a: {},
      b: {
        lease: {
          report: {
            failures: [{ gateway: "gw", reason: "AddressConflict", message: "02:..:07 answers" }],
          },
        },
      },
    }, { vip: VIP }),
    type: "AddressConflict",
    status: "True",
    reason: "AnotherOwner",
    says: /^Seen from b: 02:\.\.:07 answers$/,
  },
];

for (const { name, before, type, status, reason, says } of CONDITIONS) {
  Deno.test(name, () => {
    const condition = gatewayCondition(before, decide(before), type);
    assert.deepEqual([condition.status, condition.reason], [status, reason]);
    assert.match(condition.message, says);
  });
}

for (const options of [{}, { vip: VIP }] satisfies GatewayOptions[]) {
  const mode = "vip" in options ? "VIP" : "primary-IP";
  Deno.test(`${mode} mode: nothing is written while nothing changes, for half a minute`, () => {
    const before = running(world({ a: {}, b: {}, c: SICK, d: { cilium: null } }, options));
    for (let second = 1; second <= 30; second++) {
      assert.deepEqual(writes(decide(later(before, second))), [], `second ${second}`);
    }
  });

  Deno.test(`${mode} mode: a node that stays silent is written about once`, () => {
    let state = lastRenewed(running(world({ a: {}, b: {}, c: {} }, options)), { c: 4 });
    state = applyPlan(state, decide(state));
    for (let second = 1; second <= 30; second++) {
      assert.deepEqual(writes(decide(later(state, second, ["c"]))), [], `second ${second}`);
    }
  });
}

Deno.test("a Cilium that is tolerated for a while is written about twice: when it fails and when time is up", () => {
  let state = edit(
    running(world({ a: {}, b: {} }, { failureDetection: { ciliumAgentGraceSeconds: 20 } })),
    { ciliumPods: { b: null } },
  );
  const written: number[] = [];
  for (let second = 0; second < 40; second++) {
    const plan = decide(state);
    if (plan.changes.length > 0) written.push(second);
    state = later(applyPlan(state, plan), 1);
  }
  assert.deepEqual(written, [0, 20]);
});

Deno.test("transition times move only with a real transition", () => {
  const healthy = running(world({ a: {}, b: {} }));
  const first = later(edit(healthy, { nodes: { b: { ready: "False" } } }), 10);
  const degraded = gatewayCondition(first, decide(first), "Degraded");
  assert.equal(degraded.lastTransitionTime, rfc3339(first.now));
  // Another reason, the same status.
  const stored = applyPlan(first, decide(first));
  const second = later(edit(stored, { nodes: { b: { ready: "True", cordoned: true } } }), 10);
  const still = gatewayCondition(second, decide(second), "Degraded");
  assert.match(still.message, /NodeCordoned/);
  assert.equal(still.lastTransitionTime, degraded.lastTransitionTime);
  // Another reason of the condition itself.
  const third = lastRenewed(applyPlan(second, decide(second)), { a: 30, b: 30 });
  const ignored = gatewayCondition(third, decide(third), "Degraded");
  assert.equal(ignored.reason, "HeartbeatsIgnored");
  assert.equal(ignored.lastTransitionTime, degraded.lastTransitionTime);
  const ready = gatewayCondition(second, decide(second), "Ready");
  assert.equal(ready.lastTransitionTime, at(0));
});

Deno.test("observedGeneration follows the generation that was decided", () => {
  const before = edit(running(world({ a: {} })), { gateways: { gw: { generation: 7 } } });
  const status = statusAfter(before, decide(before));
  assert.equal(status.observedGeneration, 7);
  assert.deepEqual(status.conditions?.map((each) => each.observedGeneration), [7, 7, 7, 7]);
});

Deno.test("standbys are the best-ranked eligible nodes beside the holder, as many as are wanted", () => {
  const nodes = { a: {}, b: {}, c: SICK, d: {}, e: {} };
  const standbys = (options: GatewayOptions) => {
    const before = world(nodes, options);
    return statusAfter(before, decide(before)).standbyNodeNames;
  };
  assert.deepEqual(standbys({}), ["b", "d"]);
  assert.deepEqual(standbys({ vip: VIP, standbys: 1 }), ["b"]);
  assert.deepEqual(standbys({ vip: VIP, standbys: 3 }), ["b", "d", "e"]);
  assert.deepEqual(standbys({ vip: VIP, standbys: 0 }), []);
});

Deno.test("a failover of a primary-IP gateway is Active in the same write, with from and to", () => {
  const before = edit(running(world({ a: {}, b: {} })), { nodes: { a: { ready: "False" } } });
  const plan = decide(before);
  const status = statusAfter(before, plan);
  assert.deepEqual([status.phase, status.term, status.activeNodeName], ["Active", 2, "b"]);
  assert.deepEqual([status.lastFailover?.from, status.lastFailover?.to], ["a", "b"]);
  assert.equal(status.lastFailover?.durationMilliseconds, 0);
  assert.equal(plan.changes.filter(({ kind }) => kind === "EgressGateway").length, 1);
});

Deno.test("a status that somebody wiped is decided anew, with the same holder", () => {
  const before = edit(running(world({ a: {}, b: {} })), { gateways: { gw: { status: {} } } });
  const after = applyPlan(before, decide(before));
  assert.equal(after.gateways[0]?.status.activeNodeName, "a");
  assert.deepEqual(decide(after).changes, []);
});

// ---------------------------------------------------------------- objects that do not decode

Deno.test("a gateway that cannot be read says so in its Ready condition, and keeps its others", () => {
  const kept = {
    type: "Degraded",
    status: "False",
    reason: "AllEligible",
    message: "All candidates are eligible",
    lastTransitionTime: at(-60),
    observedGeneration: 1,
  } as const;
  const before = cluster({
    nodes: {},
    invalid: [
      invalid("EgressGateway", "gw", {
        resourceVersion: "7",
        generation: 2,
        conditions: [kept],
        message: "spec.sourceIP.mode is 'VIP': write 'VirtualIPAddress'",
      }),
    ],
  });
  const plan = decide(before);
  const after = applyPlan(before, plan);
  assert.deepEqual(after.invalid[0]?.conditions, [kept, {
    type: "Ready",
    status: "False",
    reason: "InvalidSpec",
    message: "spec.sourceIP.mode is 'VIP': write 'VirtualIPAddress'",
    lastTransitionTime: at(0),
    observedGeneration: 2,
  }]);
  assert.deepEqual(decide(after).changes, []);
  assert.deepEqual(plan.warnings, [
    "EgressGateway 'gw' is left out: spec.sourceIP.mode is 'VIP': write 'VirtualIPAddress'",
  ]);
});

Deno.test("a policy that cannot be read says so in its Accepted condition", () => {
  const before = cluster({
    nodes: {},
    invalid: [invalid("EgressGatewayPolicy", "web", { resourceVersion: "7" })],
  });
  const [condition] = applyPlan(before, decide(before)).invalid[0]?.conditions ?? [];
  assert.deepEqual([condition?.type, condition?.reason], ["Accepted", "InvalidSpec"]);
});

Deno.test("other objects that cannot be read are only warned about", () => {
  const kinds = ["Node", "Pod", "Lease", "CiliumEgressGatewayPolicy"] as const;
  const before = cluster({
    nodes: {},
    invalid: kinds.map((kind) => invalid(kind, "x", { resourceVersion: "7" })),
  });
  const plan = decide(before);
  assert.deepEqual(plan.changes, []);
  assert.deepEqual(plan.warnings.length, 4);
  assert.match(plan.warnings[0] ?? "", /^CiliumEgressGatewayPolicy 'x' is left out: /);
});

Deno.test("an object that cannot be read does not keep others from being decided", () => {
  const before = cluster({
    nodes: { a: {} },
    gateways: [gateway("gw")],
    invalid: [invalid("EgressGateway", "other", { resourceVersion: "7" })],
  });
  assert.equal(statusAfter(before, decide(before)).activeNodeName, "a");
});
