/** Who holds a gateway: pin, current holder, rank, and what happens when nobody is eligible. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { NO_NODE_LABEL } from "../../src/core/names.ts";
import type { Decision, GatewayStatus } from "../../src/core/types.ts";
import { cluster, edit, gateway, node, policy, withoutMachine } from "../support/builders.ts";
import type { GatewayOptions, Machine } from "../support/builders.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { running } from "../support/obedient_agents.ts";
import { egressGateway, gatewayPlan, statusAfter } from "../support/read_plan.ts";

/** A gateway that `holder` holds in term 3. */
function heldBy(holder: string, options: GatewayOptions = {}) {
  const status: GatewayStatus = { activeNodeName: holder, term: 3, phase: "Active" };
  return gateway("gw", { ...options, status });
}

const SICK: Machine = { node: { ready: false } };

const ELECTIONS: readonly {
  readonly name: string;
  readonly nodes: Readonly<Record<string, Machine>>;
  readonly gateway: ReturnType<typeof gateway>;
  readonly holder: string | null;
  readonly decision: Decision;
  readonly says: RegExp;
}[] = [
  {
    name: "a new gateway is held by the first node by name",
    nodes: { c: {}, a: {}, b: {} },
    gateway: gateway("gw"),
    holder: "a",
    decision: "Elect",
    says: /^a is the best-ranked eligible node$/,
  },
  {
    name: "a new gateway passes over nodes that are not eligible",
    nodes: { a: SICK, b: SICK, c: {} },
    gateway: gateway("gw"),
    holder: "c",
    decision: "Elect",
    says: /^c is the best-ranked/,
  },
  {
    name: "a gateway without candidates is held by nobody",
    nodes: { a: {} },
    gateway: gateway("gw", { nodeSelector: { role: "egress" } }),
    holder: null,
    decision: "None",
    says: /^No node matches spec.nodeSelector$/,
  },
  {
    name: "a new gateway without eligible candidates is held by nobody",
    nodes: { a: SICK, b: SICK },
    gateway: gateway("gw"),
    holder: null,
    decision: "None",
    says: /^None of 2 candidates is eligible$/,
  },
  {
    name: "the holder keeps its role among equals",
    nodes: { a: SICK, b: {} },
    gateway: heldBy("b"),
    holder: "b",
    decision: "Keep",
    says: /^b is the best-ranked eligible node$/,
  },
  {
    name: "a holder that is no longer eligible loses its role to the best-ranked node",
    nodes: { a: {}, b: SICK, c: {} },
    gateway: heldBy("b"),
    holder: "a",
    decision: "FailOver",
    says: /^b: NodeNotReady: .*; a is the best-ranked eligible node$/,
  },
  {
    name: "a holder that the nodeSelector no longer matches loses its role",
    nodes: { a: { node: { labels: { role: "egress" } } }, b: {} },
    gateway: heldBy("b", { nodeSelector: { role: "egress" } }),
    holder: "a",
    decision: "Move",
    says: /^b is no longer a candidate;/,
  },
  {
    name: "a holder whose node is gone loses its role",
    nodes: { a: {} },
    gateway: heldBy("gone"),
    holder: "a",
    decision: "FailOver",
    says: /^gone is no longer a candidate;/,
  },
  {
    name: "Keep names the last holder while nobody is eligible",
    nodes: { a: SICK, b: SICK },
    gateway: heldBy("b", { whenNoneEligible: "Keep" }),
    holder: "b",
    decision: "Keep",
    says: /^None of 2 candidates is eligible; b stays named since whenNoneEligible is Keep$/,
  },
  {
    name: "Drop names nobody while nobody is eligible",
    nodes: { a: SICK, b: SICK },
    gateway: heldBy("b", { whenNoneEligible: "Drop" }),
    holder: null,
    decision: "None",
    says: /whenNoneEligible is Drop$/,
  },
  {
    name: "a pin moves the gateway to the pinned node",
    nodes: { a: {}, b: {}, c: {} },
    gateway: heldBy("a", { pin: "c" }),
    holder: "c",
    decision: "Move",
    says: /^c is pinned and eligible$/,
  },
  {
    name: "a pin outweighs preferredNodes",
    nodes: { a: { node: { labels: { fast: "yes" } } }, b: {} },
    gateway: heldBy("b", {
      pin: "b",
      preferredNodes: [{ weight: 100, nodeSelector: { fast: "yes" } }],
    }),
    holder: "b",
    decision: "Keep",
    says: /^b is pinned and eligible$/,
  },
  {
    name: "a pin decides the first election",
    nodes: { a: {}, b: {} },
    gateway: gateway("gw", { pin: "b" }),
    holder: "b",
    decision: "Elect",
    says: /pinned/,
  },
  {
    name: "a pin takes the role from a holder that is not eligible",
    nodes: { a: {}, b: SICK, c: {} },
    gateway: heldBy("b", { pin: "c" }),
    holder: "c",
    decision: "FailOver",
    says: /pinned/,
  },
  {
    name: "a pin to a node that is not eligible does not count",
    nodes: { a: {}, b: SICK },
    gateway: heldBy("a", { pin: "b" }),
    holder: "a",
    decision: "Keep",
    says: /^a is the best-ranked/,
  },
  {
    name: "a pin to a node that is no candidate does not count",
    nodes: { a: {}, b: {} },
    gateway: heldBy("a", { pin: "nowhere" }),
    holder: "a",
    decision: "Keep",
    says: /^a is the best-ranked/,
  },
];

