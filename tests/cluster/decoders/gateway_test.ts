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

Deno.test("of a holder's addresses only IP addresses are pinged", () => {
  const said = ["10.0.0.2", "-i0", "10.0.0.2/24", "10", "node-a", "fd00::2", "fe80::1%eth0", ""];
  const decoded = decodeGateway({
    ...primaryGateway({}),
    status: { activeNodeName: "a", activeNodeAddresses: said },
  });
  assert.ok("object" in decoded);
  assert.deepEqual(decoded.object.status.activeNodeAddresses, ["10.0.0.2", "fd00::2"]);
});
