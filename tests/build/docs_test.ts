/** What the pages refer to is there: files, links, and the tests that ARCHITECTURE.md names as witnesses. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

async function pages(): Promise<readonly string[]> {
  const names = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];
  for await (const { name, isFile } of Deno.readDir(`${ROOT}docs`)) {
    if (isFile && name.endsWith(".md")) names.push(`docs/${name}`);
  }
  return names.sort();
}

Deno.test("links of the pages lead to files that there are", async () => {
  for (const page of await pages()) {
    const text = await Deno.readTextFile(ROOT + page);
    for (const [, target = ""] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      await assert.doesNotReject(
        Deno.stat(join(ROOT, dirname(page), target)),
        `${page} links to ${target}`,
      );
    }
  }
});

Deno.test("files that the pages name in code spans are there", async () => {
  for (const page of await pages()) {
    const text = await Deno.readTextFile(ROOT + page);
    const spans = text.matchAll(
      /`((?:src|tests|functions|scripts|k8s|docs|\.ci)\/[\w./-]*\w\/?)`/g,
    );
    for (const [, path = ""] of spans) {
      await assert.doesNotReject(Deno.stat(ROOT + path), `${page} names ${path}`);
    }
  }
});

Deno.test("each row of what can go wrong names tests of the simulation that there are", async () => {
  const text = await Deno.readTextFile(`${ROOT}ARCHITECTURE.md`);
  const rows = text.split("## What can go wrong")[1]?.split("## ")[0]?.match(/^\| .* \|$/gm) ?? [];
  const witnesses = rows.slice(1).map((row) => row.split(" | ").at(-1) ?? "");
  assert.ok(witnesses.length >= 15);
  for (const cell of witnesses) {
    const named = [...cell.matchAll(/(?:(\w+): )?"([^"]+)"/g)];
    assert.notEqual(named.length, 0, `No test in: ${cell}`);
    let file = "";
    for (const [, other, words = ""] of named) {
      if (other !== undefined) file = await Deno.readTextFile(`${ROOT}tests/sim/${other}_test.ts`);
      assert.ok(new RegExp(`["\`]${words}`).test(file), `No test begins with: ${words}`);
    }
  }
});
