/** Which objects a file holds, and which of them are meant for us. */
import assert from "node:assert/strict";
import { kindOf } from "../../../src/cli/files/kinds.ts";
import { readManifests } from "../../../src/cli/files/manifest.ts";

function read(value: unknown) {
  return readManifests({ name: "a.json", text: JSON.stringify(value) });
}

const NODE = { apiVersion: "v1", kind: "Node", metadata: { name: "a" } };

Deno.test("lists in lists are flat, and items of a typed list have its kind and version", () => {
  const bare = { metadata: { name: "b" } };
  const found = read({
    apiVersion: "v1",
    kind: "List",
    items: [NODE, {
      apiVersion: "v1",
      kind: "List",
      items: [{ apiVersion: "coordination.k8s.io/v1", kind: "LeaseList", items: [bare] }],
    }],
  });
  assert.deepEqual(found.map(({ group, kind }) => [group, kind]), [
    ["", "Node"],
    ["coordination.k8s.io", "Lease"],
  ]);
  assert.equal(found[1]?.object["apiVersion"], "coordination.k8s.io/v1");
});

Deno.test("a list without items holds nothing, which is no error", () => {
  for (const items of [[], null, undefined]) {
    assert.deepEqual(read({ apiVersion: "v1", kind: "NodeList", items }), []);
  }
});

Deno.test("an object may have items of its own", () => {
  const [found] = read({ apiVersion: "example.com/v1", kind: "Basket", items: ["apple"] });
  assert.equal(found?.kind, "Basket");
});

const MEANT: readonly (readonly [apiVersion: string | undefined, kind: string, meant?: string])[] =
  [
    ["v1", "Node", "Node"],
    ["v1", "node", "Node"],
    ["v1", "NodeMetrics"],
    ["longhorn.io/v1beta2", "Node"],
    ["v1", "Pod", "Pod"],
    ["v1", "PodTemplate"],
    ["coordination.k8s.io/v1beta1", "Lease", "Lease"],
    ["coordination.k8s.io/v1", "LeaseCandidate"],
    ["network.deckhouse.io/v1alpha1", "EgressGateway", "EgressGateway"],
    ["network.deckhouse.io/v9", "EgressGateway", "EgressGateway"],
    ["network.deckhouse.io", "EgressGateway", "EgressGateway"],
    ["networks.deckhouse.io/v1alpha1", "EgressGateway", "EgressGateway"],
    [undefined, "EgressGatewayPolicy", "EgressGatewayPolicy"],
    ["network.deckhouse.io/v1alpha1", "EgressGatwayPolicy", "EgressGatewayPolicy"],
    ["network.deckhouse.io/v1alpha1", "MetalLoadBalancerClass"],
    ["egressgateway.spidernet.io/v1beta1", "EgressGateway"],
    ["egressgateway.spidernet.io/v1beta1", "EgressPolicy"],
    ["operator.tigera.io/v1", "EgressGateway"],
    ["projectcalico.org/v3", "EgressGatewayPolicy"],
    ["crd.antrea.io/v1beta1", "Egress"],
    ["networking.istio.io/v1", "Gateway"],
    ["cilium.io/v2", "CiliumEgressGatewayPolicy", "CiliumEgressGatewayPolicy"],
    ["isovalent.com/v1", "IsovalentEgressGatewayPolicy"],
    ["constructor/v1", "toString"],
  ];

for (const [apiVersion, kind, meant] of MEANT) {
  Deno.test(`${kind} of ${apiVersion} is ${meant ?? "another's"}`, () => {
    const [manifest] = read({ apiVersion, kind, metadata: { name: "a" } });
    assert.ok(manifest !== undefined);
    assert.equal(kindOf(manifest), meant);
  });
}
