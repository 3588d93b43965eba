/**
 * The handover of a virtual IP: at no time may two agents that hear the API server speak for one VIP, and the policies
 * are moved before the new holder speaks.
 */
import assert from "node:assert/strict";
import { FENCE_ANNOTATION } from "../../src/core/names.ts";
import { decide } from "../../src/core/decide.ts";
import type { GatewayStatus, Lease, Plan, Snapshot } from "../../src/core/types.ts";
import { applyPlan, applyWhatFits, Refused } from "../support/apply_plan.ts";
import {
  address,
  at,
  cluster,
  edit,
  foreignCiliumPolicy,
  gateway,
  lastRenewed,
  NOW,
  policy,
  report,
  VIP,
} from "../support/builders.ts";
import type { GatewayOptions } from "../support/builders.ts";
import { later, obey, running } from "../support/obedient_agents.ts";
import {
  bodyOf,
  candidate,
  egressGateway,
  found,
  gatewayCondition,
  gatewayPlan,
  policyCondition,
  reasonTypes,
  statusAfter,
  writes,
} from "../support/read_plan.ts";

function vipCluster(nodes: readonly string[], options: GatewayOptions = {}): Snapshot {
  return cluster({
    nodes: Object.fromEntries(nodes.map((name) => [name, {}])),
    gateways: [gateway("gw", { vip: VIP, ...options })],
    policies: [policy("web"), policy("mail")],
  });
}

/** a holds in term 1; b and c stand by, the VIP bound. */
function holding(nodes: readonly string[] = ["a", "b", "c"], options: GatewayOptions = {}) {
  const state = running(vipCluster(nodes, options));
  assert.equal(gatewayPlan(decide(state)).activeNodeName, "a");
  return state;
}

const leaseOf = (state: Snapshot, node: string): Lease =>
  found(state.leases.find(({ name }) => name === node), `Lease '${node}'`);

const speakers = (state: Snapshot): readonly string[] =>
  state.leases.filter(({ report: said }) => said?.addresses.some(({ speaking }) => speaking))
    .map(({ name }) => name);

/** One tick; the state after it and what was planned. */
function tick(state: Snapshot): { readonly plan: Plan; readonly state: Snapshot } {
  const plan = decide(state);
  return { plan, state: applyPlan(state, plan) };
}

function stages(plan: Plan): readonly string[] {
  return plan.changes.filter(({ group }) => group === "gw").map(({ kind, name, subresource }) =>
    `${kind}${subresource === undefined ? "" : `/${subresource}`} ${name}`
  );
}

// ---------------------------------------------------------------- first election

Deno.test("first election: the node prepares, policies select no node, and nobody speaks", () => {
  const { plan, state } = tick(vipCluster(["a", "b"]));
  const { activeNodeName, phase, term, decision, standbyNodeNames } = gatewayPlan(plan);
  assert.deepEqual({ activeNodeName, phase, term, decision, standbyNodeNames }, {
    activeNodeName: "a",
    phase: "Preparing",
    term: 1,
    decision: "Elect",
    standbyNodeNames: ["b"],
  });
  const web = found(state.ciliumPolicies.find(({ name }) => name === "web"), "web");
  assert.match(JSON.stringify(web.spec["egressGateway"]), /no-node/);
  assert.equal(policyCondition(plan, "web", "Ready").reason, "NoActiveNode");
  assert.deepEqual(speakers(state), []);
});

Deno.test("first election: Active as soon as the VIP is reported as bound, with the policies before it", () => {
  const { state } = tick(vipCluster(["a", "b"]));
  const { plan, state: active } = tick(obey(state));
  assert.deepEqual(stages(plan).slice(0, 3), [
    "CiliumEgressGatewayPolicy mail",
    "CiliumEgressGatewayPolicy web",
    "EgressGateway/status gw",
  ]);
  assert.equal(gatewayPlan(plan).phase, "Active");
  assert.deepEqual(egressGateway(obey(state), plan, "web"), {
    nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } },
    egressIP: VIP,
  });
  assert.deepEqual(speakers(obey(active)), ["a"]);
});

Deno.test("first election: no `from`, and the duration is the time from decision to Active", () => {
  let { state } = tick(vipCluster(["a"]));
  state = tick(obey(later(state, 2))).state;
  assert.deepEqual(state.gateways[0]?.status.lastFailover, {
    to: "a",
    reason: "a is the best-ranked eligible node",
    startTime: at(0),
    durationMilliseconds: 2_000,
  });
});

// ---------------------------------------------------------------- the holder dies

