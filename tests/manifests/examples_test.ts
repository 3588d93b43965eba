/** The manifests that people copy are the same wherever they stand, and are read. */
import assert from "node:assert/strict";
import { decodeGateway } from "../../src/cluster/decoders/kinds.ts";
import { admit } from "../../src/cluster/schema/validate.ts";
import { virtualGateway, virtualWith } from "../support/crd_manifests.ts";

// deno-lint-ignore no-explicit-any -- a manifest of which a field is left out
type Any = any;

const text = (path: string) => Deno.readTextFile(new URL(`../../${path}`, import.meta.url));

for (const file of ["virtual-ip", "primary-ip", "policy"]) {
  const name = file === "policy" ? "egress-gateway-policy" : `egress-gateway-${file}`;
  Deno.test(`README shows k8s/examples/${name}.yaml word for word`, async () => {
    assert.ok((await text("README.md")).includes(await text(`k8s/examples/${name}.yaml`)));
  });
}

Deno.test("a gateway without nodeSelector selects every node", () => {
  for (const nodeSelector of [undefined, null, {}]) {
    const decoded = decodeGateway(virtualGateway({ nodeSelector }));
    assert.ok("object" in decoded);
    assert.deepEqual(decoded.object.spec.nodeSelector, {});
  }
  const { spec: { nodeSelector: _, ...spec }, ...rest } = virtualGateway() as Any;
  assert.deepEqual(admit("EgressGateway", { ...rest, spec }).issues, []);
});

Deno.test("routingTableName of a virtual IP is accepted, and changes nothing", () => {
  const plain = decodeGateway(virtualWith({}));
  assert.deepEqual(decodeGateway(virtualWith({ routingTableName: "external" })), plain);
});
