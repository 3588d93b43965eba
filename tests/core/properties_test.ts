/** What holds for every cluster whatsoever. A failure prints its seed; run again with `fc.assert(..., { seed })`. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decide } from "../../src/core/decide.ts";
import { gatherFacts } from "../../src/core/facts.ts";
import { ignoredTargets } from "../../src/core/uplinks.ts";
import { virtualIPOf } from "../../src/core/reports.ts";
import type { Lease, Plan, Snapshot } from "../../src/core/types.ts";
import { applyPlan, applyWhatFits } from "../support/apply_plan.ts";
import { anySnapshot } from "../support/arbitrary_snapshot.ts";
import { cluster, edit, gateway, policy, withoutMachine } from "../support/builders.ts";
import { later, obey } from "../support/obedient_agents.ts";
import { holds } from "../support/holds.ts";
import { MOST_LOST_TERMS } from "../../src/core/terms.ts";
import { property } from "../support/property.ts";
import { found, gatewayPlan } from "../support/read_plan.ts";

const json = (value: unknown): string => JSON.stringify(value);

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

const shuffled = <T>(list: readonly T[]): fc.Arbitrary<readonly T[]> =>
  fc.shuffledSubarray([...list], { minLength: list.length });

/** A snapshot, and the same one with every list in another order. */
const anyShuffled = anySnapshot.chain((snapshot) =>
  fc.record({
    now: fc.constant(snapshot.now),
    nodes: shuffled(snapshot.nodes),
    ciliumPods: shuffled(snapshot.ciliumPods),
    agentPods: shuffled(snapshot.agentPods),
    leases: shuffled(snapshot.leases),
    gateways: shuffled(snapshot.gateways),
    policies: shuffled(snapshot.policies),
    ciliumPolicies: shuffled(snapshot.ciliumPolicies),
    invalid: shuffled(snapshot.invalid),
  }).map((other) => [snapshot, other] as const)
);

property("the order in which objects are listed does not matter", anyShuffled, (both) => {
  const [snapshot, other] = both;
  assert.equal(json(decide(other)), json(decide(snapshot)));
});

holds("a snapshot is never changed by deciding it", (snapshot) => {
  decide(deepFreeze(structuredClone(snapshot)));
});

holds("a plan is plain JSON", (snapshot) => {
  const plan = decide(snapshot);
  assert.deepEqual(JSON.parse(json(plan)), plan);
});

holds("a plan that was written leaves nothing to do for primary-IP gateways", (snapshot) => {
  // A holder that was Unreachable is HeartbeatStale as soon as it holds nothing.
  const before = {
    ...snapshot,
    gateways: snapshot.gateways.filter(({ spec }) => spec.sourceIP.mode !== "VirtualIPAddress"),
    leases: snapshot.leases.map(withoutAccusations),
  };
  assert.deepEqual(decide(applyPlan(before, decide(before))).changes, []);
});

/** Balanced gateways look at each other; `balance_test.ts` has what holds for them. */
function unbalanced({ gateways, ...rest }: Snapshot): Snapshot {
  return {
    ...rest,
    gateways: gateways.map(({ spec, ...gateway }) => ({
      ...gateway,
      spec: { ...spec, strategy: spec.strategy === "Balanced" ? "Hash" : spec.strategy },
    })),
  };
}

function withoutAccusations(lease: Lease): Lease {
  return lease.report === undefined
    ? lease
    : { ...lease, report: { ...lease.report, unreachable: [] } };
}

holds("with agents that obey, every cluster comes to rest", (snapshot) => {
  let state = snapshot;
  const busy: number[] = [];
  // Waits of up to 10 s for failback or Cilium, and 65 s for one that could not bind.
  for (let second = 0; second < 100; second++) {
    const plan = decide(state);
    if (plan.changes.length > 0) busy.push(second);
    state = later(obey(applyPlan(state, plan)), 1);
  }
  assert.ok((busy.at(-1) ?? 0) < 85, `still busy: seconds ${busy.join(", ")}`);
  assert.ok(busy.length <= 15, `busy in ${busy.length} ticks: seconds ${busy.join(", ")}`);
}, { runs: 60 });

holds("a tick that dies anywhere is made good by the next ones", (snapshot) => {
  const whole = rest(snapshot);
  const { changes } = decide(snapshot);
  for (let limit = 0; limit < changes.length; limit += 3) {
    const after = rest(applyWhatFits(snapshot, { changes }, { limit }));
    assert.equal(json(egressOf(after)), json(egressOf(whole)), `died after ${limit} writes`);
  }
}, { runs: 40 });

