/** What a gateway's manifest means to an election, and what is said where it means nothing. */
import assert from "node:assert/strict";
import { decodeGateway } from "../../../src/cluster/decoders/kinds.ts";
import { primaryGateway } from "../../support/crd_manifests.ts";

const allowed = (allowedNamespaces: unknown) => {
  const decoded = decodeGateway(primaryGateway({ allowedNamespaces }));
  return "object" in decoded ? decoded.object.spec.allowedNamespaces : decoded.invalid.message;
};

Deno.test("a gateway that says nothing of namespaces serves all", () => {
  for (const nothing of [undefined, null]) assert.equal(allowed(nothing), undefined);
});

Deno.test("namespaces are allowed by name and by label", () => {
  assert.deepEqual(allowed({ names: ["shop"] }), { names: ["shop"] });
  const selector = { matchLabels: { team: "shop" } };
  assert.deepEqual(allowed({ selector, names: null }), { names: [], selector });
  assert.deepEqual(allowed({ selector: {} }), { names: [], selector: {} });
});

Deno.test("a block that allows nobody is an error, and not a gateway that serves all", () => {
  for (const block of [{}, { names: [] }, { names: [], selector: null }]) {
    assert.match(
      String(allowed(block)),
      /^spec\.allowedNamespaces: write names or a selector, or leave allowedNamespaces out/,
    );
  }
});
