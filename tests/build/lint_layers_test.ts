import assert from "node:assert/strict";
import { faults, type Imports } from "../../.ci/lint_layers.ts";

/** File -> what it imports. */
function graph(files: Readonly<Record<string, readonly string[]>>): Imports {
  return new Map(Object.entries(files).map(([file, imports]) => [file, new Set(imports)]));
}

const LAYERS = { "core": [], "cluster": ["core"] };

Deno.test("a folder imports from itself and from what is below it", () => {
  const imports = graph({
    "cluster/apply.ts": ["cluster/observe.ts", "core/decide.ts"],
    "cluster/observe.ts": [],
    "core/decide.ts": ["core/types.ts"],
    "core/types.ts": [],
  });
  assert.deepEqual(faults(imports, LAYERS), []);
});

Deno.test("an import that runs up is named with what the folder may know", () => {
  const imports = graph({ "core/decide.ts": ["cluster/apply.ts"], "cluster/apply.ts": [] });
  assert.deepEqual(faults(imports, LAYERS), [
    "core/decide.ts must not import cluster/apply.ts: core knows only itself",
  ]);
});

Deno.test("files that import each other in a circle are named in its order", () => {
  const imports = graph({
    "core/a.ts": ["core/b.ts"],
    "core/b.ts": ["core/c.ts"],
    "core/c.ts": ["core/b.ts"],
  });
  assert.deepEqual(faults(imports, LAYERS), ["Circle: core/b.ts -> core/c.ts -> core/b.ts"]);
});

Deno.test("a folder that the table does not have is refused", () => {
  assert.deepEqual(faults(graph({ "misc/a.ts": [] }), LAYERS), [
    "misc/a.ts is in no folder of the layers",
  ]);
});