Deno.test("a dead holder is replaced by a prepared standby in one tick: status, fence, policies, Active", () => {
  const before = lastRenewed(holding(), { a: 4 });
  const plan = decide(before);
  assert.deepEqual(stages(plan), [
    "EgressGateway/status gw",
    "Lease a",
    "CiliumEgressGatewayPolicy mail",
    "CiliumEgressGatewayPolicy web",
    "EgressGateway/status gw",
    "EgressGatewayPolicy/status mail",
    "EgressGatewayPolicy/status web",
  ]);
  const first = found(plan.changes.find(({ kind }) => kind === "EgressGateway"), "status");
  const last = found(plan.changes.findLast(({ kind }) => kind === "EgressGateway"), "status");
  assert.deepEqual(
    { ...first.body["status"] as object, candidates: 0, conditions: 0, history: 0 },
    {
      activeNodeAddresses: before.nodes.find(({ name }) => name === "b")?.internalIPs,
      activeNodeName: "b",
      candidates: 0,
      conditions: 0,
      history: 0,
      lastFailover: {
        durationMilliseconds: null,
        from: "a",
        fromEgressIP: VIP,
        reason: found(gatewayPlan(plan).message, "message"),
        startTime: at((before.now - NOW) / 1_000),
        to: "b",
      },
      phase: "Preparing",
      readyNodes: 2,
      standbyNodeNames: ["c"],
      term: 2,
    },
  );
  assert.equal((last.body["status"] as Record<string, unknown>)["phase"], "Active");
  assert.equal(gatewayPlan(plan).phase, "Active");
  assert.equal(gatewayPlan(plan).decision, "FailOver");
});

Deno.test("a fence is written against the resourceVersion that showed the node silent", () => {
  const before = lastRenewed(holding(), { a: 4 });
  const plan = decide(before);
  assert.deepEqual(bodyOf(plan, "Lease", "a"), {
    metadata: {
      resourceVersion: leaseOf(before, "a").resourceVersion,
      annotations: { [FENCE_ANNOTATION]: '{"uid-gw":2}' },
    },
  });
  // A renewal in between makes the write fail, and with it everything behind it.
  assert.throws(() => applyPlan(obey(before), plan), Refused);
});

Deno.test("Unreachable is as good as expired: a prepared takeover needs one tick", () => {
  const healthy = lastRenewed(holding(), { a: 2 });
  const reports = Object.fromEntries(["b", "c"].map((name) => [
    name,
    { report: { ...found(leaseOf(healthy, name).report, "report"), unreachable: ["a"] } },
  ]));
  const plan = decide(edit(healthy, { leases: reports }));
  assert.deepEqual([gatewayPlan(plan).activeNodeName, gatewayPlan(plan).phase], ["b", "Active"]);
  assert.ok(writes(plan).includes("patch Lease/a"));
});

Deno.test("a holder whose Lease is gone is fenced by a new Lease, and may have renewed it until then: 4 s are waited for", () => {
  const before = edit(holding(), { leases: { a: null } });
  const { plan, state } = tick(before);
  assert.equal(gatewayPlan(plan).phase, "Preparing");
  assert.deepEqual(bodyOf(plan, "Lease", "a"), {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      name: "a",
      namespace: "sallyport-system",
      annotations: { [FENCE_ANNOTATION]: '{"uid-gw":2}' },
    },
  });
  assert.deepEqual(leaseOf(state, "a").fence, { "uid-gw": 2 });
  assert.equal(gatewayPlan(decide(later(state, 3))).phase, "Preparing");
  const due = decide(later(state, 4));
  assert.equal(gatewayPlan(due).phase, "Active");
  assert.equal(writes(due).includes("patch Lease/a"), false);
});

Deno.test("a Lease that its agent never wrote, and that somebody else made, is fenced at once", () => {
  const made: Lease = { name: "a", resourceVersion: "1", fence: {} };
  const before = edit(holding(), { leases: { a: null } });
  const { plan, state } = tick({ ...before, leases: [...before.leases, made] });
  assert.deepEqual(leaseOf(state, "a").fence, { "uid-gw": 2 });
  assert.equal(gatewayPlan(plan).phase, "Preparing");
});

Deno.test("a fence keeps the fences of other gateways and drops those of gateways that are gone", () => {
  const two = running({
    ...vipCluster(["a", "b"]),
    gateways: [gateway("gw", { vip: VIP }), gateway("other", { vip: "172.18.18.243" })],
  });
  const before = edit(lastRenewed(two, { a: 4 }), {
    leases: { a: { fence: { "uid-other": 7, "uid-gone": 9 }, renewedAt: two.now - 4_000 } },
  });
  const fences = decide(before).changes.filter(({ kind, group }) =>
    kind === "Lease" && group === "gw"
  );
  // The other one leaves a as well, in a term above all that a was told.
  assert.match(JSON.stringify(fences[0]?.body), /\{\\"uid-gw\\":2,\\"uid-other\\":8\}/);
});

