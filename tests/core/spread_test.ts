/** Policies with several gateways: each has its share of nodes, and a list that changes leaves no node without one. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { GATEWAY_LABEL, PART_ANNOTATION, SHARD_LABEL } from "../../src/core/names.ts";
import { SHARDS } from "../../src/core/shares.ts";
import type { JsonObject, Policy, Snapshot } from "../../src/core/types.ts";
import { applyPlan, applyWhatFits } from "../support/apply_plan.ts";
import { cluster, edit, foreignCiliumPolicy, gateway, policy } from "../support/builders.ts";
import type { ClusterOptions, PolicyOptions } from "../support/builders.ts";
import { ciliumSelects } from "../support/cilium_rules.ts";
import { later, obey, running } from "../support/obedient_agents.ts";
import { found, policyCondition, writes } from "../support/read_plan.ts";

const WEB = { namespace: "shop", namespaceLabels: {}, labels: { app: "web" } };
const VIPS = { a: "172.18.18.10", b: "172.18.18.11", c: "172.18.18.12" };

/** Gateways a, b and c on nodes of their own, and a policy over `gateways` of them. */
function world(options: PolicyOptions = {}, parts: Partial<ClusterOptions> = {}): Snapshot {
  return cluster({
    nodes: Object.fromEntries(
      ["a1", "a2", "b1", "b2", "c1", "c2"].map((name) => [name, {
        node: { labels: { pool: name.slice(0, 1) } },
      }]),
    ),
    gateways: Object.entries(VIPS).map(([name, vip]) =>
      gateway(name, { vip, nodeSelector: { pool: name } })
    ),
    policies: [policy("web", { gateways: ["a", "b", "c"], ...options })],
    ...parts,
  });
}

const withSpec = (state: Snapshot, options: PolicyOptions): Snapshot =>
  edit(state, {
    policies: {
      web: {
        spec: policy("web", options).spec,
        generation: (state.policies[0]?.generation ?? 0) + 1,
      },
    },
  });

/** Labels of every kind of node there is: of each shard, without one, and with what is none. */
const KINDS = [
  ...Array.from({ length: SHARDS }, (_, shard) => ({ [SHARD_LABEL]: String(shard) })),
  {},
  { [SHARD_LABEL]: "banana" },
  { [SHARD_LABEL]: "007" },
  { [SHARD_LABEL]: "" },
];

/** For each kind of node, the gateways that its pods are sent to. */
function gatewaysOfKinds({ ciliumPolicies }: Snapshot, pod = WEB): readonly (readonly string[])[] {
  return KINDS.map((labels) =>
    ciliumPolicies.filter(({ spec }) => ciliumSelects(spec, pod, labels))
      .map(({ labels: own }) => own[GATEWAY_LABEL] ?? "nobody")
  );
}

function assertOneEach(state: Snapshot): void {
  gatewaysOfKinds(state).forEach((ways, kind) =>
    assert.equal(new Set(ways).size, 1, `${JSON.stringify(KINDS[kind])}: ${ways}`)
  );
}

/** Where a write may be refused, as of two objects with one name. */
function settled(before: Snapshot): Snapshot {
  let state = before;
  for (let tick = 0; tick < 10; tick++) state = later(obey(applyWhatFits(state, decide(state))), 1);
  return state;
}

const names = ({ ciliumPolicies }: Snapshot) => ciliumPolicies.map(({ name }) => name).sort();
const statusOf = ({ policies }: Snapshot) => found(policies[0], "policy").status;

Deno.test("each gateway has a Cilium policy for its share, and each node is in exactly one", () => {
  const state = running(world());
  assert.deepEqual(names(state), ["web.a", "web.b", "web.c"]);
  for (const { name, labels, annotations, spec } of state.ciliumPolicies) {
    const own = name.slice("web.".length);
    assert.equal(labels[GATEWAY_LABEL], own);
    assert.equal(annotations[PART_ANNOTATION], own);
    assert.equal((spec["egressGateway"] as JsonObject)["egressIP"], VIPS[own as keyof typeof VIPS]);
  }
  assertOneEach(state);
  // Without a shard, or with what is none, nodes are the first gateway's.
  assert.deepEqual(gatewaysOfKinds(state).slice(SHARDS), [["a"], ["a"], ["a"], ["a"]]);
});

