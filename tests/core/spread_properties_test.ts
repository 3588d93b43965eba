/** Whatever is edited, fails, comes late or dies halfway: no node is ever left without a gateway by it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { networksOf } from "../../src/core/cilium_spec.ts";
import { decide } from "../../src/core/decide.ts";
import { familyOf } from "../../src/core/ip_family.ts";
import type { Family } from "../../src/core/ip_family.ts";
import { GATEWAY_LABEL, SHARD_LABEL } from "../../src/core/names.ts";
import { familiesOf } from "../../src/core/policy_parts.ts";
import { SHARDS } from "../../src/core/shares.ts";
import type { JsonObject, Labels, Policy, Snapshot } from "../../src/core/types.ts";
import { applyWhatFits } from "../support/apply_plan.ts";
import { cluster, edit, gateway, policy } from "../support/builders.ts";
import { ciliumSelects } from "../support/cilium_rules.ts";
import { later, obey } from "../support/obedient_agents.ts";
import { property } from "../support/property.ts";

const GATEWAYS = ["a", "b", "c", "d"];
const POD = { namespace: "shop", namespaceLabels: {}, labels: { app: "web" } };

/** Every kind of node: of each shard, without one, and with what is none. */
const KINDS: readonly Labels[] = [
  ...Array.from({ length: SHARDS }, (_, shard) => ({ [SHARD_LABEL]: String(shard) })),
  {},
  { [SHARD_LABEL]: "none" },
];

const START = cluster({
  nodes: Object.fromEntries(
    GATEWAYS.flatMap((pool) => [1, 2].map((index) => `${pool}${index}`)).map((name) => [name, {
      node: { labels: { pool: name.slice(0, 1) } },
    }]),
  ),
  gateways: GATEWAYS.map((name, index) =>
    gateway(name, {
      nodeSelector: { pool: name },
      // One of each kind.
      ...(index % 2 === 0 ? { vip: [`172.18.18.${10 + index}`, `2001:db8::${10 + index}`] } : {}),
      failback: { minReadySeconds: 1 },
    })
  ),
  policies: [policy("web", { gateways: ["a", "b"] })],
});

/** By how many steps what a tick decides from may be older than what it writes to. */
const MOST_LATE = 3;

type Step =
  | { readonly does: "edit"; readonly spec: Policy["spec"] }
  | { readonly does: "cordon"; readonly node: string; readonly cordoned: boolean }
  | { readonly does: "unlabel"; readonly node: string }
  | { readonly does: "tick"; readonly late: number; readonly dies: number };

const someSpec = fc.record({
  gateways: fc.shuffledSubarray(GATEWAYS, { minLength: 1 }),
  heavy: fc.constantFrom(...GATEWAYS),
  weight: fc.integer({ min: 1, max: 4 }),
  fallback: fc.option(fc.constantFrom(...GATEWAYS), { nil: undefined }),
  destinationCIDRs: fc.constantFrom(["0.0.0.0/0"], ["0.0.0.0/0", "::/0"], ["::/0"]),
}).map(({ gateways, heavy, weight, fallback, destinationCIDRs }) =>
  policy("web", {
    gateways,
    destinationCIDRs,
    weights: { [heavy]: weight },
    ...(fallback === undefined ? {} : { fallback }),
  }).spec
);

const someNode = fc.constantFrom(...START.nodes.map(({ name }) => name));

const someStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ does: fc.constant("edit" as const), spec: someSpec }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant("cordon" as const),
      node: someNode,
      cordoned: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("unlabel" as const), node: someNode }) },
  {
    weight: 8,
    arbitrary: fc.record({
      does: fc.constant("tick" as const),
      late: fc.constantFrom(0, 0, 0, 1, MOST_LATE),
      dies: fc.oneof(fc.constant(99), fc.integer({ min: 0, max: 6 })),
    }),
  },
);

