/** JSON merge patches, RFC 7396. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { applyMergePatch, equal, mergePatch } from "../../src/core/merge_patch.ts";
import type { Json, JsonObject } from "../../src/core/types.ts";

/** The examples of RFC 7396, appendix A: target, patch, result. */
const RFC: readonly (readonly [Json, Json, Json])[] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [["a", "b"], ["c", "d"], ["c", "d"]],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

for (const [target, patch, result] of RFC) {
  Deno.test(`${JSON.stringify(patch)} applied to ${JSON.stringify(target)}`, () => {
    assert.deepEqual(applyMergePatch(target, patch), result);
  });
}

const PATCHES: readonly (readonly [string, object, object, JsonObject | undefined])[] = [
  ["equal objects need no patch", { a: 1, b: [1] }, { b: [1], a: 1 }, undefined],
  ["only what differs is named", { a: 1, b: { c: 2, d: 3 } }, { a: 1, b: { c: 2, d: 4 } }, {
    b: { d: 4 },
  }],
  ["what is gone becomes null", { a: 1, b: 2 }, { a: 1 }, { b: null }],
  ["undefined is the same as gone", { a: 1, b: 2 }, { a: 1, b: undefined }, { b: null }],
  ["undefined on both sides is no difference", { b: undefined }, {}, undefined],
  ["arrays are replaced as a whole", { a: [1, 2] }, { a: [1, 2, 3] }, { a: [1, 2, 3] }],
  ["an object takes the place of a value", { a: 1 }, { a: { b: 2 } }, { a: { b: 2 } }],
  ["an emptied object names its old keys", { a: { b: 1 } }, { a: {} }, { a: { b: null } }],
];

for (const [name, from, to, patch] of PATCHES) {
  Deno.test(name, () => assert.deepEqual(mergePatch(from, to), patch));
}

/** JSON objects without null, which a merge patch cannot store. */
const json = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Json[]>(0, 1, "x", "", true, false),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value"), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
})).object;

Deno.test("a patch turns `from` into `to`, is empty only between equals, and changes neither", () => {
  fc.assert(fc.property(json, json, (from, to) => {
    const before = structuredClone([from, to]);
    const patch = mergePatch(from, to);
    assert.equal(patch === undefined, equal(from, to));
    assert.deepEqual(applyMergePatch(from, patch ?? {}), to);
    assert.deepEqual([from, to], before);
  }));
});

Deno.test("equality is that of the values, of any two", () => {
  const pair = fc.oneof(
    fc.tuple(json, json),
    // The same members in another order, and often one of them another.
    fc.tuple(json, json).map(([one, other]): [JsonObject, JsonObject] => [
      one,
      Object.fromEntries([...Object.entries(one), ...Object.entries(other).slice(0, 1)].reverse()),
    ]),
  );
  fc.assert(fc.property(pair, ([one, other]) => {
    assert.equal(equal(one, other), isDeepStrictEqual(one, other));
  }));
});

Deno.test("equality does not depend on the order of keys", () => {
  assert.equal(equal({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }), true);
  assert.equal(equal([1, 2], [2, 1]), false);
  assert.equal(equal({ a: 1 }, { a: 1, b: 1 }), false);
  assert.equal(equal([], {}), false);
  assert.equal(equal(null, {}), false);
});
