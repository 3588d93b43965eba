/** What others say never steers the terminal that it is read on. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isPrintable, printable, printableLine } from "../../src/core/printable.ts";

for (
  const [what, text, shown] of [
    ["a colour", "\x1b[31mroot#", "\\u001b[31mroot#"],
    ["a window title", "\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"],
    ["the same in one character (C1)", "\x9b31m", "\\u009b31m"],
    ["a carriage return that overwrites the line", "bad\rgood", "bad\\u000dgood"],
    ["a backspace, and DEL", "a\b\x7f", "a\\u0008\\u007f"],
    ["a right-to-left override", "a\u202egpj.exe", "a\\u202egpj.exe"],
    ["isolates and marks", "\u2066\u2069\u200f\u061c", "\\u2066\\u2069\\u200f\\u061c"],
    ["what cannot be seen", "a\u200b\ufeffb", "a\\u200b\\ufeffb"],
    ["separators of lines", "a\u2028b\u2029", "a\\u2028b\\u2029"],
    ["a tag beyond the basic plane", "\u{e0041}", "\\udb40\\udc41"],
    ["half a character", "\ud800", "\\ud800"],
    ["words of any language", "Привет 節點 עברית é 🚀", "Привет 節點 עברית é 🚀"],
  ] as const
) {
  Deno.test(`${what} is shown as text`, () => {
    assert.equal(printable(text), shown);
    assert.equal(printableLine(text), shown);
    assert.equal(isPrintable(text), text === shown);
  });
}

Deno.test("a line keeps no line break, a text does", () => {
  assert.equal(printable("a\n\tb"), "a\n\tb");
  assert.equal(printableLine("a\n\tb"), "a\\u000a\\u0009b");
});

Deno.test("JSON means the same afterwards", () => {
  let cases = 0;
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: "binary" }), (value, text) => {
      cases++;
      const json = JSON.stringify({ value, text });
      assert.deepEqual(JSON.parse(printable(json)), JSON.parse(json));
      assert.ok(isPrintable(printable(json)));
    }),
    { numRuns: 2_000 },
  );
  assert.ok(cases >= 2_000);
});