Deno.test("gateways that lose one node at once fence it by one and the same write", () => {
  const two = running({
    ...vipCluster(["a", "b"]),
    gateways: [gateway("gw", { vip: VIP }), gateway("other", { vip: "172.18.18.243" })],
  });
  const known = lastRenewed(two, { a: 4 });
  const cases: readonly (readonly [Snapshot, string])[] = [
    [known, "patch"],
    [edit(known, { leases: { a: null } }), "create"],
  ];
  for (const [before, action] of cases) {
    const plan = decide(before);
    const fences = plan.changes.filter(({ kind }) => kind === "Lease");
    assert.deepEqual(fences.map((fence) => [fence.action, fence.group]), [
      [action, "gw"],
      [action, "other"],
    ]);
    assert.deepEqual(fences[0]?.body, fences[1]?.body);
    const after = applyPlan(before, plan);
    assert.deepEqual(leaseOf(after, "a").fence, { "uid-gw": 2, "uid-other": 2 });
    const phase = action === "create" ? "Preparing" : "Active";
    assert.deepEqual(after.gateways.map(({ status }) => status.phase), [phase, phase]);
  }
});

Deno.test("while a gateway cannot be read, no fence is dropped, for it may be that gateway's", () => {
  const before = edit(lastRenewed(holding(), { a: 4 }), {
    leases: { a: { fence: { "uid-unread": 9 } } },
  });
  const plan = decide({
    ...before,
    invalid: [{ kind: "EgressGateway", name: "unread", message: "spec: expected an object" }],
  });
  assert.match(JSON.stringify(bodyOf(plan, "Lease", "a")), /\\"uid-unread\\":9/);
});

Deno.test("a dead holder and no prepared standby: the next node binds first", () => {
  const before = lastRenewed(holding(["a", "b"], { standbys: 0 }), { a: 4 });
  const { plan, state } = tick(before);
  assert.equal(gatewayPlan(plan).phase, "Preparing");
  assert.match(gatewayPlan(plan).message, /b has not yet reported the virtual IP as bound/);
  // Policies go on naming the old node until the new one is ready.
  assert.equal(writes(plan).some((write) => write.includes("CiliumEgressGatewayPolicy")), false);
  const { plan: next } = tick(obey(later(state, 1, ["a"]), ["a"]));
  assert.equal(gatewayPlan(next).phase, "Active");
  assert.ok(writes(next).includes("patch Lease/a"));
});

Deno.test("a node whose report of the VIP is not fresh is not relied on", () => {
  const before = edit(lastRenewed(holding(["a", "b"]), { a: 4 }), {});
  const deaf = gateway("gw", { vip: VIP, failureDetection: { heartbeat: "Ignore" } });
  const plan = decide(
    edit(lastRenewed(before, { b: 9 }), {
      nodes: { a: { ready: "False" } },
      gateways: { gw: { spec: deaf.spec } },
    }),
  );
  assert.deepEqual([gatewayPlan(plan).activeNodeName, gatewayPlan(plan).phase], ["b", "Preparing"]);
});

Deno.test("the only node left does not serve while it sees another owner of the VIP", () => {
  const elected = tick(vipCluster(["a"])).state;
  const conflict = "02:00:00:00:00:07";
  const before = edit(later(elected, 1), {
    leases: { a: { report: report({ addresses: [address({ conflict })] }) } },
  });
  const plan = decide(before);
  assert.deepEqual([gatewayPlan(plan).activeNodeName, gatewayPlan(plan).phase], ["a", "Preparing"]);
  assert.match(gatewayPlan(plan).message, /a sees another host \(02:00:00:00:00:07\) that answers/);
});

// ---------------------------------------------------------------- planned moves

/** A move from the healthy holder a to b, begun by a pin; the first tick is applied. */
function moving(nodes: readonly string[] = ["a", "b", "c"], options: GatewayOptions = {}) {
  const before = edit(holding(nodes, options), {
    gateways: { gw: { annotations: gateway("gw", { pin: "b" }).annotations } },
  });
  const { plan, state } = tick(before);
  assert.equal(gatewayPlan(plan).phase, "Preparing");
  return { plan, state };
}

Deno.test("a planned move takes two ticks: the holder acknowledges in silence, then policies and Active", () => {
  const { plan, state } = moving();
  assert.equal(gatewayPlan(plan).decision, "Move");
  assert.deepEqual(stages(plan).filter((stage) => !stage.startsWith("EgressGatewayPolicy")), [
    "EgressGateway/status gw",
  ]);
  const obeyed = obey(later(state, 1));
  assert.deepEqual(speakers(obeyed), []);
  const second = decide(obeyed);
  assert.deepEqual(gatewayPlan(second).phase, "Active");
  assert.deepEqual(stages(second).slice(0, 3), [
    "CiliumEgressGatewayPolicy mail",
    "CiliumEgressGatewayPolicy web",
    "EgressGateway/status gw",
  ]);
  // The acknowledgement makes a fence needless.
  assert.equal(writes(second).some((write) => write.includes("Lease")), false);
});

