/** A gateway serves the namespaces that it allows, whatever the policies select. */
import assert from "node:assert/strict";
import process from "node:process";
import fc from "fast-check";
import { decide } from "../../src/core/decide.ts";
import type {
  AllowedNamespaces,
  JsonObject,
  LabelRequirement,
  LabelSelector,
  PolicyRule,
  Snapshot,
} from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, edit, gateway, policy } from "../support/builders.ts";
import { ciliumSelects } from "../support/cilium_rules.ts";
import type { SomePod } from "../support/cilium_rules.ts";
import { found, policyCondition } from "../support/read_plan.ts";

const POD_NAMESPACE = "io.kubernetes.pod.namespace";
const NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels.";
const NAME = "kubernetes.io/metadata.name";

function world(
  selectors: readonly PolicyRule[],
  allowedNamespaces?: AllowedNamespaces,
): Snapshot {
  return cluster({
    nodes: { a: {} },
    gateways: [gateway("gw", { allowedNamespaces })],
    policies: [policy("web", { selectors })],
  });
}

/** The policy's conditions and what Cilium is told, once the gateway serves. */
function outcome(state: Snapshot) {
  const settled = applyPlan(state, decide(state));
  const plan = decide(settled);
  const told = found(settled.ciliumPolicies.find(({ name }) => name === "web"), "web");
  return {
    spec: told.spec,
    status: found(settled.policies[0], "policy").status,
    accepted: policyCondition(plan, "web", "Accepted"),
    ready: policyCondition(plan, "web", "Ready"),
    changes: plan.changes,
  };
}

const requirement = (...keys: string[]): fc.Arbitrary<LabelRequirement> =>
  fc.oneof(
    fc.record({
      key: fc.constantFrom(...keys),
      operator: fc.constantFrom("In" as const, "NotIn" as const),
      values: fc.subarray(VALUES, { minLength: 1 }),
    }),
    fc.record({
      key: fc.constantFrom(...keys),
      operator: fc.constantFrom("Exists" as const, "DoesNotExist" as const),
    }),
  );

/** Names of namespaces and values of labels are the same few words, so that they meet. */
const VALUES = ["red", "blue", "green"];

const labelSelector = (...keys: string[]): fc.Arbitrary<LabelSelector> =>
  fc.record({
    matchLabels: fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...VALUES), {
      maxKeys: 2,
      noNullPrototype: true,
    }),
    matchExpressions: fc.array(requirement(...keys), { maxLength: 2 }),
  }, { requiredKeys: [] });

const anyRule: fc.Arbitrary<PolicyRule> = fc.record({
  podSelector: labelSelector(
    "app",
    POD_NAMESPACE,
    NAMESPACE_LABELS + NAME,
    `${NAMESPACE_LABELS}team`,
  ),
  namespaceSelector: labelSelector("team", NAME),
}, { requiredKeys: [] }).filter((rule) => Object.keys(rule).length > 0);

const anyAllowed: fc.Arbitrary<AllowedNamespaces> = fc.record({
  names: fc.subarray(VALUES),
  selector: fc.option(labelSelector("team", NAME), { nil: undefined }),
}).filter(({ names, selector }) => names.length > 0 || selector !== undefined)
  .map(({ names, selector }) => selector === undefined ? { names } : { names, selector });

const anyPod: fc.Arbitrary<SomePod> = fc.record({
  namespace: fc.constantFrom(...VALUES),
  namespaceLabels: fc.dictionary(fc.constant("team"), fc.constantFrom(...VALUES), {
    noNullPrototype: true,
  }),
  labels: fc.dictionary(
    fc.constantFrom("app", POD_NAMESPACE, NAMESPACE_LABELS + NAME, `${NAMESPACE_LABELS}team`),
    fc.constantFrom(...VALUES),
    { noNullPrototype: true },
  ),
});

/** What the field says, read as Kubernetes reads a selector of namespaces. */
function isAllowed({ names, selector }: AllowedNamespaces, pod: SomePod): boolean {
  if (names.includes(pod.namespace)) return true;
  if (selector === undefined) return false;
  const labels: Record<string, string> = { ...pod.namespaceLabels, [NAME]: pod.namespace };
  return Object.entries(selector.matchLabels ?? {}).every(([key, value]) =>
    labels[key] === value
  ) && (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key];
    const listed = value !== undefined && values.includes(value);
    return {
      In: listed,
      NotIn: !listed,
      Exists: value !== undefined,
      DoesNotExist: value === undefined,
    }[
      operator
    ];
  });
}

