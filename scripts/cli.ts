/** Writes the package that `npm pack` packs, the command line as one file with its licences: `deno run -A scripts/cli.ts`. */
import { bundleCli, CLI_FILE } from "../src/build/cli_bundle.ts";
import { licenseTexts, takeInventory } from "../src/build/sbom.ts";

const { bytes, sources } = await bundleCli();
const licenses = CLI_FILE.replace(/[^/]*$/, "licenses.txt");
await Deno.writeTextFile(licenses, licenseTexts(await takeInventory(sources)));
// npm pack prints the package's name on standard output.
await Deno.stderr.write(
  new TextEncoder().encode(`${CLI_FILE} ${(bytes / 1_000_000).toFixed(1)} MB\n`),
);