Deno.test("a node that was elected and given up before it served is waited for while it renews the claim of then", () => {
  const { state } = moving();
  const claimed = edit(obey(later(state, 1)), {
    gateways: { gw: { annotations: gateway("gw", { pin: "c" }).annotations } },
    leases: { b: { report: report({ addresses: [address({ term: 2, speaking: true })] }) } },
  });
  const { plan, state: third } = tick(claimed);
  assert.deepEqual([gatewayPlan(plan).activeNodeName, gatewayPlan(plan).phase], ["c", "Preparing"]);
  assert.match(gatewayPlan(plan).message, /b still speaks for the virtual IP/);
  const silent = decide(obey(third));
  assert.deepEqual([gatewayPlan(silent).activeNodeName, gatewayPlan(silent).phase], [
    "c",
    "Active",
  ]);
  // What it was allowed to say when it was last heard has ended.
  const dead = decide(lastRenewed(obey(third, ["b"]), { b: 4 }));
  assert.deepEqual([gatewayPlan(dead).activeNodeName, gatewayPlan(dead).phase], ["c", "Active"]);
});

/** Policies at Cilium that a plan writes, those that are written at once together. */
const bursts = (plan: Plan): readonly (readonly string[])[] =>
  [
    ...Map.groupBy(
      plan.changes.filter(({ kind }) => kind === "CiliumEgressGatewayPolicy"),
      ({ stage }) => stage,
    ).values(),
  ].map((changes) => changes.map(({ name }) => name));

Deno.test("in a planned move one policy goes before all others, whether or not the former holder is still a candidate", () => {
  const policies = ["mail", "shop", "web"].map((name) => policy(name));
  const held = running({ ...vipCluster(["a", "b"]), policies });
  const ways: readonly Parameters<typeof edit>[1][] = [
    { gateways: { gw: { annotations: gateway("gw", { pin: "b" }).annotations } } },
    { nodes: { a: null } },
  ];
  for (const way of ways) {
    const { state } = tick(edit(held, way));
    const plan = decide(obey(later(state, 1)));
    assert.equal(gatewayPlan(plan).activeNodeName, "b");
    assert.deepEqual(bursts(plan), [["mail"], ["shop", "web"]]);
  }
});

Deno.test("when the holder is dead all policies are one burst", () => {
  const policies = ["mail", "shop", "web"].map((name) => policy(name));
  const plan = decide(lastRenewed(running({ ...vipCluster(["a", "b"]), policies }), { a: 4 }));
  assert.equal(gatewayPlan(plan).activeNodeName, "b");
  assert.deepEqual(bursts(plan), [["mail", "shop", "web"]]);
});

Deno.test("while a move waits, traffic and its policies stay as they are, and the decision is Wait", () => {
  const { state } = moving();
  const plan = decide(later(state, 1));
  assert.equal(gatewayPlan(plan).decision, "Wait");
  assert.match(gatewayPlan(plan).message, /a still speaks for the virtual IP/);
  assert.equal(writes(plan).some((write) => write.includes("Cilium")), false);
  assert.deepEqual(gatewayPlan(plan).activeNodeName, "b");
  const status = state.policies[0]?.status;
  assert.deepEqual([status?.activeNodeName, status?.egressIP], ["a", VIP]);
});

Deno.test("a policy that is made during a move is pointed at the node that still serves", () => {
  const { state } = moving();
  const before = { ...later(state, 1), policies: [...state.policies, policy("new")] };
  assert.deepEqual(egressGateway(before, decide(before), "new"), {
    nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } },
    egressIP: VIP,
  });
});

Deno.test("a policy's other fields follow its spec while a move waits", () => {
  const { state } = moving();
  const before = edit(later(state, 1), {
    policies: { web: { spec: policy("web", { destinationCIDRs: ["10.1.0.0/16"] }).spec } },
  });
  const body = bodyOf(decide(before), "CiliumEgressGatewayPolicy", "web");
  assert.deepEqual(body["spec"], { destinationCIDRs: ["10.1.0.0/16"] });
});

const FENCING: readonly {
  readonly name: string;
  /** Seconds since the move was decided; the holder renews each second and goes on speaking. */
  readonly second: number;
  readonly fence: boolean;
}[] = [
  {
    name: "a holder that goes on speaking gets more than a second to yield",
    second: 1.4,
    fence: false,
  },
  { name: "a holder that goes on speaking is fenced after 1.5 s", second: 1.5, fence: true },
];

