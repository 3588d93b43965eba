/** Strategy `Balanced`: gateways over nodes with bounded load, and nothing moves but what must. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decide } from "../../src/core/decide.ts";
import type { Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, edit, gateway, withoutMachine } from "../support/builders.ts";
import type { GatewayOptions } from "../support/builders.ts";
import { later } from "../support/obedient_agents.ts";
import { property } from "../support/property.ts";
import { say } from "../support/say.ts";

const list = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, "0")}`);

function world(gateways: number, nodes: number, options: GatewayOptions = {}): Snapshot {
  return cluster({
    nodes: Object.fromEntries(list("node-", nodes).map((name) => [name, {}])),
    gateways: list("gw-", gateways).map((name) =>
      gateway(name, { strategy: "Balanced", ...options })
    ),
  });
}

/** So many seconds of ticks. */
function ticked(state: Snapshot, seconds = 1): Snapshot {
  return Array.from({ length: seconds }).reduce<Snapshot>(
    (before) => later(applyPlan(before, decide(before)), 1),
    state,
  );
}

const holders = ({ gateways }: Snapshot) =>
  new Map(gateways.map(({ name, status }) => [name, status.activeNodeName]));

function moves(before: Snapshot, after: Snapshot): number {
  const now = holders(after);
  return [...holders(before)].filter(([name, node]) => now.get(name) !== node).length;
}

/** How many gateways each node holds, fewest first. */
function loads(state: Snapshot): readonly number[] {
  const held = [...holders(state).values()];
  return state.nodes.map(({ name }) => held.filter((node) => node === name).length)
    .toSorted((a, b) => a - b);
}

const NEVER: GatewayOptions = { failback: { mode: "Never" } };
const spread = (numbers: readonly number[]) => `${Math.min(...numbers)} to ${Math.max(...numbers)}`;

for (const [mode, options] of [["Auto", {}], ["Never", NEVER]] as const) {
  Deno.test(`100 gateways on ten nodes, failback ${mode}: what moves when one goes, comes, is cordoned`, () => {
    const before = ticked(world(100, 10, options), 2);
    assert.deepEqual(loads(before), new Array(10).fill(10));
    const gone = ticked(withoutMachine(before, "node-004"), 30);
    const machine = world(0, 10).nodes.filter(({ name }) => name === "node-004");
    const pods = world(0, 10).ciliumPods.filter(({ nodeName }) => nodeName === "node-004");
    const returned = {
      ...gone,
      nodes: [...gone.nodes, ...machine],
      ciliumPods: [...gone.ciliumPods, ...pods],
    };
    const back = ticked(returned, 40);
    const cordoned = ticked(edit(before, { nodes: { "node-004": { cordoned: true } } }), 30);
    const uncordoned = ticked(edit(cordoned, { nodes: { "node-004": { cordoned: false } } }), 40);
    const more = ticked({
      ...before,
      nodes: [...before.nodes, ...world(0, 11).nodes.slice(10)],
      ciliumPods: [...before.ciliumPods, ...world(0, 11).ciliumPods.slice(10)],
    }, 40);
    const figures = {
      goes: moves(before, gone),
      comesBack: moves(gone, back),
      isCordoned: moves(before, cordoned),
      isUncordoned: moves(cordoned, uncordoned),
      anEleventhComes: moves(before, more),
    };
    say(
      `Of 100 gateways on 10 nodes (failback ${mode}) move when one node goes: ${figures.goes}, comes back: ${figures.comesBack}, ` +
        `is cordoned: ${figures.isCordoned}, uncordoned: ${figures.isUncordoned}, when an eleventh comes: ${figures.anEleventhComes}. ` +
        `Gateways on a node: ${spread(loads(before))} at first, ${spread(loads(gone))} on nine, ${
          spread(loads(back))
        } when it is back`,
    );
    const returns = mode === "Auto" ? 10 : 0;
    assert.deepEqual(figures, {
      goes: 10,
      comesBack: returns,
      isCordoned: 10,
      isUncordoned: returns,
      anEleventhComes: 0,
    });
    assert.ok(Math.max(...loads(gone)) <= 12);
    assert.deepEqual(decide(back).changes.filter(({ kind }) => kind === "EgressGateway"), []);
  });
}

Deno.test("strategies beside each other: the load of 13 gateways on three nodes", () => {
  const of = (strategy: "Alphabetical" | "Hash" | "Balanced") =>
    loads(ticked(world(13, 3, { strategy }), 2));
  const figures = { Alphabetical: of("Alphabetical"), Hash: of("Hash"), Balanced: of("Balanced") };
  say(`13 gateways on three nodes: ${JSON.stringify(figures)}`);
  assert.deepEqual(figures.Alphabetical, [0, 0, 13]);
  assert.ok(Math.max(...figures.Balanced) <= 5);
});

