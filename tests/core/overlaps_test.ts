/** Which policies are told that others send the same traffic elsewhere. */
import assert from "node:assert/strict";
import { findOverlaps } from "../../src/core/overlaps.ts";
import type { PolicyRule } from "../../src/core/types.ts";
import { foreignCiliumPolicy, gateway, policy } from "../support/builders.ts";

const app = (name: string): PolicyRule => ({ podSelector: { matchLabels: { app: name } } });
const everyPod: PolicyRule = { podSelector: {} };
const inNamespace = (name: string, rule: PolicyRule): PolicyRule => ({
  ...rule,
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } },
});
const oneOf = (...values: string[]): PolicyRule => ({
  podSelector: { matchExpressions: [{ key: "app", operator: "In", values }] },
});
const not = (...values: string[]): PolicyRule => ({
  podSelector: { matchExpressions: [{ key: "app", operator: "NotIn", values }] },
});

const ROWS: readonly {
  readonly what: string;
  readonly rules: readonly [PolicyRule, PolicyRule];
  readonly destinations?: readonly [readonly string[], readonly string[]];
  readonly excluded?: readonly [readonly string[], readonly string[]];
  readonly told: boolean;
}[] = [
  { what: "the same label", rules: [app("web"), app("web")], told: true },
  { what: "different values of a label", rules: [app("web"), app("db")], told: false },
  { what: "every pod, and some", rules: [everyPod, app("web")], told: true },
  { what: "one of several values", rules: [oneOf("web", "db"), app("db")], told: true },
  { what: "values that the other excludes", rules: [not("web"), app("web")], told: false },
  { what: "a value that the other does not exclude", rules: [not("web"), app("db")], told: true },
  {
    what: "different namespaces",
    rules: [inNamespace("a", everyPod), inNamespace("b", everyPod)],
    told: false,
  },
  {
    what: "a namespace, named in two ways",
    rules: [
      inNamespace("a", everyPod),
      { podSelector: { matchLabels: { "io.kubernetes.pod.namespace": "a" } } },
    ],
    told: true,
  },
  {
    what: "labels of which a pod may have both or one",
    rules: [app("web"), { podSelector: { matchLabels: { tier: "front" } } }],
    told: false,
  },
  {
    what: "the same pods for other destinations",
    rules: [app("web"), app("web")],
    destinations: [["10.0.0.0/8"], ["172.16.0.0/12"]],
    told: false,
  },
  {
    what: "the same pods, where one excludes what the other has",
    rules: [app("web"), app("web")],
    destinations: [["0.0.0.0/0"], ["10.0.0.0/8"]],
    excluded: [["10.0.0.0/8"], []],
    told: false,
  },
];

for (const { what, rules, destinations, excluded, told } of ROWS) {
  Deno.test(`two gateways' policies for ${what} are ${told ? "" : "not "}told of each other`, () => {
    const policies = rules.map((rule, index) =>
      policy(`p${index}`, {
        gateway: `g${index}`,
        selectors: [rule],
        destinationCIDRs: destinations?.[index] ?? ["0.0.0.0/0"],
        excludedCIDRs: excluded?.[index] ?? [],
      })
    );
    const gateways = [gateway("g0"), gateway("g1")];
    const found = [...findOverlaps({ gateways, policies, ciliumPolicies: [] })].sort();
    assert.deepEqual(
      found,
      told
        ? [
          ["p0", ["EgressGatewayPolicy 'p1' (gateway g1)"]],
          ["p1", ["EgressGatewayPolicy 'p0' (gateway g0)"]],
        ].sort()
        : [],
    );
  });
}

Deno.test("policies of one gateway may say the same twice", () => {
  const policies = ["p0", "p1"].map((name) => policy(name, { selectors: [app("web")] }));
  assert.equal(
    findOverlaps({ gateways: [gateway("gw")], policies, ciliumPolicies: [] }).size,
    0,
  );
});

Deno.test("pods that the gateway does not serve are no overlap", () => {
  const gateways = [
    gateway("g0", { allowedNamespaces: { names: ["a"] } }),
    gateway("g1", { allowedNamespaces: { names: ["b"] } }),
  ];
  const policies = gateways.map(({ name }, index) =>
    policy(`p${index}`, { gateway: name, selectors: [app("web")] })
  );
  assert.equal(findOverlaps({ gateways, policies, ciliumPolicies: [] }).size, 0);
});

const SPEC = { destinationCIDRs: ["0.0.0.0/0"], egressGateway: { nodeSelector: {} } };

Deno.test("a policy of Cilium that is not ours is named", () => {
  const theirs = foreignCiliumPolicy("theirs", {
    spec: { ...SPEC, selectors: [{ podSelector: { matchLabels: { app: "web" } } }] },
  });
  const policies = [policy("p", { selectors: [app("web")] })];
  const found = findOverlaps({
    gateways: [gateway("gw")],
    policies,
    ciliumPolicies: [theirs],
  });
  assert.deepEqual(found.get("p"), ["CiliumEgressGatewayPolicy 'theirs'"]);
});

Deno.test("of a foreign policy nothing is claimed that is not understood", () => {
  const odd = [
    "nonsense",
    [{ podSelector: {}, nodeSelector: { matchLabels: { zone: "a" } } }],
    [{ podSelector: { matchExpressions: [{ key: "app", operator: "Like", values: ["w"] }] } }],
    [{ podSelector: { matchLabels: { app: 5 } } }],
    [null, 7],
  ];
  for (const selectors of odd) {
    const theirs = foreignCiliumPolicy("theirs", { spec: { ...SPEC, selectors } });
    const policies = [policy("p", { selectors: [app("web")] })];
    assert.equal(
      findOverlaps({ gateways: [gateway("gw")], policies, ciliumPolicies: [theirs] }).size,
      0,
    );
  }
});
