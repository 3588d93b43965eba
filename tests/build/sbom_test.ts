/** `scripts/sbom.ts`: what the bundles consist of, and under which licences. */
import assert from "node:assert/strict";
import { licenseList, spdxDocument, takeInventory, writeSbom } from "../../src/build/sbom.ts";

/** Those that we pass on without further conditions than their text. */
const PERMISSIVE = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"];

Deno.test("everything that is bundled is listed, with a permissive licence and its text", async () => {
  const outdir = await Deno.makeTempDir({ prefix: "sallyport-sbom-" });
  try {
    const inventory = await writeSbom({ outdir });
    const { self, runtime, bundled } = inventory;
    assert.equal(self.name, "sallyport");
    assert.equal(runtime.name, "deno");
    const names = bundled.map(({ name }) => name);
    for (const name of ["hono", "undici", "valibot"]) assert.ok(names.includes(name), name);
    for (const name of ["esbuild", "fast-check", "@types/node"]) {
      assert.ok(!names.includes(name), name);
    }
    for (const { name, license, sha512, licenseText } of [...bundled, runtime]) {
      assert.ok(PERMISSIVE.includes(license), `${name}: ${license}`);
      assert.match(sha512 ?? "", /^[0-9a-f]{128}$/, name);
      assert.match(licenseText, /copyright|permission|license/i, name);
    }
    const texts = await Deno.readTextFile(`${outdir}/licenses.txt`);
    for (const { licenseText } of bundled) assert.ok(texts.includes(licenseText));
    const sbom = JSON.parse(await Deno.readTextFile(`${outdir}/sbom.spdx.json`));
    assert.equal(sbom.packages.length, bundled.length + 2);
    assert.deepEqual(licenseList(inventory).length, bundled.length + 1);
  } finally {
    await Deno.remove(outdir, { recursive: true });
  }
});

Deno.test("the SBOM is SPDX 2.3: identifiers are unique, and every relationship names what is there", async () => {
  const inventory = await takeInventory([
    "node_modules/hono/dist/hono.js",
    "node_modules/@hono/node-server/dist/index.mjs",
    "node_modules/hono/dist/router.js",
    "functions/tick.ts",
  ]);
  assert.deepEqual(inventory.bundled.map(({ name }) => name), ["@hono/node-server", "hono"]);
  const document = spdxDocument(inventory, new Date(Date.UTC(2026, 10, 23, 10)));
  assert.equal(document.spdxVersion, "SPDX-2.3");
  assert.equal(document.dataLicense, "CC0-1.0");
  assert.equal(document.creationInfo.created, "2026-11-23T10:00:00Z");
  const ids = ["SPDXRef-DOCUMENT", ...document.packages.map(({ SPDXID }) => SPDXID)];
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^SPDXRef-[A-Za-z0-9.-]+$/);
  for (const { spdxElementId, relatedSpdxElement } of document.relationships) {
    assert.ok(ids.includes(spdxElementId), spdxElementId);
    assert.ok(ids.includes(relatedSpdxElement), relatedSpdxElement);
  }
  assert.deepEqual(
    document.relationships.map(({ relationshipType }) => relationshipType),
    ["DESCRIBES", "CONTAINS", "CONTAINS", "RUNTIME_DEPENDENCY_OF"],
  );
  const [, server] = document.packages;
  assert.deepEqual(
    server?.externalRefs?.[0]?.referenceLocator.split("@")[0],
    "pkg:npm/%40hono/node-server",
  );
  assert.deepEqual(spdxDocument(inventory, new Date(Date.UTC(2026, 10, 23, 10))), document);
});