for (const { name, second, fence } of FENCING) {
  Deno.test(name, () => {
    const { state } = moving();
    // Agents b and c obey, a renews and does not.
    const plan = decide(later(obey(state, ["a"]), second));
    assert.equal(writes(plan).includes("patch Lease/a"), fence);
    assert.equal(gatewayPlan(plan).phase, "Preparing");
  });
}

Deno.test("a fenced holder that still claims to speak is passed over 4 s after the fence, not before", () => {
  const { state } = moving();
  const fenced = tick(later(obey(state, ["a"]), 3)).state;
  assert.deepEqual(leaseOf(fenced, "a").fence, { "uid-gw": 2 });
  const early = decide(later(fenced, 3));
  assert.equal(gatewayPlan(early).phase, "Preparing");
  assert.match(gatewayPlan(early).message, /a was told to fall silent and still reports/);
  const due = decide(later(fenced, 4));
  assert.equal(gatewayPlan(due).phase, "Active");
  assert.equal(writes(due).includes("patch Lease/a"), false);
});

Deno.test("a fence of an older term does not count for a newer move", () => {
  const { state } = moving();
  const before = edit(later(obey(state, ["a"]), 3), {
    leases: { a: { fence: { "uid-gw": 1 }, fencedAt: NOW - 60_000 } },
  });
  const plan = decide(before);
  assert.equal(gatewayPlan(plan).phase, "Preparing");
  assert.match(JSON.stringify(bodyOf(plan, "Lease", "a")), /\\"uid-gw\\":2/);
});

Deno.test("a holder that lost the address but has heard of the term is not waited for", () => {
  const { state } = moving();
  const said = (heard: Readonly<Record<string, number>>) =>
    edit(later(obey(state), 1), { leases: { a: { report: report({ addresses: [], heard }) } } });
  assert.equal(gatewayPlan(decide(said({}))).phase, "Preparing");
  assert.equal(gatewayPlan(decide(said({ "uid-gw": 1 }))).phase, "Preparing");
  assert.equal(gatewayPlan(decide(said({ "uid-before": 2 }))).phase, "Preparing");
  const plan = decide(said({ "uid-gw": 2 }));
  assert.equal(gatewayPlan(plan).phase, "Active");
  assert.equal(writes(plan).includes("patch Lease/a"), false);
});

Deno.test("silence in an older term is waited for, then fenced: a later claim may have overtaken it", () => {
  const { state } = moving();
  const silent = (second: number) =>
    edit(obey(later(state, second), ["a"]), {
      leases: { a: { report: report({ addresses: [address({ term: 1, speaking: false })] }) } },
    });
  const early = decide(silent(1));
  assert.match(gatewayPlan(early).message, /a has not yet answered term 2/);
  assert.equal(writes(early).includes("patch Lease/a"), false);
  const { plan, state: fenced } = tick(silent(3));
  assert.ok(writes(plan).includes("patch Lease/a"));
  assert.equal(gatewayPlan(decide(later(fenced, 3))).phase, "Preparing");
  assert.equal(gatewayPlan(decide(later(fenced, 4))).phase, "Active");
});

Deno.test("a holder whose agent renews but does not hear its term is reminded by its Lease, once", () => {
  const { state } = tick(lastRenewed(holding(), { a: 4 }));
  const deaf = (second: number) => later(obey(state, ["a", "b"]), second, ["a"]);
  assert.deepEqual(writes(decide(deaf(1))).filter((write) => write.includes("Lease")), []);
  const { plan, state: reminded } = tick(deaf(2));
  assert.ok(writes(plan).includes("patch Lease/b"));
  assert.deepEqual(leaseOf(reminded, "b").fence, { "uid-gw": 2 });
  const next = decide(later(reminded, 1, ["a"]));
  assert.deepEqual(writes(next).filter((write) => write.includes("Lease")), []);
});

/** What a node outside says of the VIP, in whose name and in which term. */
const CLAIMS = [
  ["in the gateway's own name", { term: 2 }],
  ["in a later term", { term: 3 }],
  ["in a term that nobody had", { term: Number.MAX_SAFE_INTEGER }],
  ["in another name", { uid: "uid-x", term: 2 }],
] as const;

