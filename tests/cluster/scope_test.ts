/** Looking at the candidates alone decides the same as looking at every node. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { covers, nodeScope } from "../../src/cluster/scope.ts";
import { decide } from "../../src/core/decide.ts";
import { MEMBER_LABEL } from "../../src/core/names.ts";
import type { Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { anySnapshot } from "../support/arbitrary_snapshot.ts";
import { cluster, gateway } from "../support/builders.ts";
import { parseLabelSelector } from "../../src/kube/label_selector.ts";

/** What `observe` would have read of it. */
function seen(snapshot: Snapshot): Snapshot | undefined {
  const scope = nodeScope(snapshot.gateways);
  if (scope.every) return undefined;
  const holders = snapshot.gateways.map(({ status }) => status.activeNodeName);
  const nodes = snapshot.nodes.filter(({ name, labels }) =>
    holders.includes(name) ||
    scope.labelSelectors.some((selector) => parseLabelSelector(selector)(labels))
  );
  const names = new Set(nodes.map(({ name }) => name));
  return {
    ...snapshot,
    nodes,
    ciliumPods: snapshot.ciliumPods.filter(({ nodeName }) => names.has(nodeName)),
  };
}

/** The DaemonSet runs agents where our label is, and nowhere else. */
function withAgentsOnMembers(snapshot: Snapshot): Snapshot {
  const members = new Set(
    snapshot.nodes.filter(({ labels }) => MEMBER_LABEL in labels).map(({ name }) => name),
  );
  return {
    ...snapshot,
    agentPods: snapshot.agentPods.filter(({ nodeName }) => members.has(nodeName)),
    leases: snapshot.leases.filter(({ name }) => members.has(name)),
  };
}

Deno.test("a tick that looks at candidates alone decides what one that looks at every node decides", () => {
  let narrowed = 0;
  fc.assert(
    fc.property(anySnapshot, (snapshot) => {
      // Ticked before, so that labels and addresses of a first holder are settled.
      const settled = withAgentsOnMembers(applyPlan(snapshot, decide(snapshot)));
      const partial = seen(settled);
      if (partial === undefined) return;
      if (partial.nodes.length < settled.nodes.length) narrowed++;
      assert.deepEqual(decide(partial), decide(settled));
    }),
    { numRuns: 4_000 },
  );
  assert.ok(narrowed >= 20, `${narrowed} snapshots had a node that is left out`);
});

const settled = { phase: "Active", activeNodeName: "n1", term: 1 } as const;

Deno.test("gateways that select by the same keys share requests, whatever their number", () => {
  const gateways = Array.from(
    { length: 250 },
    (_, index) => gateway(`g${index}`, { nodeSelector: { pool: `p${index}` }, status: settled }),
  );
  const scope = nodeScope(gateways);
  assert.ok(!scope.every);
  assert.equal(scope.labelSelectors.length, 4);
  for (const { spec } of gateways) {
    assert.ok(
      scope.labelSelectors.some((selector) => parseLabelSelector(selector)(spec.nodeSelector)),
    );
  }
});

Deno.test("several keys are all asked for, and every candidate is among what is found", () => {
  const selectors = [{ zone: "a", role: "x" }, { role: "y", zone: "b" }, { zone: "a" }];
  const gateways = selectors.map((nodeSelector, index) =>
    gateway(`g${index}`, { nodeSelector, status: settled })
  );
  assert.deepEqual(nodeScope(gateways), {
    every: false,
    labelSelectors: [`${MEMBER_LABEL},zone!=a`, "role in (x,y),zone in (a,b)", "zone=a"].sort(),
  });
});

Deno.test("a member that is a candidate is asked for once", () => {
  const gateways = ["p1", "p2"].map((pool) =>
    gateway(pool, { nodeSelector: { pool }, status: settled })
  );
  const scope = nodeScope(gateways);
  assert.ok(!scope.every);
  const asked = (labels: Record<string, string>) =>
    scope.labelSelectors.filter((selector) => parseLabelSelector(selector)(labels)).length;
  assert.equal(asked({ [MEMBER_LABEL]: "", pool: "p1" }), 1);
  assert.equal(asked({ pool: "p2" }), 1);
  assert.equal(asked({ [MEMBER_LABEL]: "", pool: "p3" }), 1);
  assert.equal(asked({ [MEMBER_LABEL]: "" }), 1);
  assert.equal(asked({ pool: "p3" }), 0);
});

const vip = "172.18.18.242";
const conflict = {
  type: "AddressConflict",
  status: "True",
  reason: "NodeAddress",
  message: "",
  lastTransitionTime: "2026-11-23T10:00:00Z",
  observedGeneration: 1,
} as const;
const role = { role: "egress" };
const EVERY: readonly (readonly [why: string, Parameters<typeof gateway>[1]])[] = [
  ["the selector is empty", { nodeSelector: {}, status: settled }],
  ["a virtual IP has had no holder yet", { nodeSelector: role, vip }],
  ["a virtual IP was changed", {
    nodeSelector: role,
    vip,
    status: { ...settled, egressIP: "172.18.18.1" },
  }],
  ["a virtual IP is disputed", {
    nodeSelector: role,
    vip,
    status: { ...settled, egressIP: vip, conditions: [conflict] },
  }],
];
for (const [why, options] of EVERY) {
  Deno.test(`every node is looked at where ${why}`, () => {
    assert.deepEqual(nodeScope([gateway("gw", options)]), { every: true });
  });
}

Deno.test("a virtual IP that is served needs its candidates only", () => {
  const served = gateway("gw", { nodeSelector: role, vip, status: { ...settled, egressIP: vip } });
  assert.equal(nodeScope([served]).every, false);
});

Deno.test("a selector that appears while the cluster is read is not covered by what was listed", () => {
  const before = nodeScope([gateway("a", { nodeSelector: role, status: settled })]);
  const after = nodeScope([gateway("a", { nodeSelector: { role: "edge" }, status: settled })]);
  assert.equal(covers(before, after), false);
  assert.equal(covers(before, before), true);
  assert.equal(covers({ every: true }, after), true);
  assert.equal(covers(before, { every: true }), false);
});

Deno.test("a holder keeps the label by which it is found while it holds, candidate or not", () => {
  const state = cluster({
    nodes: { a: { node: { labels: { [MEMBER_LABEL]: "" } } } },
    gateways: [gateway("gw", { nodeSelector: role, status: { ...settled, activeNodeName: "a" } })],
  });
  const labels = applyPlan(state, decide(state)).nodes[0]?.labels ?? {};
  assert.ok(MEMBER_LABEL in labels);
});
