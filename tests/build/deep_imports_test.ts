/**
 * Modules inside packages that we load past the package's front door, since that costs each start memory and time. No
 * package promises that they stay; when an upgrade moves one, this says which, and who needs it.
 */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Specifier -> what we take from it; a name of an export. */
const DEEP: Readonly<Record<string, string>> = {
  "undici/lib/dispatcher/agent.js": "default",
  "undici/lib/dispatcher/proxy-agent.js": "default",
  "undici/lib/api/api-request.js": "default",
  "@kubernetes/client-node/dist/config.js": "KubeConfig",
};

const sources = (await readdir(`${ROOT}src`, { recursive: true }))
  .filter((name) => /\.(ts|js)$/.test(name)).map((name) => `src/${name}`);

/** File -> the modules inside packages that it names. */
const named = new Map(
  await Promise.all(sources.map(async (file) => {
    const text = await readFile(ROOT + file, "utf8");
    const found = text.matchAll(/["'`]((?:@[\w-]+\/)?[\w-]+\/(?:dist|lib)\/[\w./-]+\.js)["'`]/g);
    return [file, [...found].map(([, specifier = ""]) => specifier)] as const;
  })),
);

for (const [specifier, name] of Object.entries(DEEP)) {
  const users = [...named].filter(([, all]) => all.includes(specifier)).map(([file]) => file);
  const [, owner = ""] = /^((?:@[^/]+\/)?[^/]+)/.exec(specifier) ?? [];

  Deno.test(`${owner} still has ${specifier}, with ${name}`, async () => {
    assert.ok(users.length > 0, `nobody names ${specifier} any more: take it out of this table`);
    const why = `${users.join(", ")} cannot load ${specifier} of ${owner} ${versionOf(owner)}`;
    const module: Record<string, unknown> = await import(specifier).catch((cause) => {
      throw new Error(`${why}: find where it went`, { cause });
    });
    assert.equal(typeof module[name], "function", `${why}: it exports no ${name} any more`);
  });
}

/** What the bundles leave out by its name; under another name it would come along again. */
const LEFT_OUT = [
  "undici/lib/dispatcher/client-h2.js",
  "undici/lib/milo/simd.js",
  "undici/lib/milo/no-simd.js",
  "@kubernetes/client-node/dist/gen/index.js",
] as const;

for (const path of LEFT_OUT) {
  Deno.test(`${path}, which bundles leave out, is still called that`, async () => {
    const { isFile } = await Deno.stat(`${ROOT}node_modules/${path}`).catch(() => {
      throw new Error(`Cannot find ${path}: src/build/bundle.ts leaves it out by this name`);
    });
    assert.ok(isFile);
  });
}

Deno.test("no other module inside a package is named in src", () => {
  const others = [...named].flatMap(([file, all]) =>
    all.filter((specifier) => !Object.hasOwn(DEEP, specifier)).map((each) => `${file}: ${each}`)
  );
  assert.deepEqual(others, []);
});

function versionOf(owner: string): string {
  const manifest = createRequire(import.meta.url).resolve(
    `${ROOT}node_modules/${owner}/package.json`,
  );
  return JSON.parse(Deno.readTextFileSync(manifest)).version;
}