for (const [how, claim] of CLAIMS) {
  Deno.test(`a claim of a node that cannot have had the VIP holds up no move: ${how}`, () => {
    const { state } = moving(["a", "b", "c", "d"], { standbys: 3 });
    const said = report({ addresses: [address({ speaking: true, ...claim })] });
    const lying = edit(obey(later(state, 1)), { leases: { d: { report: said } } });
    assert.equal(gatewayPlan(decide(lying)).phase, "Active");
  });

  Deno.test(`a VIP that is new to its gateway waits for one who claims it, for one fence: ${how}`, () => {
    const { state } = moving(["a", "b", "c", "d"], { standbys: 3 });
    // Where the VIP was before is not known, as after a status was lost.
    const unknown = edit(state, {
      gateways: { gw: { status: withoutOrigin(found(state.gateways[0], "gw").status) } },
    });
    const lie = (at: Snapshot, seconds: number): Snapshot => {
      const uid = "uid" in claim ? `${claim.uid}-${seconds}` : "uid-gw";
      const said = report({ addresses: [address({ speaking: true, ...claim, uid })] });
      // The one who has d's token also writes as the controller, so that the last fence is always new.
      return edit(obey(later(at, 1)), {
        leases: { d: { report: said, fencedAt: at.now + 1_000 } },
      });
    };
    let [current, waited] = [unknown, 0];
    for (; waited < 20; waited++) {
      current = lie(current, waited);
      const { plan, state: after } = tick(current);
      if (gatewayPlan(plan).phase === "Active") break;
      assert.match(gatewayPlan(plan).message, /^b .*; d (still speaks|was told)/);
      current = after;
    }
    // 3 s to fall silent, and 4 s from the first fence that was seen, a second later.
    assert.ok(waited >= 4 && waited <= 9, `waited ${waited} s`);
  });
}

function withoutOrigin({ lastFailover, ...status }: GatewayStatus): GatewayStatus {
  const { fromEgressIP: _, ...move } = found(lastFailover, "lastFailover");
  return { ...status, lastFailover: move };
}

Deno.test("a holder whose report cannot be read may still speak: it is fenced, then waited for", () => {
  const { state } = moving();
  const { report: _, ...unread } = leaseOf(obey(state), "a");
  const before: Snapshot = {
    ...obey(state),
    leases: [
      ...obey(state).leases.filter(({ name }) => name !== "a"),
      { ...unread, reportError: "not JSON" },
    ],
  };
  assert.equal(gatewayPlan(decide(later(before, 1))).phase, "Preparing");
  const fenced = tick(later(before, 3)).state;
  assert.deepEqual(leaseOf(fenced, "a").fence, { "uid-gw": 2 });
  assert.equal(gatewayPlan(decide(later(fenced, 4))).phase, "Active");
});

Deno.test("a node that was neither holder nor standby acknowledges the term before it is relied on", () => {
  // d has the VIP bound from before, but nothing told it to keep it.
  const base = holding(["a", "b", "c", "d"], { standbys: 1 });
  const before = edit(lastRenewed(base, { a: 4 }), {
    gateways: { gw: { annotations: gateway("gw", { pin: "d" }).annotations } },
    leases: { d: { report: report({ addresses: [address({ term: 1 })] }) } },
  });
  const { plan, state } = tick(before);
  assert.match(gatewayPlan(plan).message, /d has not yet acknowledged term 2/);
  assert.equal(gatewayPlan(decide(obey(later(state, 1, ["a"]), ["a"]))).phase, "Active");
});

Deno.test("a move that is turned back goes to the old holder in a third term", () => {
  const { state } = moving();
  const released = edit(obey(later(state, 1)), { gateways: { gw: { annotations: {} } } });
  const back = edit(released, { nodes: { b: { cordoned: true } } });
  const { plan, state: after } = tick(back);
  assert.deepEqual(
    [gatewayPlan(plan).activeNodeName, gatewayPlan(plan).term],
    ["a", 3],
  );
  const done = running(after);
  assert.deepEqual(speakers(done), ["a"]);
  assert.equal(done.gateways[0]?.status.phase, "Active");
});

// ---------------------------------------------------------------- BindFailed

Deno.test("a node that does not report the VIP within 5 s is passed over for a minute", () => {
  const { state: elected } = tick(vipCluster(["a", "b"]));
  assert.equal(gatewayPlan(decide(later(elected, 4))).activeNodeName, "a");
  const { plan, state } = tick(later(elected, 5));
  assert.deepEqual(candidate(plan, "a").reasons, [{
    type: "BindFailed",
    message: "The agent did not report the virtual IP as bound within 5 s",
    retryAfter: at(65),
  }]);
  assert.deepEqual(
    [gatewayPlan(plan).activeNodeName, gatewayPlan(plan).term, gatewayPlan(plan).phase],
    ["b", 2, "Preparing"],
  );
  assert.deepEqual(reasonTypes(decide(later(state, 4)), "a"), ["BindFailed"]);
  const active = tick(obey(later(state, 1), ["a"])).state;
  assert.equal(active.gateways[0]?.status.phase, "Active");
  assert.deepEqual(reasonTypes(decide(later(active, 58)), "a"), ["BindFailed"]);
  assert.deepEqual(reasonTypes(decide(later(active, 59)), "a"), []);
});

