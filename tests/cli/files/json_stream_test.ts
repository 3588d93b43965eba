/** JSON values one after the other. */
import assert from "node:assert/strict";
import { DocumentFault } from "../../../src/cli/files/document.ts";
import { readJsonStream } from "../../../src/cli/files/json_stream.ts";

function values(text: string): readonly unknown[] | undefined {
  return readJsonStream(text)?.map(({ value }) => value);
}

Deno.test("values follow each other with and without lines and comments between", () => {
  const wanted = [{ a: 1 }, { b: [2, "}"] }];
  assert.deepEqual(values('{"a": 1}{"b": [2, "}"]}'), wanted);
  assert.deepEqual(values('{"a": 1}\n{"b": [2, "}"]}\n'), wanted);
  assert.deepEqual(values('# one\n\n{"a": 1}\r\n  # two {\n{"b": [2, "}"]}'), wanted);
});

Deno.test("what is not JSON from the start is left to YAML", () => {
  for (
    const text of [
      "",
      "a: 1\n",
      "# only a comment\n",
      "{a: 1}\n",
      '{"a": 1,}',
      '{"a": 1',
      '{"a": 1}\n---\nb: 2\n',
    ]
  ) assert.equal(values(text), undefined, text);
});

Deno.test("strings may hold what else opens and closes", () => {
  assert.deepEqual(values('{"a\\"{": "]\\\\", "b": "\\ud83d\\ude00"}'), [{
    'a"{': "]\\",
    b: "😀",
  }]);
});

Deno.test("a key that is there twice is named with its line, wherever it is", () => {
  assert.throws(
    () => values('{\n "a": {"x": 1, "y": {"x": 2}},\n "b": [{"x": 1}, {"x": 2}],\n "a": 3\n}'),
    (error) => error instanceof DocumentFault && error.line === 4 && /"a"/.test(error.message),
  );
});

Deno.test("a line is that of the value", () => {
  const [, second] = readJsonStream(
    '{"kind": "List"}\n{\n "items": [\n  {"name": "a"},\n  {"labels": {\n    "role": true}}\n ],\n "e": {}\n}',
  ) ?? [];
  assert.ok(second !== undefined);
  assert.equal(second.line, 2);
  assert.deepEqual(
    [["items"], ["items", 1, "labels", "role"], ["items", 1, "labels", "no"], ["items", 7], ["e"]]
      .map(second.lineOf),
    [3, 6, 5, 3, 8],
  );
  assert.equal(second.sourceOf(["items", 1, "labels", "role"]), "true");
  assert.equal(second.sourceOf(["items", 0, "name"]), undefined);
});