Deno.test("the status names each gateway with its share, its node and its address", () => {
  const { gateways = [], activeNodeName, conditions = [] } = statusOf(running(world()));
  assert.equal(activeNodeName, undefined);
  assert.deepEqual(
    gateways.map(({ shards: _, ...way }) => way),
    ["a", "b", "c"].map((name) => ({
      name,
      activeNodeName: `${name}1`,
      egressIP: VIPS[name as keyof typeof VIPS],
    })),
  );
  assert.equal(gateways.reduce((sum, { shards }) => sum + shards, 0), SHARDS);
  const ready = conditions.find(({ type }) => type === "Ready");
  assert.equal(ready?.message, "Traffic leaves by a1 (a), b1 (b), c1 (c)");
});

Deno.test("nodes are dealt shards once, evenly over the gateways, and only where a policy is spread", () => {
  assert.ok(
    running(world({ gateways: ["a"] })).nodes.every(({ labels }) => !(SHARD_LABEL in labels)),
  );
  const state = running(world());
  const owners = new Map(
    gatewaysOfKinds(state).slice(0, SHARDS).map(([gateway], shard) => [
      String(shard),
      gateway,
    ]),
  );
  const dealt = state.nodes.map(({ labels }) => owners.get(labels[SHARD_LABEL] ?? "none"));
  assert.deepEqual(dealt.toSorted(), ["a", "a", "b", "b", "c", "c"]);
  // Whatever becomes of the policies, the labels stay.
  const before = state.nodes.map(({ labels }) => labels[SHARD_LABEL]);
  const other = running(withSpec(state, { gateways: ["b", "c"] }));
  assert.deepEqual(other.nodes.map(({ labels }) => labels[SHARD_LABEL]), before);
  assert.deepEqual(
    running(withSpec(other, {})).nodes.map(({ labels }) => labels[SHARD_LABEL]),
    before,
  );
});

Deno.test("what is no shard is replaced by one, what is one is left alone", () => {
  const state = edit(running(world()), {
    nodes: {
      a1: { labels: { pool: "a", [SHARD_LABEL]: "banana" } },
      b1: { labels: { pool: "b", [SHARD_LABEL]: "7" } },
    },
  });
  const patched = decide(state).changes.filter(({ kind, body }) =>
    kind === "Node" && JSON.stringify(body).includes(SHARD_LABEL)
  );
  assert.deepEqual(patched.map(({ name }) => name), ["a1"]);
});

Deno.test("a holder that dies moves its own share's Cilium policy and no other", () => {
  const before = running(world());
  const state = running(edit(before, { nodes: { b1: { cordoned: true } } }));
  assert.deepEqual(gatewaysOfKinds(state), gatewaysOfKinds(before));
  const specs = (world: Snapshot) =>
    Object.fromEntries(world.ciliumPolicies.map(({ name, spec }) => [name, spec]));
  assert.deepEqual(specs(state)["web.a"], specs(before)["web.a"]);
  assert.deepEqual(specs(state)["web.c"], specs(before)["web.c"]);
  assert.equal(statusOf(state).gateways?.[1]?.activeNodeName, "b2");
});

/** Every state on the way to rest, one tick after the other. */
function* ticks(start: Snapshot): Iterable<Snapshot> {
  let state = start;
  for (let tick = 0; tick < 20; tick++) {
    const plan = decide(state);
    for (let limit = 1; limit <= plan.changes.length; limit++) {
      yield applyPlan(state, { changes: plan.changes.slice(0, limit) });
    }
    state = later(obey(applyPlan(state, plan)), 1);
    yield state;
  }
}

const CHANGES: readonly (readonly [what: string, from: PolicyOptions, to: PolicyOptions])[] = [
  ["one gateway becomes several", { gateways: ["a"] }, { gateways: ["a", "b"] }],
  ["several become one", { gateways: ["a", "b"] }, { gateways: ["a"] }],
  ["several become another one", { gateways: ["a", "b"] }, { gateways: ["c"] }],
  ["a gateway is added", { gateways: ["a", "b"] }, { gateways: ["a", "b", "c"] }],
  ["a gateway is added in front", { gateways: ["b", "c"] }, { gateways: ["a", "b", "c"] }],
  ["the first is taken out", { gateways: ["a", "b", "c"] }, { gateways: ["b", "c"] }],
  ["the last is taken out", { gateways: ["a", "b", "c"] }, { gateways: ["a", "b"] }],
  ["the list is turned round", { gateways: ["a", "b", "c"] }, { gateways: ["c", "b", "a"] }],
  ["weights change", { gateways: ["a", "b"] }, { gateways: ["a", "b"], weights: { b: 9 } }],
];