for (const row of ELECTIONS) {
  Deno.test(row.name, () => {
    const plan = decide(cluster({ nodes: row.nodes, gateways: [row.gateway] }));
    const { activeNodeName, decision, message, term } = gatewayPlan(plan);
    assert.deepEqual({ activeNodeName, decision }, {
      activeNodeName: row.holder,
      decision: row.decision,
    });
    assert.match(message, row.says);
    const { term: before = 0, activeNodeName: holder = null } = row.gateway.status;
    assert.equal(term, row.holder === holder ? before : before + 1);
  });
}

Deno.test("without the pin, the pinned node keeps the role until failback is due", () => {
  const pinned = running(
    cluster({ nodes: { a: {}, b: {} }, gateways: [gateway("gw", { pin: "b" })] }),
  );
  const released = edit(pinned, { gateways: { gw: { annotations: {} } } });
  // a has been eligible for an hour: failback is Auto and due at once.
  assert.equal(gatewayPlan(decide(released)).decision, "FailBack");
  const never = edit(released, {
    gateways: { gw: { spec: gateway("gw", { failback: { mode: "Never" } }).spec } },
  });
  assert.equal(gatewayPlan(decide(never)).activeNodeName, "b");
});

Deno.test("Keep leaves Cilium's policy pointed at the last holder, Drop points it at no node", () => {
  for (const whenNoneEligible of ["Keep", "Drop"] as const) {
    const healthy = running(cluster({
      nodes: { a: {}, b: {} },
      gateways: [gateway("gw", { whenNoneEligible })],
      policies: [policy("web")],
    }));
    const sick = edit(healthy, {
      nodes: { a: { ready: "False" }, b: { ready: "False" } },
    });
    const expected = whenNoneEligible === "Keep"
      ? { nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } }, interface: "eth1" }
      : { nodeSelector: { matchLabels: { [NO_NODE_LABEL]: "true" } } };
    assert.deepEqual(egressGateway(sick, decide(sick), "web"), expected);
  }
});

Deno.test("Drop says so once, and status comes to rest", () => {
  const before = cluster({
    nodes: { a: SICK, b: SICK },
    gateways: [heldBy("a", { whenNoneEligible: "Drop" })],
    policies: [policy("web")],
  });
  assert.deepEqual(decide(applyPlan(before, decide(before))).changes, []);
});

Deno.test("after Drop, the first node that is eligible again is elected", () => {
  const dropped = running(cluster({
    nodes: { a: SICK, b: SICK },
    gateways: [heldBy("a", { whenNoneEligible: "Drop" })],
  }));
  assert.deepEqual(dropped.gateways[0]?.status.phase, "Idle");
  const plan = decide(edit(dropped, { nodes: { b: { ready: "True" } } }));
  assert.deepEqual(
    { holder: gatewayPlan(plan).activeNodeName, term: gatewayPlan(plan).term },
    { holder: "b", term: 5 },
  );
});

Deno.test("a node's rank is the sum of the weights that match it", () => {
  const plan = decide(cluster({
    nodes: {
      a: {},
      b: { node: { labels: { fast: "yes" } } },
      c: { node: { labels: { near: "yes" } } },
      d: { node: { labels: { fast: "yes", near: "yes" } } },
    },
    gateways: [gateway("gw", {
      preferredNodes: [
        { weight: 30, nodeSelector: { fast: "yes" } },
        { weight: 20, nodeSelector: { near: "yes" } },
        { weight: 1, nodeSelector: {} },
      ],
    })],
  }));
  assert.deepEqual(
    gatewayPlan(plan).candidates.map(({ node, rank }) => [node, rank]),
    [["d", 51], ["b", 31], ["c", 21], ["a", 1]],
  );
  assert.equal(gatewayPlan(plan).activeNodeName, "d");
});

