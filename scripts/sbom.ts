/**
 * Bundles, and writes what the bundles consist of: `deno run -A scripts/sbom.ts [--list]`; `--list` prints the SPDX licence and
 * the name of each package.
 */
import { licenseList, writeSbom } from "../src/build/sbom.ts";

const inventory = await writeSbom();
const lines = Deno.args.includes("--list")
  ? licenseList(inventory)
  : [`dist/sbom.spdx.json and dist/licenses.txt: ${inventory.bundled.length} packages`];
await Deno.stdout.write(new TextEncoder().encode(lines.map((line) => line + "\n").join("")));