for (const [what, from, to] of CHANGES) {
  Deno.test(`when ${what}, each node has a gateway at every moment, and one in the end`, () => {
    const before = running(world(from));
    const wanted = gatewaysOfKinds(running(world(to)));
    const had = gatewaysOfKinds(before);
    let state = before;
    for (state of ticks(withSpec(before, to))) {
      gatewaysOfKinds(state).forEach((ways, kind) => {
        assert.ok(ways.length > 0, `${JSON.stringify(KINDS[kind])} has no gateway`);
        // Its old one, its new one, or both.
        const allowed = new Set([...had[kind] ?? [], ...wanted[kind] ?? []]);
        assert.ok(ways.every((way) => allowed.has(way)), `${ways} for ${[...allowed]}`);
      });
    }
    assert.deepEqual(gatewaysOfKinds(state), wanted);
    assertOneEach(state);
    assert.deepEqual(decide(state).changes, []);
  });
}

Deno.test("a gateway that does not serve yet takes no node from those that do", () => {
  const before = running(world({ gateways: ["a", "b"] }));
  const idle = edit(before, { nodes: { c1: { cordoned: true }, c2: { cordoned: true } } });
  const state = running(withSpec(idle, { gateways: ["a", "b", "c"] }));
  assert.deepEqual(gatewaysOfKinds(state), gatewaysOfKinds(before));
  const { message } = policyCondition(decide(state), "web", "Ready");
  assert.match(
    message,
    /^c: .*; the nodes of its share stay with the gateways that have them until it serves$/,
  );
  const well = running(edit(state, { nodes: { c1: { cordoned: false } } }));
  assert.ok(gatewaysOfKinds(well).some(([way]) => way === "c"));
  assertOneEach(well);
});

Deno.test("a name that no gateway has takes nothing, and the policy says so", () => {
  const before = running(world({ gateways: ["a", "b"] }));
  const state = running(withSpec(before, { gateways: ["a", "b", "d"] }));
  assert.deepEqual(gatewaysOfKinds(state), gatewaysOfKinds(before));
  const { status, reason, message } = policyCondition(decide(state), "web", "Accepted");
  assert.deepEqual([status, reason], ["False", "GatewayNotFound"]);
  assert.match(message, /^No EgressGateway 'd'; the nodes of its share stay with the gateways/);
});

Deno.test("in a new policy the share of a gateway that is not there is dropped", () => {
  const state = running(world({ gateways: ["a", "d"] }));
  assertOneEach(state);
  const { spec } = found(state.ciliumPolicies.find(({ name }) => name === "web.d"), "web.d");
  assert.match(JSON.stringify(spec["egressGateway"]), /no-node/);
  const { message } = policyCondition(decide(state), "web", "Accepted");
  assert.match(message, /^No EgressGateway 'd'; Cilium drops its share of the traffic/);
});

Deno.test("a gateway whose share somebody else's object stands in the way of gets none, and the others keep it", () => {
  const before = running(
    world({ gateways: ["a", "b"] }, { ciliumPolicies: [foreignCiliumPolicy("web.c")] }),
  );
  const state = running(withSpec(before, { gateways: ["a", "b", "c"] }));
  assert.deepEqual(gatewaysOfKinds(state), gatewaysOfKinds(before));
  const { reason, message } = policyCondition(decide(state), "web", "Conflicted");
  assert.equal(reason, "NameClash");
  assert.match(
    message,
    /^CiliumEgressGatewayPolicy 'web\.c' exists and is not ours; rename this policy or delete/,
  );
});

Deno.test("two policies of ours that want one name do not take it from each other", () => {
  const state = settled(world({}, {
    policies: [
      policy("web", { gateways: ["a", "b"] }),
      policy("web.a", {
        gateway: "c",
        selectors: [{ podSelector: { matchLabels: { app: "x" } } }],
      }),
    ],
  }));
  const clashes = decide(state).policies.filter(({ conditions }) =>
    conditions.some(({ reason }) => reason === "NameClash")
  );
  assert.equal(clashes.length, 1);
  assert.deepEqual(decide(state).changes, []);
});

Deno.test("parts that lost annotation, label or owner are still ours, and are put right", () => {
  const before = running(world());
  const [first] = before.ciliumPolicies;
  const { name, spec, labels } = found(first, "part");
  for (const damage of [{ annotations: {} }, { labels: {} }, { ownerReferences: [] }]) {
    const state = running(edit(before, { ciliumPolicies: { [name]: damage } }));
    const mended = found(state.ciliumPolicies.find((each) => each.name === name), name);
    assert.deepEqual([mended.spec, mended.labels, mended.annotations[PART_ANNOTATION]], [
      spec,
      labels,
      name.slice("web.".length),
    ]);
  }
});