Deno.test("names are ordered by code unit, not by locale", () => {
  const plan = decide(
    cluster({ nodes: { "node-10": {}, "node-9": {} }, gateways: [gateway("gw")] }),
  );
  assert.equal(gatewayPlan(plan).activeNodeName, "node-10");
});

const HASHED = Array.from(
  { length: 60 },
  (_, index) => gateway(`gw-${index}`, { strategy: "Hash" }),
);

Deno.test("strategy Hash spreads gateways over the nodes", () => {
  const plan = decide(cluster({ nodes: { a: {}, b: {}, c: {} }, gateways: HASHED }));
  const shares = Object.groupBy(plan.gateways, ({ activeNodeName }) => activeNodeName ?? "nobody");
  assert.deepEqual(Object.keys(shares).sort(), ["a", "b", "c"]);
  for (const share of Object.values(shares)) assert.ok((share?.length ?? 0) >= 10);
});

Deno.test("strategy Hash orders nodes by sha256 of gateway#node", () => {
  // By `printf 'gw#c' | sha256sum`: c 1769..., b 57b0..., d d972..., a e6ea...
  const plan = decide(cluster({
    nodes: { a: {}, b: {}, c: {}, d: {} },
    gateways: [gateway("gw", { strategy: "Hash" })],
  }));
  assert.deepEqual(gatewayPlan(plan).candidates.map(({ node }) => node), ["c", "b", "d", "a"]);
});

Deno.test("with strategy Hash, a node that goes takes only its own gateways along", () => {
  const before = running(cluster({ nodes: { a: {}, b: {}, c: {} }, gateways: HASHED }));
  const plan = decide(withoutMachine(before, "b"));
  for (const { name, activeNodeName, previousNodeName } of plan.gateways) {
    if (previousNodeName === "b") assert.notEqual(activeNodeName, "b");
    else assert.equal(activeNodeName, previousNodeName, name);
  }
});

Deno.test("each gateway is elected on its own", () => {
  const plan = decide(cluster({
    nodes: {
      a: { node: { labels: { role: "one" } } },
      b: { node: { labels: { role: "two" } } },
    },
    gateways: [
      gateway("two", { nodeSelector: { role: "two" } }),
      gateway("one", { nodeSelector: { role: "one" } }),
    ],
  }));
  assert.deepEqual(plan.gateways.map(({ name, activeNodeName }) => [name, activeNodeName]), [
    ["one", "a"],
    ["two", "b"],
  ]);
});

Deno.test("a cluster without any object plans nothing", () => {
  assert.deepEqual(decide(cluster({ nodes: {} })), {
    gateways: [],
    policies: [],
    changes: [],
    events: [],
    warnings: [],
    heartbeatsIgnored: false,
  });
});

Deno.test("a holder that another controller wrote without term and phase is adopted in term 1", () => {
  const before = cluster({
    nodes: { a: {}, b: {} },
    gateways: [gateway("gw", { status: { activeNodeName: "a" } })],
    policies: [policy("web")],
  });
  const plan = decide(before);
  const { activeNodeName, term, phase, decision } = gatewayPlan(plan);
  assert.deepEqual({ activeNodeName, term, phase, decision }, {
    activeNodeName: "a",
    term: 1,
    phase: "Active",
    decision: "Keep",
  });
  const { lastFailover } = statusAfter(before, plan);
  assert.equal(
    lastFailover?.reason,
    "The holder is taken over from a status without a phase of its own",
  );
  assert.deepEqual(decide(applyPlan(before, plan)).changes, []);
});

Deno.test("of many candidates, status lists 32: the holder, the best-ranked and the excluded ones", () => {
  const name = (index: number) => `n${String(index).padStart(3, "0")}`;
  const nodes = Object.fromEntries(
    Array.from({ length: 100 }, (_, index) => [name(index), index >= 90 ? SICK : {}]),
  );
  const before = cluster({ nodes, gateways: [heldBy(name(50), { failback: { mode: "Never" } })] });
  const plan = decide(before);
  const status = statusAfter(before, plan);
  const listed = new Set(status.candidates?.map((candidate) => candidate.node));
  assert.equal(listed.size, 32);
  for (const index of [50, 0, 1, 15, 90, 99]) assert.ok(listed.has(name(index)), name(index));
  assert.equal(status.readyNodes, 90);
  assert.equal(gatewayPlan(plan).candidates.length, 100);
});

Deno.test("an empty nodeSelector matches every node", () => {
  assert.deepEqual(node("a").labels, { "kubernetes.io/hostname": "a" });
  const plan = decide(cluster({ nodes: { a: {}, b: {} }, gateways: [gateway("gw")] }));
  assert.equal(gatewayPlan(plan).readyNodes, 2);
});