Deno.test("BindFailed is forgotten as soon as the node reports the VIP as bound", () => {
  const { state: elected } = tick(vipCluster(["a", "b"]));
  const { state } = tick(later(elected, 5));
  assert.deepEqual(reasonTypes(decide(obey(later(state, 1))), "a"), ["BindFailed"]);
  const bound = edit(later(state, 1), {
    leases: { a: { report: report({ addresses: [address()] }) } },
  });
  assert.deepEqual(reasonTypes(decide(bound), "a"), []);
});

Deno.test("a chain of failed handovers still knows who spoke last", () => {
  const { state } = moving(["a", "b", "c"], { standbys: 0 });
  // b never binds; a goes on speaking and renewing.
  const { plan } = tick(later(state, 5));
  assert.equal(gatewayPlan(plan).activeNodeName, "a");
  const cordoned = edit(later(state, 5), { nodes: { a: { cordoned: true } } });
  const { plan: next, state: after } = tick(cordoned);
  assert.equal(gatewayPlan(next).activeNodeName, "c");
  assert.equal(after.gateways[0]?.status.lastFailover?.from, "a");
  assert.match(gatewayPlan(next).message, /a still speaks/);
});

Deno.test("a gateway that nobody can bind stays with the last one tried, and its status comes to rest", () => {
  let state = tick(vipCluster(["a"])).state;
  state = tick(later(state, 5)).state;
  for (let second = 1; second < 50; second++) {
    assert.deepEqual(writes(decide(later(state, second))), [], `second ${second}`);
  }
  assert.deepEqual(reasonTypes(decide(state), "a"), ["BindFailed"]);
});

// ---------------------------------------------------------------- the source address changes

Deno.test("another VIP in spec is a new term of the same holder, bound before policies change", () => {
  const before = edit(holding(), {
    gateways: { gw: { spec: gateway("gw", { vip: "172.18.18.250" }).spec, generation: 2 } },
  });
  const { plan, state } = tick(before);
  const { activeNodeName, term, phase } = gatewayPlan(plan);
  assert.deepEqual({ activeNodeName, term, phase }, {
    activeNodeName: "a",
    term: 2,
    phase: "Preparing",
  });
  assert.equal(
    statusAfter(before, plan).lastFailover?.reason,
    `The source address changed from ${VIP} to 172.18.18.250`,
  );
  assert.equal(writes(plan).some((write) => write.includes("Cilium")), false);
  const waiting = tick(later(state, 1)).state;
  assert.equal(waiting.policies[0]?.status.egressIP, VIP);
  const { plan: next } = tick(obey(later(state, 1)));
  assert.equal(gatewayPlan(next).phase, "Active");
  assert.match(
    JSON.stringify(bodyOf(next, "CiliumEgressGatewayPolicy", "web")),
    /"egressIP":"172.18.18.250"/,
  );
});

Deno.test("from VIP to primary-IP mode: one tick, and the policies name the interface instead", () => {
  const before = edit(holding(), { gateways: { gw: { spec: gateway("gw").spec, generation: 2 } } });
  const { plan, state } = tick(before);
  const { activeNodeName, term, phase } = gatewayPlan(plan);
  assert.deepEqual({ activeNodeName, term, phase }, {
    activeNodeName: "a",
    term: 2,
    phase: "Active",
  });
  assert.deepEqual(egressGateway(before, plan, "web"), {
    nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } },
    interface: "eth1",
  });
  const { egressIP, lastFailover } = found(state.gateways[0], "gateway").status;
  assert.equal(egressIP, undefined);
  assert.equal(lastFailover?.reason, `The source address changed from ${VIP} to the node's own`);
});

Deno.test("from primary-IP to VIP mode: traffic leaves by the interface until the VIP is bound", () => {
  const primary = running(cluster({
    nodes: { a: {}, b: {} },
    gateways: [gateway("gw")],
    policies: [policy("web")],
  }));
  const before = edit(primary, {
    gateways: { gw: { spec: gateway("gw", { vip: VIP }).spec, generation: 2 } },
  });
  const { plan, state } = tick(before);
  assert.equal(gatewayPlan(plan).phase, "Preparing");
  assert.equal(writes(plan).some((write) => write.includes("Cilium")), false);
  const waiting = tick(later(state, 1)).state;
  assert.equal(waiting.policies[0]?.status.egressIP, undefined);
  const bound = obey(later(state, 1));
  assert.deepEqual(egressGateway(bound, decide(bound), "web"), {
    nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } },
    egressIP: VIP,
  });
});

Deno.test("an interface that changes in spec is patched at once, in the same term", () => {
  const before = running(cluster({
    nodes: { a: {} },
    gateways: [gateway("gw", { failureDetection: { heartbeat: "Ignore" } })],
    policies: [policy("web")],
  }));
  const plan = decide(edit(before, {
    gateways: {
      gw: {
        spec:
          gateway("gw", { interfaceName: "eth2", failureDetection: { heartbeat: "Ignore" } }).spec,
      },
    },
  }));
  assert.equal(gatewayPlan(plan).term, 1);
  assert.deepEqual(bodyOf(plan, "CiliumEgressGatewayPolicy", "web")["spec"], {
    egressGateway: { interface: "eth2" },
  });
});

