/** Since when a node counts as eligible: object times and the memory in status. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import type { Candidate } from "../../src/core/types.ts";
import { at, cluster, gateway, NOW } from "../support/builders.ts";
import type { GatewayOptions, Machine } from "../support/builders.ts";
import { candidate } from "../support/read_plan.ts";

const seconds = (count: number) => NOW + count * 1_000;

function remembered(options: Partial<Candidate>): GatewayOptions {
  return {
    status: { candidates: [{ node: "a", eligible: true, rank: 0, reasons: [], ...options }] },
  };
}

const ROWS: readonly {
  readonly rule: string;
  readonly machine: Machine;
  readonly gateway?: GatewayOptions;
  /** Seconds from now. */
  readonly since: number;
}[] = [
  {
    rule: "with no memory, the node's Ready transition when that is the latest",
    machine: {
      node: { readySince: seconds(-20) },
      cilium: { readySince: seconds(-30) },
    },
    since: -20,
  },
  {
    rule: "with no memory, the Cilium pod's Ready transition when that is the latest",
    machine: { node: { readySince: seconds(-30) }, cilium: { readySince: seconds(-20) } },
    since: -20,
  },
  {
    rule: "with no memory, the agent pod's Ready transition in VIP mode",
    machine: { agent: { readySince: seconds(-20) } },
    gateway: { vip: "172.18.18.242" },
    since: -20,
  },
  {
    rule: "with no memory, not the agent pod's Ready transition in primary-IP mode",
    machine: { agent: { readySince: seconds(-20) } },
    since: -3_600,
  },
  {
    rule: "what status remembers, when that is later than the objects' times",
    machine: {},
    gateway: remembered({ eligibleSince: at(-7) }),
    since: -7,
  },
  {
    rule: "a transition of an object that is later than what status remembers",
    machine: { cilium: { readySince: seconds(-2) } },
    gateway: remembered({ eligibleSince: at(-7) }),
    since: -2,
  },
  {
    rule: "now, when status remembers the node as not eligible",
    machine: {},
    gateway: remembered({ eligible: false, eligibleSince: at(-7) }),
    since: 0,
  },
  {
    rule: "now, when status does not list the node",
    machine: {},
    gateway: remembered({ node: "another", eligibleSince: at(-7) }),
    since: 0,
  },
  {
    rule: "now, when status lists nobody",
    machine: {},
    gateway: { status: { candidates: [] } },
    since: 0,
  },
];

for (const row of ROWS) {
  Deno.test(`a node is eligible since ${row.rule}`, () => {
    const plan = decide(cluster({
      nodes: { a: row.machine },
      gateways: [gateway("gw", row.gateway)],
    }));
    assert.equal(candidate(plan, "a").eligibleSince, at(row.since));
  });
}

Deno.test("a node whose objects tell no time is eligible since now", () => {
  const before = cluster({ nodes: { a: { cilium: null } }, gateways: [gateway("gw")] });
  const plan = decide({
    ...before,
    nodes: before.nodes.map(({ readySince: _, ...node }) => ({ ...node, ready: "Missing" })),
    ciliumPods: [{
      namespace: "kube-system",
      name: "cilium-a",
      nodeName: "a",
      ready: true,
      deleting: false,
    }],
  });
  assert.equal(candidate(plan, "a").eligibleSince, at(0));
});