Deno.test("Cilium never selects a pod outside the allowed namespaces, and every pod inside that the policy selects", () => {
  const counts = {
    pods: 0,
    selected: 0,
    kept_out: 0,
    Accepted: 0,
    PartlyAllowed: 0,
    NamespaceNotAllowed: 0,
  };
  fc.assert(
    fc.property(
      fc.array(anyRule, { minLength: 1, maxLength: 3 }),
      anyAllowed,
      fc.array(anyPod, { minLength: 10, maxLength: 10 }),
      (selectors, allowed, pods) => {
        const limited = outcome(world(selectors, allowed));
        const free = outcome(world(selectors));
        assert.deepEqual(limited.changes, []);
        const { reason } = limited.accepted;
        counts[reason as "Accepted"]++;
        for (const pod of pods) {
          const wanted = ciliumSelects(free.spec, pod);
          const selected = ciliumSelects(limited.spec, pod);
          assert.equal(selected, wanted && isAllowed(allowed, pod), JSON.stringify(pod));
          counts.pods++;
          if (selected) counts.selected++;
          else if (wanted) counts.kept_out++;
          // What people are told is true of every pod.
          if (reason === "NamespaceNotAllowed") assert.ok(!selected, "told that nothing is served");
          if (reason === "Accepted") assert.equal(selected, wanted, "told that all is served");
        }
      },
    ),
    { numRuns: 3_000 },
  );
  process.stdout.write(`${JSON.stringify(counts)}\n`);
  assert.ok(counts.pods >= 30_000, "pods");
  assert.ok(counts.selected >= 1_000, "pods that are served");
  assert.ok(counts.kept_out >= 1_000, "pods that are kept out");
  for (const reason of ["Accepted", "PartlyAllowed", "NamespaceNotAllowed"] as const) {
    assert.ok(counts[reason] >= 100, reason);
  }
});

const pods = (matchLabels: Record<string, string>): PolicyRule => ({
  podSelector: { matchLabels },
});

Deno.test("a pod's namespace is required beside what the policy selects", () => {
  const { spec } = outcome(world([pods({ app: "web" })], { names: ["shop", "blog"] }));
  assert.deepEqual(spec["selectors"], [{
    podSelector: {
      matchLabels: { app: "web" },
      matchExpressions: [{ key: POD_NAMESPACE, operator: "In", values: ["blog", "shop"] }],
    },
  }]);
});

Deno.test("namespaces are allowed by name, or by their labels", () => {
  const rule = { namespaceSelector: {} };
  const selector: LabelSelector = {
    matchLabels: { team: "shop" },
    matchExpressions: [{ key: "env", operator: "NotIn", values: ["test"] }],
  };
  const { spec } = outcome(world([rule], { names: ["blog"], selector }));
  assert.deepEqual(spec["selectors"], [
    {
      namespaceSelector: {},
      podSelector: {
        matchExpressions: [{ key: POD_NAMESPACE, operator: "In", values: ["blog"] }],
      },
    },
    {
      namespaceSelector: {},
      podSelector: {
        matchExpressions: [
          { key: `${NAMESPACE_LABELS}team`, operator: "In", values: ["shop"] },
          { key: `${NAMESPACE_LABELS}env`, operator: "NotIn", values: ["test"] },
        ],
      },
    },
  ]);
});

Deno.test("a change of the allowed namespaces changes Cilium's policy at once, also while a handover waits", () => {
  const before = world([pods({ app: "web" })]);
  const vip = edit(before, {
    gateways: { gw: { spec: gateway("gw", { vip: "172.18.18.242" }).spec } },
  });
  for (const state of [before, vip]) {
    const written = applyPlan(state, decide(state));
    const { spec } = found(written.gateways[0], "gateway");
    const limited = edit(written, {
      gateways: { gw: { spec: { ...spec, allowedNamespaces: { names: ["shop"] } } } },
    });
    const after = found(applyPlan(limited, decide(limited)).ciliumPolicies[0], "web");
    const [rule] = after.spec["selectors"] as unknown as JsonObject[];
    assert.match(JSON.stringify(rule), /"values":\["shop"\]/);
  }
});

interface Told {
  readonly what: string;
  readonly selectors: readonly PolicyRule[];
  readonly allowed: AllowedNamespaces;
  readonly accepted: readonly [status: string, reason: string, message: RegExp];
  readonly ready: RegExp;
}

const BY_NAME: AllowedNamespaces = { names: ["shop", "blog"] };
const BY_LABEL: AllowedNamespaces = { names: [], selector: { matchLabels: { team: "shop" } } };