function taken(state: Snapshot, seen: readonly Snapshot[], step: Step): Snapshot {
  switch (step.does) {
    case "edit": {
      const [before] = state.policies;
      const resourceVersion = `${before?.resourceVersion}0`;
      const generation = (before?.generation ?? 0) + 1;
      return edit(state, {
        policies: { web: { spec: step.spec, generation, resourceVersion } },
      });
    }
    case "cordon":
      return edit(state, { nodes: { [step.node]: { cordoned: step.cordoned } } });
    case "unlabel": {
      const { [SHARD_LABEL]: _, ...labels } = state.nodes.find(({ name }) => name === step.node)
        ?.labels ?? {};
      const resourceVersion = `${
        state.nodes.find(({ name }) => name === step.node)
          ?.resourceVersion
      }0`;
      return edit(state, { nodes: { [step.node]: { labels, resourceVersion } } });
    }
    case "tick": {
      const plan = decide(seen.at(-1 - step.late) ?? state);
      return later(obey(applyWhatFits(state, plan, { limit: step.dies })), 1);
    }
  }
}

/** The gateways that a pod's traffic of one family is sent to from a node. */
const waysOf = (
  { ciliumPolicies }: Snapshot,
  { labels, family }: { readonly labels: Labels; readonly family: Family },
): readonly string[] =>
  ciliumPolicies.filter(({ spec }) =>
    networksOf(spec, "destinationCIDRs").some((network) => familyOf(network) === family) &&
    ciliumSelects(spec, POD, labels)
  ).map(({ labels }) => labels[GATEWAY_LABEL] ?? "");

const wanted = ({ policies }: Snapshot): readonly Family[] =>
  familiesOf(policies[0]?.spec.destinationCIDRs ?? []);

const edited = (
  weights: Readonly<Record<string, number>>,
  destinationCIDRs: readonly string[],
): Step => ({
  does: "edit",
  spec: policy("web", { gateways: Object.keys(weights), weights, destinationCIDRs }).spec,
});
const ticked = (dies = 99): Step => ({ does: "tick", late: 0, dies });

/** IPv4 is added as nodes go from a to d, and the controller dies before d has been told of IPv6. */
const FAMILY_ADDED: readonly Step[] = [
  edited({ d: 1, a: 2 }, ["::/0"]),
  ...Array.from({ length: 8 }, () => ticked()),
  edited({ a: 1, d: 1 }, ["0.0.0.0/0", "::/0"]),
  ticked(2),
  ticked(1),
  ticked(1),
];

property(
  "every node has a gateway at every moment, and exactly one at rest, whatever happened",
  fc.array(someStep, { minLength: 10, maxLength: 30 }),
  (steps: readonly Step[]) => {
    let state = START;
    const seen: Snapshot[] = [];
    for (let tick = 0; tick < 5; tick++) {
      state = later(obey(applyWhatFits(state, decide(state))), 1);
    }
    seen.push(state);
    // Those that have been wanted since they were served, and for longer than the latest tick is late.
    let served = wanted(state);
    for (const step of steps) {
      state = taken(state, seen, step);
      seen.push(state);
      const now = wanted(state);
      served = served.filter((family) => now.includes(family));
      for (const family of served) {
        for (const labels of KINDS) {
          const what = `IPv${family} of ${JSON.stringify(labels)} after ${step.does}`;
          assert.ok(waysOf(state, { labels, family }).length > 0, what);
        }
      }
      served = now.filter((family) =>
        seen.slice(-1 - MOST_LATE).every((past) => wanted(past).includes(family)) &&
        KINDS.every((labels) => waysOf(state, { labels, family }).length > 0)
      );
    }
    for (const { name } of state.nodes) {
      state = edit(state, { nodes: { [name]: { cordoned: false } } });
    }
    for (let tick = 0; tick < 40; tick++) {
      state = later(obey(applyWhatFits(state, decide(state))), 1);
    }
    for (const family of wanted(state)) {
      for (const labels of KINDS) {
        const ways = waysOf(state, { labels, family });
        assert.equal(ways.length, 1, `IPv${family} of ${JSON.stringify(labels)} at rest`);
      }
      assert.ok(
        state.nodes.every(({ labels }) => waysOf(state, { labels, family }).length === 1),
      );
    }
    for (const { name, spec } of state.ciliumPolicies) {
      const families = familiesOf(networksOf(spec, "destinationCIDRs"));
      assert.equal(families.length, 1, `${name} is of one family`);
      const egressIP = (spec["egressGateway"] as JsonObject)["egressIP"];
      if (typeof egressIP === "string") assert.equal(familyOf(egressIP), families[0], name);
    }
    assert.deepEqual(decide(state).changes, []);
    return steps.length;
  },
  { runs: 150, examples: [FAMILY_ADDED] },
);
