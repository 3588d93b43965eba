/** Addresses and networks in the one text that programs print. */
import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { canonicalCIDR, canonicalIP, isIP } from "../../src/core/ip_family.ts";

const ROWS: readonly [written: string, printed: string | undefined][] = [
  ["172.18.18.242", "172.18.18.242"],
  ["2001:DB8::242", "2001:db8::242"],
  ["2001:0db8:0:0:0:0:0:1", "2001:db8::1"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:db8::1.2.3.4", "2001:db8::102:304"],
  ["::1.2.3.4", "::102:304"],
  ["::", "::"],
  ["::ffff:1.2.3.4", undefined],
  ["::ffff:102:304", undefined],
  ["fe80::1%eth0", undefined],
  ["2001:db8::12345", undefined],
  ["2001:db8::1/64", undefined],
  ["1::2::3", undefined],
  ["172.18.18", undefined],
  ["172.18.018.242", undefined],
  ["", undefined],
];

for (const [written, printed] of ROWS) {
  Deno.test(`the address '${written}' is ${printed ?? "none"}`, () => {
    assert.equal(canonicalIP(written), printed);
  });
}

const NETWORKS: readonly [written: string, printed: string | undefined][] = [
  ["0.0.0.0/0", "0.0.0.0/0"],
  ["::/0", "::/0"],
  ["0:0::/0", "::/0"],
  ["2001:DB8:0::/32", "2001:db8::/32"],
  ["2001:db8::/129", undefined],
  ["10.0.0.0/33", undefined],
  ["10.0.0.0/08", undefined],
  ["10.0.0.0", undefined],
  ["::ffff:10.0.0.0/104", undefined],
  ["fe80::%eth0/64", undefined],
  ["/8", undefined],
];

for (const [written, printed] of NETWORKS) {
  Deno.test(`the network '${written}' is ${printed ?? "none"}`, () => {
    assert.equal(canonicalCIDR(written), printed);
  });
}

Deno.test("addresses are told as node:net tells them", () => {
  const pieces = fc.constantFrom("::", ":", ".", "%", "/", "ffff", "0", "1", "255", "12345", "G");
  const texts = fc.oneof(
    fc.ipV6(),
    fc.ipV4(),
    fc.array(pieces, { maxLength: 9 }).map((all) => all.join("")),
  );
  let cases = 0;
  fc.assert(
    fc.property(texts, (text) => {
      const wanted = text.includes("%") ? 0 : isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0;
      assert.equal(isIP(text), wanted, text);
      const printed = canonicalIP(text);
      if (printed !== undefined) assert.equal(canonicalIP(printed), printed);
      cases++;
    }),
    { numRuns: 2_000 },
  );
  assert.ok(cases >= 2_000);
});