const TOLD: readonly Told[] = [
  {
    what: "names an allowed namespace",
    selectors: [pods({ app: "web", [POD_NAMESPACE]: "shop" })],
    allowed: BY_NAME,
    accepted: ["True", "Accepted", /^EgressGateway 'gw' is there$/],
    ready: /^Traffic leaves by a$/,
  },
  {
    what: "names an allowed namespace by Kubernetes' own label",
    selectors: [{ namespaceSelector: { matchLabels: { [NAME]: "blog" } } }],
    allowed: BY_NAME,
    accepted: ["True", "Accepted", /is there$/],
    ready: /^Traffic leaves by a$/,
  },
  {
    what: "names another namespace",
    selectors: [pods({ app: "web", [POD_NAMESPACE]: "evil" })],
    allowed: BY_NAME,
    accepted: [
      "False",
      "NamespaceNotAllowed",
      /^EgressGateway 'gw' does not serve namespace evil \(selectors\[0\]\): its allowedNamespaces are namespaces blog, shop; the pods' traffic leaves by their own nodes$/,
    ],
    ready: /does not serve namespace evil/,
  },
  {
    what: "names both",
    selectors: [{
      podSelector: {
        matchExpressions: [{ key: POD_NAMESPACE, operator: "In", values: ["shop", "evil"] }],
      },
    }],
    allowed: BY_NAME,
    accepted: [
      "True",
      "PartlyAllowed",
      /^EgressGateway 'gw' serves namespaces blog, shop only; not served: namespace evil \(selectors\[0\]\)$/,
    ],
    ready: /^Traffic of namespaces blog, shop leaves by a$/,
  },
  {
    what: "names one in each rule",
    selectors: [pods({ [POD_NAMESPACE]: "shop" }), pods({ [POD_NAMESPACE]: "evil" })],
    allowed: BY_NAME,
    accepted: ["True", "PartlyAllowed", /not served: namespace evil \(selectors\[1\]\)$/],
    ready: /^Traffic of namespaces blog, shop leaves by a$/,
  },
  {
    what: "names no namespace",
    selectors: [pods({ app: "web" })],
    allowed: BY_NAME,
    accepted: ["True", "PartlyAllowed", /^EgressGateway 'gw' serves namespaces blog, shop only$/],
    ready: /^Traffic of namespaces blog, shop leaves by a$/,
  },
  {
    what: "leaves all allowed namespaces out",
    selectors: [{
      podSelector: {
        matchExpressions: [{ key: POD_NAMESPACE, operator: "NotIn", values: ["shop", "blog"] }],
      },
    }],
    allowed: BY_NAME,
    accepted: ["False", "NamespaceNotAllowed", /does not serve the pods of selectors\[0\]:/],
    ready: /does not serve/,
  },
  {
    what: "asks for the allowed label",
    selectors: [{ namespaceSelector: { matchLabels: { team: "shop" } } }],
    allowed: BY_LABEL,
    accepted: ["True", "Accepted", /is there$/],
    ready: /^Traffic leaves by a$/,
  },
  {
    what: "asks for another value of the allowed label",
    selectors: [{ namespaceSelector: { matchLabels: { team: "blog" } } }],
    allowed: BY_LABEL,
    accepted: ["False", "NamespaceNotAllowed", /are namespaces with team=shop;/],
    ready: /does not serve/,
  },
  {
    what: "names a namespace where labels decide",
    selectors: [pods({ [POD_NAMESPACE]: "evil" })],
    allowed: BY_LABEL,
    accepted: [
      "True",
      "PartlyAllowed",
      /^EgressGateway 'gw' serves namespaces with team=shop only$/,
    ],
    ready: /^Traffic of namespaces with team=shop leaves by a$/,
  },
  {
    what: "replaces its own namespace by a pod's label",
    selectors: [{
      namespaceSelector: { matchLabels: { [NAME]: "shop" } },
      podSelector: { matchLabels: { [NAMESPACE_LABELS + NAME]: "evil" } },
    }],
    allowed: BY_NAME,
    accepted: ["False", "NamespaceNotAllowed", /namespace evil/],
    ready: /does not serve/,
  },
];

for (const { what, selectors, allowed, accepted, ready } of TOLD) {
  Deno.test(`the conditions of a policy that ${what} say what is served`, () => {
    const told = outcome(world(selectors, allowed));
    const [status, reason, message] = accepted;
    assert.deepEqual([told.accepted.status, told.accepted.reason], [status, reason]);
    assert.match(told.accepted.message, message);
    assert.equal(told.ready.status, status);
    assert.match(told.ready.message, ready);
    // A policy without traffic leaves by no node.
    assert.equal(told.status.activeNodeName, status === "True" ? "a" : undefined);
  });
}