/** Until after a minute, when nothing is remembered any more that keeps a node out. */
function rest(state: Snapshot): Snapshot {
  for (let tick = 0; tick < 35; tick++) {
    state = later(obey(applyPlan(state, decide(state))), tick === 20 ? 61 : 1);
  }
  return state;
}

/** Who holds what, and where Cilium sends the traffic. */
function egressOf({ gateways, ciliumPolicies }: Snapshot): unknown {
  return {
    holders: gateways.map(({ name, status }) => [name, status.activeNodeName, status.phase]),
    routes: ciliumPolicies.map(({ name, spec }) => [name, spec["egressGateway"]]).sort(),
  };
}

/** Uplink targets that count for nothing. */
function ignoredBy(snapshot: Snapshot, name: string): string {
  const gateway = found(snapshot.gateways.find((each) => each.name === name), name);
  return ignoredTargets(gateway, gatherFacts(snapshot)).join();
}

holds("a node that holds nothing, nor did just now, can go without moving anybody", (snapshot) => {
  const calm = { ...unbalanced(snapshot), leases: snapshot.leases.map(withoutAccusations) };
  const before = decide(calm);
  for (const { name } of calm.nodes) {
    const after = decide(withoutMachine(calm, name));
    // One voter less may change whether heartbeats are believed.
    if (before.heartbeatsIgnored || after.heartbeatsIgnored) continue;
    for (const gateway of before.gateways) {
      // Nor one that heard a target.
      if (ignoredBy(calm, gateway.name) !== ignoredBy(withoutMachine(calm, name), gateway.name)) {
        continue;
      }
      if (gateway.activeNodeName === name || gateway.previousNodeName === name) continue;
      // What was heard on the wire may have been the last holder, as long as nothing is known of it.
      const { lastFailover } = found(calm.gateways.find((each) => each.name === gateway.name), "g")
        .status;
      if (lastFailover?.from === name) continue;
      assert.equal(gatewayPlan(after, gateway.name).activeNodeName, gateway.activeNodeName);
    }
  }
});

holds("nobody holds a gateway who may not while another may", (snapshot) => {
  for (const { activeNodeName, candidates } of decide(snapshot).gateways) {
    if (!candidates.some(({ eligible }) => eligible)) continue;
    const holder = candidates.find(({ node }) => node === activeNodeName);
    assert.equal(holder?.eligible, true);
  }
});

holds("another gateway or policy changes nothing for the first ones", (any) => {
  const snapshot = unbalanced(any);
  const more = {
    ...snapshot,
    gateways: [...snapshot.gateways, gateway("added", { vip: "172.18.18.200" })],
    policies: [
      ...snapshot.policies,
      policy("added", { gateway: "added" }),
      policy("g0-too", { gateway: "g0" }),
    ],
  };
  const own = (plan: Plan) => ({
    gateways: plan.gateways.filter(({ name }) => name !== "added"),
    policies: plan.policies.filter(({ name }) => !["added", "g0-too"].includes(name)),
    // Which of a gateway's policies is written first is another matter.
    changes: plan.changes.filter(({ kind, group, name }) =>
      kind !== "Node" && group !== "added" && name !== "g0-too"
    ).map(({ stage, ...change }) =>
      change.kind === "CiliumEgressGatewayPolicy" ? change : { ...change, stage }
    ),
    events: plan.events.filter(({ name }) => !["added", "g0-too"].includes(name)),
  });
  // A node's fence is one write for all gateways that wait for it.
  const text = (plan: Plan) => json(own(plan)).replaceAll(/\\"uid-added\\":\d+,?/g, "");
  assert.equal(text(decide(more)), text(decide(snapshot)));
});

holds(
  "a term grows exactly when the holder or its virtual IP changes, or the holder knows a later one",
  (snapshot) => {
    for (const planned of decide(snapshot).gateways) {
      const before = found(snapshot.gateways.find(({ name }) => name === planned.name), "gateway");
      const { term = 0, activeNodeName = null, egressIP, phase } = before.status;
      const lease = snapshot.leases.find(({ name }) => name === activeNodeName);
      const told = [
        lease?.fence[before.uid] ?? 0,
        ...(lease?.report?.addresses ?? []).map(({ uid, term }) => uid === before.uid ? term : 0),
      ];
      const changes = planned.activeNodeName !== activeNodeName || activeNodeName !== null &&
          (phase === undefined || egressIP !== virtualIPOf(before) ||
            egressIP !== undefined && Math.max(...told) > term);
      if (changes) assert.ok(planned.term > term && planned.term <= term + MOST_LOST_TERMS + 1);
      else assert.equal(planned.term, term);
    }
  },
);