Deno.test("a copy of a part under another name is nobody's business", () => {
  const before = running(world());
  const copy = { ...found(before.ciliumPolicies[0], "part"), name: "web.a-copy" };
  const state = { ...before, ciliumPolicies: [...before.ciliumPolicies, copy] };
  assert.deepEqual(
    writes(decide(state)).filter((write) => write.includes("CiliumEgressGatewayPolicy")),
    [],
  );
});

Deno.test("a hand-edited share is put back", () => {
  const before = running(world());
  const part = found(before.ciliumPolicies.find(({ name }) => name === "web.b"), "web.b");
  for (const selectors of [[{ podSelector: {} }], [], [{ podSelector: {}, nodeSelector: 7 }]]) {
    const state = running(
      edit(before, { ciliumPolicies: { "web.b": { spec: { ...part.spec, selectors } } } }),
    );
    assert.deepEqual(gatewaysOfKinds(state), gatewaysOfKinds(before));
    assert.deepEqual(decide(state).changes, []);
  }
});

Deno.test("when the policy goes, all of its parts go", () => {
  const state = edit(running(world()), { policies: { web: null } });
  assert.deepEqual(
    writes(decide(state)).filter((write) => write.startsWith("delete")),
    ["a", "b", "c"].map((name) => `delete CiliumEgressGatewayPolicy/web.${name}`),
  );
});

// ---------------------------------------------------------------- nodeSelector

const zone = (name: string) => ({ matchLabels: { zone: name } });

/** Pods of `app` on nodes of `zone`, by a policy with these rules. */
function selected(selectors: Policy["spec"]["selectors"], app: string, node: object): boolean {
  const state = running(world({ gateways: ["a"], selectors }));
  const pod = { ...WEB, labels: { app } };
  return state.ciliumPolicies.some(({ spec }) =>
    ciliumSelects(spec, pod, node as Record<string, string>)
  );
}

Deno.test("a rule's nodeSelector narrows that rule and no other, though Cilium takes those of all rules together", () => {
  const rules = [
    { podSelector: { matchLabels: { app: "web" } }, nodeSelector: zone("1") },
    { podSelector: { matchLabels: { app: "db" } }, nodeSelector: zone("2") },
    { podSelector: { matchLabels: { app: "log" } } },
  ];
  const table = ["web", "db", "log", "other"].map((app) =>
    ["1", "2"].map((zone) => selected(rules, app, { zone }))
  );
  assert.deepEqual(table, [[true, false], [false, true], [true, true], [false, false]]);
});

Deno.test("rules of one nodeSelector stay one Cilium policy of the policy's name", () => {
  const state = running(world({
    gateways: ["a"],
    selectors: [
      { podSelector: { matchLabels: { app: "web" } }, nodeSelector: zone("1") },
      { podSelector: { matchLabels: { app: "db" } }, nodeSelector: zone("1") },
    ],
  }));
  assert.deepEqual(names(state), ["web"]);
});

Deno.test("a share and a nodeSelector must both hold", () => {
  const state = running(
    world({
      selectors: [{ podSelector: { matchLabels: { app: "web" } }, nodeSelector: zone("1") }],
    }),
  );
  const inZone = KINDS.map((labels) =>
    state.ciliumPolicies.filter(({ spec }) => ciliumSelects(spec, WEB, { ...labels, zone: "1" }))
      .length
  );
  assert.deepEqual([...new Set(inZone)], [1]);
  assert.deepEqual([...new Set(gatewaysOfKinds(state).map(({ length }) => length))], [0]);
});

Deno.test("policies of different zones do not overlap, those of one do", () => {
  const rule = (
    name: string,
  ) => [{ podSelector: { matchLabels: { app: "web" } }, nodeSelector: zone(name) }];
  const conflicted = (zones: readonly string[]) =>
    decide(world({}, {
      policies: zones.map((name, index) =>
        policy(`p${index}`, { gateway: ["a", "b"][index] ?? "a", selectors: rule(name) })
      ),
    })).policies.map(({ conditions }) =>
      conditions.find(({ type }) => type === "Conflicted")?.status
    );
  assert.deepEqual(conflicted(["1", "2"]), ["False", "False"]);
  assert.deepEqual(conflicted(["1", "1"]), ["True", "True"]);
});