Deno.test("Balanced gateways give way to what others hold", () => {
  const state = cluster({
    nodes: { a: {}, b: {}, c: {} },
    gateways: [
      gateway("first"),
      gateway("second", { strategy: "Balanced" }),
      gateway("third", { strategy: "Balanced" }),
    ],
  });
  assert.deepEqual(loads(ticked(state, 2)), [1, 1, 1]);
});

Deno.test("preferred nodes come before balance, and a pin before both", () => {
  const state = cluster({
    nodes: { a: {}, b: {}, c: { node: { labels: { fast: "" } } } },
    gateways: list("gw-", 3).map((name) =>
      gateway(name, {
        strategy: "Balanced",
        preferredNodes: [{ weight: 1, nodeSelector: { fast: "" } }],
        ...(name === "gw-002" ? { pin: "b" } : {}),
      })
    ),
  });
  assert.deepEqual([...holders(ticked(state, 2)).values()], ["c", "c", "b"]);
});

Deno.test("who has one node to choose from is seated before who has several, so that nothing moves a tick later", () => {
  const names = list("gw-", 12);
  const choosy = {
    strategy: "Balanced",
    preferredNodes: [{ weight: 1, nodeSelector: { best: "" } }],
  } as const;
  const start = cluster({
    nodes: { a: { node: { labels: { best: "" } } }, b: {} },
    gateways: names.map((name, index) =>
      gateway(name, index < 6 ? { strategy: "Balanced" } : choosy)
    ),
  });
  const first = ticked(start);
  assert.deepEqual(names.slice(6).map((name) => holders(first).get(name)), new Array(6).fill("a"));
  assert.deepEqual(loads(first), [3, 9]);
  assert.equal(moves(first, ticked(first, 60)), 0);
});

Deno.test("no healthy gateway moves before minReadySeconds, and then no more than must", () => {
  const before = ticked(world(9, 2), 2);
  const three = {
    ...before,
    nodes: [
      ...before.nodes,
      ...world(0, 3).nodes.slice(2).map((node) => ({ ...node, readySince: before.now })),
    ],
    ciliumPods: [...before.ciliumPods, ...world(0, 3).ciliumPods.slice(2)],
  };
  assert.equal(moves(before, ticked(three, 9)), 0);
  const after = ticked(three, 20);
  assert.deepEqual([moves(before, after), loads(after)], [3, [3, 3, 3]]);
});

/** Gateways that may hold some of the nodes each, of which some are cordoned, and some of the gateways are held already. */
const someCluster = fc.record({
  cordoned: fc.array(fc.boolean(), { minLength: 2, maxLength: 6 }),
  gateways: fc.array(
    fc.record({
      pool: fc.constantFrom("", "x", "y"),
      holder: fc.nat({ max: 7 }),
      strategy: fc.constantFrom("Balanced" as const, "Balanced" as const, "Hash" as const),
    }),
    { minLength: 1, maxLength: 14 },
  ),
}).map(({ cordoned, gateways }) =>
  cluster({
    nodes: Object.fromEntries(cordoned.map((each, index) => [`n${index}`, {
      node: { cordoned: each, labels: index % 2 === 0 ? { x: "" } : { y: "" } },
    }])),
    gateways: gateways.map(({ pool, holder, strategy }, index) =>
      gateway(`g${index}`, {
        strategy,
        nodeSelector: pool === "" ? {} : { [pool]: "" },
        ...(holder < cordoned.length
          ? { status: { term: 1, activeNodeName: `n${holder}`, phase: "Active" } }
          : {}),
      })
    ),
  })
);

property(
  "no Balanced gateway leaves a healthy node that has no more than its share",
  someCluster,
  (before) => {
    const plan = decide(before);
    let cases = 0;
    const strategyOf = (wanted: string) =>
      before.gateways.find(({ name }) => name === wanted)?.spec.strategy;
    for (const { name, previousNodeName, activeNodeName, candidates } of plan.gateways) {
      const holder = candidates.find(({ node }) => node === previousNodeName);
      if (strategyOf(name) !== "Balanced" || holder?.eligible !== true) continue;
      const eligible = (each: typeof candidates) => each.filter(({ eligible }) => eligible);
      const share = plan.gateways.filter((each) =>
        eligible(each.candidates).some(({ node }) => node === previousNodeName)
      ).reduce((sum, each) => sum + 1 / eligible(each.candidates).length, 0);
      // What others hold there from now on counts too.
      const load = plan.gateways.filter((each) =>
        each.previousNodeName === previousNodeName ||
        each.activeNodeName === previousNodeName && strategyOf(each.name) !== "Balanced"
      ).length;
      if (load > Math.ceil(share - 1e-9)) continue;
      cases++;
      assert.equal(activeNodeName, previousNodeName, name);
    }
    return cases;
  },
);

property("Balanced comes to rest, whatever it begins with", someCluster, (before) => {
  const after = ticked(before, 200);
  assert.deepEqual(decide(after).changes.filter(({ kind }) => kind === "EgressGateway"), []);
}, { runs: 40 });
