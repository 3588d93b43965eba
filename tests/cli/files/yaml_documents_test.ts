/** YAML as kubectl reads it. The values were compared with what sigs.k8s.io/yaml 1.6.0 makes of the same text. */
import assert from "node:assert/strict";
import { DocumentFault } from "../../../src/cli/files/document.ts";
import { readYamlDocuments } from "../../../src/cli/files/yaml_documents.ts";

const WORDS: Readonly<Record<string, unknown>> = {
  ...{ true: true, True: true, yes: true, Y: true, on: true, ON: true },
  ...{ false: false, No: false, n: false, off: false, tRUE: "tRUE", oN: "oN" },
  ...{ "~": null, null: null, NULL: null, nULL: "nULL" },
  ...{ "1": 1, "-1": -1, "+1": 1, "0": 0, "-0": -0, "00": 0, "0123": 83, "08": 8, "0o17": 15 },
  ...{ "0b101": 5, "0x1F": 31, "-0x1F": -31, "1_000": 1000, "_1": "_1", "0b2": "0b2" },
  ...{ "1e3": 1000, "1E+3": 1000, "-1e3": -1000, "1e": "1e", ".5": 0.5, "5.": 5, "1.5.2": "1.5.2" },
  ...{ "2026-11-23": "2026-11-23", "2026-11-23T10:00:00Z": "2026-11-23T10:00:00Z" },
  ...{ "12:30:45": "12:30:45", "00:11:22": "00:11:22", "10.0.0.1": "10.0.0.1", "=": "=" },
};

for (const [word, value] of Object.entries(WORDS)) {
  Deno.test(`the word ${word} is what it is for kubectl`, () => {
    assert.deepEqual(valueOf(`a: ${word}\n`), { a: value });
    assert.deepEqual(valueOf(`a: "${word}"\n`), { a: word }, "In quotes it is text");
  });
}

Deno.test("merge keys fill in what is not there, and replace what stands before them", () => {
  const shared = "x: &x {a: 1, b: 2}\nz: &z {a: 3, c: 4}\n";
  const merged = (text: string) => (valueOf(shared + text) as { m: unknown }).m;
  assert.deepEqual(merged("m: {<<: *x}"), { a: 1, b: 2 });
  assert.deepEqual(merged("m: {<<: *x, a: 9}"), { a: 9, b: 2 });
  assert.deepEqual(merged("m: {a: 9, <<: *x}"), { a: 1, b: 2 });
  assert.deepEqual(merged("m: {<<: [*x, *z]}"), { a: 1, b: 2, c: 4 });
  assert.deepEqual(merged("m: {<<: {d: 5}}"), { d: 5 });
});

Deno.test("an anchor of that name that stands last before it is what an alias means", () => {
  assert.deepEqual(valueOf("a: &x 1\nb: &x 2\nc: *x\n"), { a: 1, b: 2, c: 2 });
});

Deno.test("a thousand aliases of a small map are a thousand small maps", () => {
  const items = Array.from({ length: 1_000 }, (_, index) => `- {name: n${index}, labels: *l}\n`);
  const value = valueOf(`shared: &l {role: egress}\nitems:\n${items.join("")}`) as {
    items: readonly { readonly labels: unknown }[];
  };
  assert.equal(value.items.length, 1_000);
  assert.deepEqual(value.items[999]?.labels, { role: "egress" });
});

Deno.test("aliases of aliases are counted before they are followed", () => {
  const levels = Array.from(
    { length: 60 },
    (_, level) => `a${level + 1}: &a${level + 1} {p: *a${level}, q: *a${level}}\n`,
  );
  assert.throws(
    () => readYamlDocuments(`a0: &a0 {x: 1}\n${levels.join("")}`),
    (error) => error instanceof DocumentFault && error.line < 30 && /1000000/.test(error.message),
  );
});

Deno.test("a line is that of the value, through aliases and merge keys too", () => {
  const [, document] = readYamlDocuments(
    "a: 1\n---\nx: &x\n  role: true\nlabels:\n  <<: *x\n  zone: a\nother: *x\nlist:\n- b\n- c: yes\n",
  );
  assert.ok(document !== undefined);
  assert.equal(document.line, 3);
  assert.deepEqual(
    [["labels", "zone"], ["labels", "role"], ["other", "role"], ["list", 1, "c"], ["labels", "no"]]
      .map(document.lineOf),
    [7, 4, 4, 11, 6],
  );
  assert.equal(document.sourceOf(["labels", "role"]), "true");
  assert.equal(document.sourceOf(["list", 1, "c"]), "yes");
  assert.equal(document.sourceOf(["labels", "no"]), undefined);
  assert.equal(document.sourceOf(["labels"]), undefined);
});

Deno.test("documents may end with ..., and empty ones are none", () => {
  assert.deepEqual(
    readYamlDocuments("---\n# nothing\n---\na: 1\n...\nb: 2\n---\n").map(({ value }) => value),
    [{ a: 1 }, { b: 2 }],
  );
  assert.deepEqual(readYamlDocuments(""), []);
});

function valueOf(text: string): unknown {
  return readYamlDocuments(text)[0]?.value;
}