holds(
  "no write is empty, and each write of an existing object names its resourceVersion",
  (snapshot) => {
    for (const { action, kind, name, body } of decide(snapshot).changes) {
      assert.notDeepEqual(body, {});
      if (action === "create") continue;
      const { metadata = {}, preconditions = {}, ...rest } = body as Record<string, object>;
      const version = action === "delete" ? preconditions : metadata;
      assert.ok("resourceVersion" in version, `${action} ${kind} ${name}`);
      if (action === "delete") assert.ok("uid" in preconditions);
      else assert.ok(Object.keys(metadata).length > 1 || Object.keys(rest).length > 0);
    }
  },
);

holds("Cilium policies that are not ours are never written", (snapshot) => {
  const theirs = snapshot.ciliumPolicies.filter(({ labels }) => Object.keys(labels).length === 0);
  for (const { kind, name } of decide(snapshot).changes) {
    assert.ok(
      kind !== "CiliumEgressGatewayPolicy" || !theirs.some((policy) => policy.name === name),
      name,
    );
  }
});

holds("changes of a group come in the order of their stages", ({ ...snapshot }) => {
  const stages = new Map<string, number>();
  for (const { group, stage } of decide(snapshot).changes) {
    assert.ok(stage >= (stages.get(group) ?? 0));
    stages.set(group, stage);
  }
});

// ---------------------------------------------------------------- slow agents, late and dying ticks

type Step =
  | { readonly does: "second" }
  | { readonly does: "tick"; readonly late: number; readonly dies: number }
  | { readonly does: "renew"; readonly node: string; readonly reads: boolean }
  | { readonly does: "cordon"; readonly node: string; readonly cordoned: boolean }
  | { readonly does: "pin"; readonly node: string };

const NAMES = ["a", "b", "c"] as const;
const someNode = fc.constantFrom(...NAMES);
const someStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ does: "second" }) },
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant("tick" as const),
      late: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 12 })),
      dies: fc.oneof(fc.constant(99), fc.integer({ min: 0, max: 9 })),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      does: fc.constant("renew" as const),
      node: someNode,
      reads: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("cordon" as const),
      node: someNode,
      cordoned: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("pin" as const), node: someNode }) },
);

/** Until when each agent may send ARP for the VIP, by the kernel's clock. */
type Speech = Readonly<Record<string, number>>;

property(
  "whatever is late, dies or overlaps: no two agents ever speak for one VIP",
  fc.array(someStep, { minLength: 60, maxLength: 160 }),
  (steps) => {
    let state = cluster({
      nodes: { a: {}, b: {}, c: {} },
      // A dead holder is told by its Lease alone here; see the table for peers.
      gateways: [gateway("gw", { vip: "172.18.18.242", failureDetection: { peers: false } })],
      policies: [policy("web")],
    });
    const seen = [state];
    const views: Record<string, Snapshot> = { a: state, b: state, c: state };
    let speech: Speech = {};
    for (const step of steps) {
      switch (step.does) {
        case "second":
          state = { ...state, now: state.now + 1_000 };
          break;
        case "tick":
          state = applyWhatFits(state, decide(seen.at(-1 - step.late) ?? state), {
            limit: step.dies,
          });
          break;
        case "cordon":
          state = edit(state, { nodes: { [step.node]: { cordoned: step.cordoned } } });
          break;
        case "pin":
          state = edit(state, {
            gateways: { gw: { annotations: gateway("gw", { pin: step.node }).annotations } },
          });
          break;
        case "renew":
          if (step.reads) views[step.node] = state;
          ({ state, speech } = renew(state, speech, step.node, views[step.node] ?? state));
      }
      seen.push(state);
      const speaking = NAMES.filter((name) => (speech[name] ?? 0) > state.now);
      assert.ok(speaking.length <= 1, `${speaking.join(" and ")} speak`);
    }
    // What counts is how often the gateway moved.
    return state.gateways[0]?.status.term ?? 0;
  },
  { runs: 250 },
);

/** One agent renews: it says what it does by the statuses that it last read, and obeys the fence in the answer. */
function renew(
  state: Snapshot,
  speech: Speech,
  node: string,
  view: Snapshot,
): { readonly state: Snapshot; readonly speech: Speech } {
  const others = NAMES.filter((name) => name !== node);
  const { gateways, ...rest } = state;
  const obeyed = obey({ ...rest, gateways: view.gateways }, others);
  const after = { ...obeyed, gateways };
  const lease = found(after.leases.find(({ name }) => name === node), node);
  const said = lease.report?.addresses[0];
  const may = said?.speaking === true && (lease.fence["uid-gw"] ?? 0) <= said.term;
  return { state: after, speech: { ...speech, [node]: may ? state.now + 3_000 : 0 } };
}
