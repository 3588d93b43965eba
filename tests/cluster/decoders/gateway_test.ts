/** What a gateway's manifest means to an election, and what is said where it means nothing. */
import assert from "node:assert/strict";
import { decodeGateway } from "../../../src/cluster/decoders/kinds.ts";
import { primaryGateway, virtualGateway } from "../../support/crd_manifests.ts";
import type { Spec } from "../../support/crd_manifests.ts";

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

const addresses = (virtualIPAddress: Spec) => {
  const decoded = decodeGateway(
    virtualGateway({ sourceIP: { mode: "VirtualIPAddress", virtualIPAddress } }),
  );
  if (!("object" in decoded)) return decoded.invalid.message;
  const { sourceIP } = decoded.object.spec;
  return sourceIP.mode === "VirtualIPAddress" ? sourceIP.ips : sourceIP.mode;
};

Deno.test("what is no address is told as it was written", () => {
  assert.match(
    String(addresses({ ip: "10.0.0.300" })),
    /virtualIPAddress\.ip: write an IP address such as .* instead of "10\.0\.0\.300"$/,
  );
});

Deno.test("addresses are read in their canonical form, from ip, from ips, or from both", () => {
  assert.deepEqual(addresses({ ip: "2001:DB8:0::242" }), ["2001:db8::242"]);
  assert.deepEqual(addresses({ ips: ["10.0.0.7", "FD00::7"] }), ["10.0.0.7", "fd00::7"]);
  assert.deepEqual(addresses({ ip: "FD00::7", ips: ["fd00:0::7", "10.0.0.7"] }), [
    "fd00::7",
    "10.0.0.7",
  ]);
  assert.deepEqual(addresses({ ip: "10.0.0.7", ips: [] }), ["10.0.0.7"]);
});

Deno.test("addresses that are none, or not one gateway's, are named with what to write", () => {
  const rows: readonly [Spec, RegExp][] = [
    [{}, /virtualIPAddress: write ip, such as 172\.18\.18\.242 or 2001:db8::242, or ips/],
    [{ ips: ["10.0.0.7", "10.0.0.8"] }, /write at most one IPv4 and one IPv6 address in ips/],
    [{ ips: ["fd00::7", "FD00:0::7"] }, /write at most one IPv4 and one IPv6 address in ips/],
    [{ ip: "10.0.0.7", ips: ["fd00::7"] }, /write the same address as ip and as the first of ips/],
    [{ ip: "fe80::1%eth0" }, /virtualIPAddress\.ip: write an IP address such as/],
    [{ ip: "::ffff:10.0.0.7" }, /virtualIPAddress\.ip: write an IP address such as/],
  ];
  for (const [block, says] of rows) assert.match(String(addresses(block)), says);
});
