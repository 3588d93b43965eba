/** kubectl's JSONPath templates; the rows are of its page, where it has such. */
import assert from "node:assert/strict";
import { renderJsonPath } from "../../../src/cli/shared/jsonpath.ts";

const VALUE = {
  kind: "List",
  items: [
    { metadata: { name: "a", labels: { "x.io/role": "egress" } }, status: { ready: true, n: 1 } },
    { metadata: { name: "b", labels: {} }, status: { ready: false, n: 2, tags: ["s", "t"] } },
  ],
};

const ROWS: readonly (readonly [template: string, printed: string])[] = [
  ["{.kind}", "List"],
  ["{$.kind}", "List"],
  ["{@.kind}", "List"],
  ["kind is {.kind}", "kind is List"],
  ["{.items[*].metadata.name}", "a b"],
  ["{.items[0].metadata.name}", "a"],
  ["{.items[-1:].metadata.name}", "b"],
  ["{..name}", "a b"],
  ["{.items[?(@.status.n>1)].metadata.name}", "b"],
  ['{.items[?(@.metadata.name=="a")].status.ready}', "true"],
  ["{.items[0].metadata.labels.x\\.io/role}", "egress"],
  ["{.items[0]['metadata']['name']}", "a"],
  ["{.items[1].status.tags}", '["s","t"]'],
  ["{.items[0].nothing}", ""],
  ['{range .items[*]}{.metadata.name}{"\\t"}{.status.n}{"\\n"}{end}', "a\t1\nb\t2\n"],
  ["{range .items[1].status.tags[*]}<{@}>{end}", "<s><t>"],
  ["{range .items[*]}{$.kind}/{.metadata.name} {end}", "List/a List/b "],
  ['{"a } brace"}', "a } brace"],
];

for (const [template, printed] of ROWS) {
  Deno.test(`jsonpath ${template} prints ${JSON.stringify(printed)}`, () => {
    assert.equal(renderJsonPath(VALUE, template), printed);
  });
}

Deno.test("a template that cannot be read is refused, and says why", () => {
  for (
    const [template, why] of [
      ["{.kind", /a \{ is not closed/],
      ["{range .items[*]}x", /\{range …\} without \{end\}/],
      ["x{end}", /\{end\} without \{range …\}/],
      ["{.items[?(@.constructor.constructor('return 1')())].kind}", /reading 'constructor'/],
      ["{kind}", /'\{kind\}' is no path: write such as/],
    ] as const
  ) {
    assert.throws(() => renderJsonPath(VALUE, template), { name: "ConfigError", message: why });
  }
});
