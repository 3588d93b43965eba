/** `package.json`: what the package of the command line is. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { CLI_FILE } from "../../src/build/cli_bundle.ts";
import { VERSION } from "../../src/core/version.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const manifest = JSON.parse(await Deno.readTextFile(`${ROOT}package.json`));

Deno.test("program, package and chart are of one version", async () => {
  const chart = parse(await Deno.readTextFile(`${ROOT}k8s/chart/Chart.yaml`));
  assert.deepEqual([manifest.version, String(chart.version)], [VERSION, VERSION]);
});

Deno.test("whoever installs the package gets one file and nothing beside it", () => {
  assert.equal(manifest.private, true, "it is packed, not published");
  assert.deepEqual(
    manifest.dependencies ?? {},
    {},
    "the one file contains what it needs: write packages into devDependencies",
  );
  assert.deepEqual([...new Set(Object.values(manifest.bin))], [CLI_FILE]);
});
