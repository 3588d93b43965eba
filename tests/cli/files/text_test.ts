/** Files as editors and shells save them. */
import assert from "node:assert/strict";
import { decode } from "../../../src/cli/files/text.ts";

const TEXT = "kind: Node # é ☃\r\nmetadata: {name: a}\r\n";

function utf16(text: string, { bigEndian = false, mark = true } = {}): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * text.length));
  [...text].forEach((letter, index) => view.setUint16(2 * index, letter.charCodeAt(0), !bigEndian));
  const bytes = new Uint8Array(view.buffer);
  const order = bigEndian ? [0xfe, 0xff] : [0xff, 0xfe];
  return mark ? new Uint8Array([...order, ...bytes]) : bytes;
}

const SAVED: Readonly<Record<string, Uint8Array>> = {
  "UTF-8": new TextEncoder().encode(TEXT),
  "UTF-8 with a byte order mark": new TextEncoder().encode(`\ufeff${TEXT}`),
  "UTF-16, little end first": utf16(TEXT),
  "UTF-16, big end first": utf16(TEXT, { bigEndian: true }),
  "UTF-16 without a mark": utf16(TEXT, { mark: false }),
  "UTF-16 without a mark, big end first": utf16(TEXT, { bigEndian: true, mark: false }),
};

for (const [how, bytes] of Object.entries(SAVED)) {
  Deno.test(`a file is read that was saved as ${how}`, () => {
    assert.deepEqual(decode("a.yaml", bytes), { name: "a.yaml", text: TEXT });
  });
}

Deno.test("a byte order mark in the middle, as between files that were put together, says nothing", () => {
  const bytes = new TextEncoder().encode("\ufeffa: 1\n\ufeff---\nb: \ufeff\n");
  assert.equal(decode("a.yaml", bytes).text, "a: 1\n---\nb: \ufeff\n");
});

Deno.test("an empty file is an empty text", () => {
  assert.equal(decode("a.yaml", new Uint8Array()).text, "");
});

Deno.test("bytes that are no text are named with their line", () => {
  const broken = new Uint8Array([...new TextEncoder().encode("a: b\nc: "), 0xe9, 0x0a]);
  assert.throws(
    () => decode("a.yaml", broken),
    /^ConfigError: Cannot read a\.yaml, line 2: .*UTF-8/,
  );
  const half = utf16(TEXT).slice(0, 21);
  assert.throws(() => decode("a.yaml", half), /UTF-16LE: save it as UTF-8/);
});
