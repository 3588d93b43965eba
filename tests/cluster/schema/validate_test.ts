/** Our kinds judged by the CRDs' own schema; tests/control_plane/schema_test.ts compares this with an API server. */
import assert from "node:assert/strict";
import { readDefinitions } from "../../../src/cluster/schema/crds.ts";
import { describeIssue } from "../../../src/cluster/schema/issue.ts";
import { compiled } from "../../../src/cluster/schema/rules.ts";
import { schemasIn } from "../../../src/cluster/schema/structural_schema.ts";
import { admit, validate } from "../../../src/cluster/schema/validate.ts";
import type { OwnKind } from "../../../src/cluster/schema/validate.ts";
import type { KubeObject } from "../../../src/build/kube_object.ts";
import { GATEWAY_REFUSALS } from "../../support/crd_gateway_refusals.ts";
import { policy, primaryGateway, virtualGateway } from "../../support/crd_manifests.ts";
import { POLICY_REFUSALS } from "../../support/crd_policy_refusals.ts";

for (const { what, object, field, says } of [...GATEWAY_REFUSALS, ...POLICY_REFUSALS]) {
  Deno.test(`${what} is refused as the API server refuses it`, () => {
    const issues = issuesOf(JSON.parse(JSON.stringify(object)));
    assert.deepEqual(
      issues.map(({ path }) => path === "" ? "<nil>" : path),
      [field],
      JSON.stringify(issues),
    );
    assert.ok(issues[0]?.message.includes(says), issues[0]?.message);
  });
}

Deno.test("every rule of the CRDs can be evaluated", () => {
  const rules = readDefinitions().flatMap(({ schema }) =>
    [...schemasIn(schema)].flatMap(([path, each]) =>
      (each["x-kubernetes-validations"] ?? []).map((rule) => ({ path, rule }))
    )
  );
  assert.ok(rules.length > 20);
  for (const { path, rule } of rules) {
    assert.doesNotThrow(() => compiled(rule), `${path}: ${rule.rule}`);
  }
});

Deno.test("a right object is accepted", () => {
  for (const object of [virtualGateway(), primaryGateway(), policy()]) {
    assert.deepEqual(issuesOf(object), []);
  }
});

Deno.test("an unknown field is named with what to write instead", () => {
  const says = (object: KubeObject) => issuesOf(object).map(describeIssue);
  assert.deepEqual(says(virtualGateway({ stratgy: "Hash" })), [
    'spec.stratgy: unknown field "spec.stratgy": write strategy',
  ]);
  assert.deepEqual(says(policy({ selectors: [{ podSelector: {}, hostSelector: {} }] })), [
    'spec.selectors[0].hostSelector: unknown field "spec.selectors[0].hostSelector": ' +
    "remove it, or write one of podSelector, namespaceSelector, nodeSelector",
  ]);
});

Deno.test("what is stored lacks nulls and unknown fields, as at the API server", () => {
  const object = virtualGateway({ strategy: null, mood: "good", nodeSelector: { role: null } });
  const { stored, nulls } = admit("EgressGateway", object);
  assert.deepEqual(stored["spec"], {
    nodeSelector: {},
    sourceIP: { mode: "VirtualIPAddress", virtualIPAddress: { ip: "172.18.18.242" } },
  });
  assert.deepEqual(nulls, [["spec", "strategy"], ["spec", "nodeSelector", "role"]]);
  assert.deepEqual(Object.keys(object["spec"] as object).length, 4, "The input is left alone");
});

Deno.test("a generated name is as long as the API server makes it", () => {
  const generated = (generateName: string) =>
    issuesOf({ ...virtualGateway(), metadata: { generateName } } as unknown as KubeObject)
      .map(describeIssue);
  assert.deepEqual(generated("egress-"), []);
  assert.deepEqual(generated("g".repeat(47)), []);
  assert.match(generated("g".repeat(48)).join(), /metadata\.name is too long: write at most 52/);
});

Deno.test("a status is judged on its own", () => {
  const status = (value: unknown) =>
    validate("EgressGateway", { ...virtualGateway({ strategy: "Odd" }), status: value }, {
      subresource: "status",
    }).map(describeIssue);
  assert.deepEqual(status({ phase: "Active", term: 3 }), []);
  assert.deepEqual(
    status({ phase: "Sideways", mood: "good" }),
    [
      'status.mood: unknown field "status.mood": remove it, or write one of observedGeneration, activeNodeName, ' +
      "activeNodeAddresses, standbyNodeNames, egressIP, egressIPs, readyNodes, term, phase, candidates, lastFailover, history, conditions",
      'status.phase: Unsupported value: "Sideways": supported values: "Preparing", "Active", "Idle"',
    ].map((line) => line),
  );
  const candidate = { node: "a", eligible: true };
  assert.deepEqual(status({ candidates: [candidate, { node: "b", eligible: true }, candidate] }), [
    'status.candidates[2]: Duplicate value: {"node":"a"}',
  ]);
});

function issuesOf(object: KubeObject) {
  return validate(object.kind as OwnKind, object);
}
