/** The table in the comment of `Phase`, one test per row. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import type { Gateway, GatewayStatus, Phase, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { address, at, cluster, gateway, VIP } from "../support/builders.ts";
import type { Machine } from "../support/builders.ts";

interface Row {
  readonly from: Phase | undefined;
  readonly when: string;
  readonly world: Snapshot;
  /** The phases that are written, in order; none where the stored one stays. */
  readonly written: readonly Phase[];
  readonly to: Phase;
}

const SICK: Machine = { node: { ready: false } };

const bound = (term: number, speaking = false): Machine => ({
  lease: { report: { addresses: [address({ term, speaking })] } },
});

/** Gateway "gw" in a phase of term 4: held by a, or on its way there from b. */
function inPhase(phase: Phase | undefined, options: Parameters<typeof gateway>[1] = {}): Gateway {
  const held: GatewayStatus = {
    term: 4,
    activeNodeName: "a",
    standbyNodeNames: ["b"],
    ...(options.vip === undefined ? {} : { egressIP: VIP }),
    lastFailover: {
      ...(phase === "Preparing" ? { from: "b" } : { durationMilliseconds: 0 }),
      to: "a",
      reason: "earlier",
      startTime: at(-1),
    },
  };
  const status: GatewayStatus = phase === undefined
    ? {}
    : phase === "Idle"
    ? { phase, term: 4 }
    : { ...held, phase };
  return gateway("gw", { ...options, status });
}

function row(
  from: Phase | undefined,
  when: string,
  { nodes, options = {}, written, to }: {
    nodes: Readonly<Record<string, Machine>>;
    options?: Parameters<typeof gateway>[1];
    written: readonly Phase[];
    to: Phase;
  },
): Row {
  return { from, when, world: cluster({ nodes, gateways: [inPhase(from, options)] }), written, to };
}

const DROP = { whenNoneEligible: "Drop" } as const;
const FROM: readonly (Phase | undefined)[] = [undefined, "Idle", "Preparing", "Active"];

const ROWS: readonly Row[] = [
  ...FROM.flatMap((from) => [
    row(from, "nobody is elected", {
      nodes: { a: SICK, b: SICK },
      options: { ...DROP, vip: VIP },
      written: from === "Idle" ? [] : ["Idle"],
      to: "Idle",
    }),
    row(from, "a node is elected, and there is no address to hand over", {
      nodes: { a: SICK, b: {} },
      written: from === "Active" ? [] : ["Active"],
      to: "Active",
    }),
    row(from, "a term begins with an address to hand over", {
      nodes: { a: SICK, b: {} },
      options: { vip: VIP },
      written: from === "Preparing" ? [] : ["Preparing"],
      to: "Preparing",
    }),
  ]),
  row("Preparing", "the term goes on, and what it waits for is not done", {
    nodes: { a: bound(4), b: bound(3, true) },
    options: { vip: VIP },
    written: [],
    to: "Preparing",
  }),
  row("Preparing", "the VIP is bound, and no other node may speak for it", {
    nodes: { a: bound(4), b: bound(4) },
    options: { vip: VIP },
    written: ["Active"],
    to: "Active",
  }),
  row("Active", "the term goes on", {
    nodes: { a: bound(4, true), b: bound(4) },
    options: { vip: VIP },
    written: [],
    to: "Active",
  }),
  row("Active", "a term begins that waits for nothing", {
    nodes: { a: { ...SICK, lease: { ago: 9 } }, b: bound(3) },
    options: { vip: VIP },
    written: ["Preparing", "Active"],
    to: "Active",
  }),
];

for (const { from, when, world, written, to } of ROWS) {
  Deno.test(`from ${from ?? "no phase"} to ${to}: ${when}`, () => {
    const plan = decide(world);
    const phases = plan.changes.filter(({ kind }) => kind === "EgressGateway").map(({ body }) =>
      (body["status"] as GatewayStatus).phase
    );
    assert.deepEqual(phases.filter((phase) => phase !== undefined), written);
    const [after] = applyPlan(world, plan).gateways;
    assert.equal(after?.status.phase, to);
  });
}
