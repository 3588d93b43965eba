/** When a better-ranked node may take the role back from a healthy holder. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import type { Candidate, Phase } from "../../src/core/types.ts";
import { PIN_ANNOTATION } from "../../src/core/names.ts";
import { at, cluster, gateway, lease } from "../support/builders.ts";
import type { GatewayOptions } from "../support/builders.ts";
import { later } from "../support/obedient_agents.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { gatewayPlan } from "../support/read_plan.ts";

/** b holds the gateway, a is ranked better (by name) and has been eligible for `seconds`. */
function betterSince(
  seconds: number,
  options: GatewayOptions & { readonly phase?: Phase } = {},
) {
  const candidates: readonly Candidate[] = [
    { node: "a", eligible: true, eligibleSince: at(-seconds), rank: 0, reasons: [] },
    { node: "b", eligible: true, eligibleSince: at(-600), rank: 0, reasons: [] },
  ];
  const { phase = "Active", ...rest } = options;
  const [vip] = [options.vip ?? []].flat();
  const egressIP = vip === undefined ? {} : { egressIP: vip };
  return cluster({
    nodes: { a: {}, b: {} },
    gateways: [
      gateway("gw", {
        ...rest,
        status: { activeNodeName: "b", term: 2, phase, candidates, ...egressIP },
      }),
    ],
  });
}

/** The same, and a's Lease was seen unchanged for so long. */
function unheard(milliseconds: number, options: GatewayOptions = {}) {
  const before = betterSince(60, options);
  const silent = { ...lease("a"), unchangedForMilliseconds: milliseconds };
  return { ...before, leases: [silent, lease("b")] };
}

/** The same, and a's agent was taken away an hour ago. */
function leftBehind() {
  const before = betterSince(60, { failureDetection: { heartbeat: "IfPresent" } });
  return { ...before, agentPods: [], leases: [lease("a", { ago: 3_600 })] };
}

const ROWS: readonly {
  readonly name: string;
  readonly before: ReturnType<typeof betterSince>;
  readonly holder: string;
  readonly decision: string;
  readonly says: RegExp;
}[] = [
  {
    name: "a better-ranked node waits until it has been eligible for minReadySeconds",
    before: betterSince(9),
    holder: "b",
    decision: "Keep",
    says: /a is ranked better, but not yet eligible for 10 s$/,
  },
  {
    name: "a better-ranked node takes the role back after minReadySeconds",
    before: betterSince(10),
    holder: "a",
    decision: "FailBack",
    says: /^a is ranked better than b and has been eligible for 10 s$/,
  },
  {
    name: "a better-ranked node that has missed a heartbeat does not take the role back",
    before: unheard(1_201),
    holder: "b",
    decision: "Keep",
    says: /^b is eligible; a is ranked better, but has missed a heartbeat$/,
  },
  {
    name: "nor where the role is pinned to it",
    before: unheard(1_201, { annotations: { [PIN_ANNOTATION]: "a" } }),
    holder: "b",
    decision: "Keep",
    says: /^b is eligible; a is pinned, but has missed a heartbeat$/,
  },
  {
    name: "a heartbeat that is due is no missed one",
    before: unheard(1_200),
    holder: "a",
    decision: "FailBack",
    says: /^a is ranked better/,
  },
  {
    name: "where heartbeats are ignored, a missed one is no obstacle",
    before: unheard(60_000, { failureDetection: { heartbeat: "Ignore" } }),
    holder: "a",
    decision: "FailBack",
    says: /^a is ranked better/,
  },
  {
    name: "nor is a Lease that an agent left behind",
    before: leftBehind(),
    holder: "a",
    decision: "FailBack",
    says: /^a is ranked better/,
  },
  {
    name: "minReadySeconds can be made longer",
    before: betterSince(299, { failback: { minReadySeconds: 300 } }),
    holder: "b",
    decision: "Keep",
    says: /300 s$/,
  },
  {
    name: "minReadySeconds 0 takes the role back at once",
    before: betterSince(0, { failback: { minReadySeconds: 0 } }),
    holder: "a",
    decision: "FailBack",
    says: /^a is ranked better/,
  },
  {
    name: "failback Never leaves the role with a healthy holder",
    before: betterSince(9_999, { failback: { mode: "Never" } }),
    holder: "b",
    decision: "Keep",
    says: /failback.mode is Never, though a is ranked better$/,
  },
  {
    name: "nobody takes the role back while a handover is under way",
    before: betterSince(9_999, { vip: "172.18.18.242", phase: "Preparing" }),
    holder: "b",
    decision: "Wait",
    says: /^The handover to b is under way/,
  },
];

for (const { name, before, holder, decision, says } of ROWS) {
  Deno.test(name, () => {
    const plan = gatewayPlan(decide(before));
    assert.deepEqual([plan.activeNodeName, plan.decision], [holder, decision]);
    assert.match(plan.message, says);
  });
}

Deno.test("failback goes to the best-ranked of the nodes that are due", () => {
  const candidates = ["a", "b", "c", "d"].map((node): Candidate => ({
    node,
    eligible: true,
    eligibleSince: at(node === "a" ? -3 : -60),
    rank: 0,
    reasons: [],
  }));
  const plan = decide(cluster({
    nodes: { a: {}, b: {}, c: {}, d: {} },
    gateways: [
      gateway("gw", { status: { activeNodeName: "d", term: 2, phase: "Active", candidates } }),
    ],
  }));
  assert.equal(gatewayPlan(plan).activeNodeName, "b");
});

Deno.test("a node that comes back takes its role back once, minReadySeconds later", () => {
  let state = cluster({
    nodes: { a: { node: { ready: false } }, b: {} },
    gateways: [gateway("gw")],
  });
  const holders: string[] = [];
  for (let second = 0; second < 20; second++) {
    if (second === 3) {
      state = {
        ...state,
        nodes: state.nodes.map((node) => ({ ...node, ready: "True", readySince: state.now })),
      };
    }
    const plan = decide(state);
    holders.push(gatewayPlan(plan).activeNodeName ?? "nobody");
    state = later(applyPlan(state, plan), 1);
  }
  assert.deepEqual(holders, [...Array(13).fill("b"), ...Array(7).fill("a")]);
});

Deno.test("a better-ranked node that flaps more often than minReadySeconds never takes the role", () => {
  let state = cluster({
    nodes: { a: { node: { ready: false } }, b: {} },
    gateways: [gateway("gw")],
  });
  for (let second = 0; second < 60; second++) {
    const up = second % 8 >= 2;
    state = {
      ...state,
      nodes: state.nodes.map((node) =>
        node.name === "b" ? node : { ...node, ready: up ? "True" : "False" }
      ),
    };
    const plan = decide(state);
    assert.equal(gatewayPlan(plan).activeNodeName, "b");
    state = later(applyPlan(state, plan), 1);
  }
});
