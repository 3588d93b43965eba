/** The pages that are made from the code say what the code says. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { referencePages } from "../../src/build/reference.ts";
import { SETTINGS } from "../../src/program/settings.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

for (const [path, text] of Object.entries(referencePages())) {
  Deno.test(`${path} is what the code says`, async () => {
    assert.equal(
      await Deno.readTextFile(ROOT + path).catch(() => ""),
      text,
      `run npx deno run -A scripts/reference.ts`,
    );
  });
}

Deno.test("every field that a person may write has a description on the page", () => {
  const { "docs/api.md": page = "" } = referencePages();
  const rows = page.match(/^\| `spec\..*$/gm) ?? [];
  assert.ok(rows.length >= 25, `${rows.length} fields`);
  // Blocks whose fields say it all need none.
  assert.deepEqual(rows.filter((row) => / \| {2}\|$/.test(row) && !/ \| object/.test(row)), []);
});

Deno.test("every setting has a row", () => {
  const { "docs/settings.md": page = "" } = referencePages();
  for (const { variable, flag } of Object.values(SETTINGS)) {
    assert.ok(page.includes(`| \`${variable}\` | \`${flag}\` |`), variable);
  }
});
