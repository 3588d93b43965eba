import assert from "node:assert/strict";
import fc from "fast-check";
import { addressesOf, intersects } from "../../src/core/cidrs.ts";

const rows: readonly (readonly [string, readonly string[], readonly string[], boolean])[] = [
  ["the same network", ["10.0.0.0/8"], ["10.0.0.0/8"], true],
  ["a wider one", ["192.0.2.0/24"], ["192.0.0.0/8"], true],
  ["two halves", ["0.0.0.0/0"], ["0.0.0.0/1", "128.0.0.0/1"], true],
  ["two halves that overlap", ["10.0.0.0/8"], ["10.0.0.0/9", "10.0.0.0/8"], true],
  ["one half", ["10.0.0.0/8"], ["10.0.0.0/9"], false],
  ["all but one address", ["10.0.0.0/30"], ["10.0.0.0/31", "10.0.0.2/32"], false],
  ["all of one family", ["0.0.0.0/0", "::/0"], ["0.0.0.0/0"], false],
  ["all of both", ["0.0.0.0/0", "2001:db8::/32"], ["::/0", "0.0.0.0/0"], true],
  ["one of two networks", ["10.0.0.0/8", "172.16.0.0/12"], ["10.0.0.0/8"], false],
  ["nothing", ["10.0.0.0/8"], [], false],
];
for (const [what, networks, excluded, nothingLeft] of rows) {
  Deno.test(`an exclusion of ${what} leaves ${nothingLeft ? "nothing" : "something"}`, () => {
    assert.equal(addressesOf(networks, { excluded }).length === 0, nothingLeft);
  });
}

/** Networks within 10.0.0.0/29, so that every address can be tried. */
const network = fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 29, max: 32 }))
  .map(([last, length]) => `10.0.0.${last}/${length}`);

Deno.test("an address is left where a network has it and no exclusion does", () => {
  const each = (address: number) => addressesOf([`10.0.0.${address}/32`]);
  const has = (networks: readonly string[], address: number) =>
    networks.some((one) => intersects(addressesOf([one]), each(address)));
  let cases = 0;
  fc.assert(fc.property(
    fc.array(network, { maxLength: 4 }),
    fc.array(network, { maxLength: 4 }),
    (networks, excluded) => {
      const left = addressesOf(networks, { excluded });
      for (let address = 0; address < 8; address++) {
        const expected = has(networks, address) && !has(excluded, address);
        assert.equal(intersects(left, each(address)), expected);
        cases++;
      }
    },
  ));
  assert.ok(cases >= 800, `${cases} addresses were tried`);
});