// ---------------------------------------------------------------- a gateway made anew

Deno.test("a gateway made anew starts with term 1; what agents say of its forerunner's terms does not count", () => {
  const old = holding();
  const anew: Snapshot = {
    ...later(old, 1),
    gateways: [gateway("gw", { vip: VIP, uid: "uid-anew" })],
  };
  const { plan, state } = tick(anew);
  assert.deepEqual([gatewayPlan(plan).term, gatewayPlan(plan).phase], [1, "Preparing"]);
  assert.match(gatewayPlan(plan).message, /a has not yet reported/);
  const settled = running(state);
  assert.deepEqual(speakers(settled), ["a"]);
  assert.equal(settled.gateways[0]?.status.phase, "Active");
});

Deno.test("a gateway made anew on another node waits for the forerunner's speaker", () => {
  const old = holding();
  const anew: Snapshot = {
    ...later(old, 1),
    gateways: [gateway("gw", { vip: VIP, uid: "uid-anew", pin: "b" })],
  };
  const { state } = tick(anew);
  const bound = edit(later(state, 1), {
    leases: { b: { report: report({ addresses: [address({ uid: "uid-anew", term: 1 })] }) } },
  });
  const plan = decide(bound);
  assert.equal(gatewayPlan(plan).phase, "Preparing");
  assert.match(gatewayPlan(plan).message, /a still speaks for the virtual IP/);
});

// ---------------------------------------------------------------- what others did

Deno.test("a VIP that the holder bound anew makes Cilium evaluate its policies anew", () => {
  const before = holding();
  const boundAt = "2026-11-23T10:00:07.000Z";
  const rebound = edit(before, {
    leases: {
      a: { report: report({ addresses: [address({ speaking: true, boundAt })] }) },
    },
  });
  const plan = decide(rebound);
  assert.deepEqual(bodyOf(plan, "CiliumEgressGatewayPolicy", "web"), {
    metadata: {
      resourceVersion: found(before.ciliumPolicies.find(({ name }) => name === "web"), "web")
        .resourceVersion,
      annotations: { "egress-gateway.network.deckhouse.io/bound-at": boundAt },
    },
  });
});

Deno.test("an unrelated CiliumEgressGatewayPolicy is not touched by a takeover", () => {
  const before = lastRenewed(holding(), { a: 4 });
  const plan = decide({
    ...before,
    ciliumPolicies: [...before.ciliumPolicies, foreignCiliumPolicy("theirs")],
  });
  assert.deepEqual(plan, decide(before));
});

Deno.test("a holder that serves is left alone whatever other nodes claim", () => {
  const before = edit(holding(), {
    leases: { b: { report: report({ addresses: [address({ speaking: true })] }) } },
  });
  const plan = decide(before);
  assert.deepEqual([gatewayPlan(plan).decision, gatewayPlan(plan).phase], ["Keep", "Active"]);
});

Deno.test("the Ready condition says what a handover waits for", () => {
  const { plan, state } = moving();
  const before = later(state, 1);
  const ready = gatewayCondition(before, decide(before), "Ready");
  assert.deepEqual([ready.status, ready.reason], ["False", "Preparing"]);
  assert.match(ready.message, /^Handover to b is under way: a still speaks for the virtual IP$/);
  assert.equal(gatewayPlan(plan).activeNodeName, "b");
});

Deno.test("a holder that was fenced for a move that was not made speaks again, in a term of its own", () => {
  // Two gateways leave a in one plan, and the one fence is written; the status of one of them was changed meanwhile.
  const two = running({
    ...vipCluster(["a", "b"]),
    gateways: [gateway("gw", { vip: VIP }), gateway("other", { vip: "172.18.18.243" })],
  });
  const stale = lastRenewed(two, { a: 4 });
  const touched = edit(stale, { gateways: { gw: { resourceVersion: "touched" } } });
  const fenced = applyWhatFits(touched, decide(stale));
  assert.deepEqual(leaseOf(fenced, "a").fence, { "uid-gw": 2, "uid-other": 2 });
  const status = ({ gateways }: Snapshot) => found(gateways[0], "gw").status;
  assert.equal(status(fenced).term, 1);
  // a goes on in that moment.
  let state = obey(fenced);
  for (let second = 0; second < 10; second++) state = later(obey(tick(state).state), 1);
  assert.deepEqual([status(state).phase, status(state).activeNodeName], ["Active", "a"]);
  assert.equal(speakers(state).length, 2, "one for each gateway");
});
