/**
 * The command line as one file, which Node and Deno run without a checkout: what `npm pack` puts into the package, under the
 * names `sallyport` and, as kubectl looks for plugins, `kubectl-sallyport`.
 */
import * as esbuild from "esbuild";
import { fileURLToPath } from "node:url";
import { NODE_BANNER, NODE_BUILD } from "./bundle.ts";
import { crdTexts } from "../cluster/schema/crd_files.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Where `package.json` says that it is, from the repository's root. */
export const CLI_FILE = "dist/cli/sallyport.mjs";

/** Files are judged by the CRDs, which are beside a checkout only. */
const EMBEDDED_CRDS: esbuild.Plugin = {
  name: "embedded-crds",
  setup(build) {
    build.onLoad({ filter: /[\\/]cluster[\\/]schema[\\/]crd_files\.ts$/ }, () => ({
      contents: `export const crdTexts = () => ${JSON.stringify(crdTexts())};`,
    }));
  },
};

/**
 * Writes the file, executable.
 *
 * @returns its size in bytes, and the source files in it, relative to the repository's root
 */
export async function bundleCli(
  { outfile = ROOT + CLI_FILE }: { readonly outfile?: string } = {},
): Promise<{ readonly bytes: number; readonly sources: readonly string[] }> {
  try {
    const { metafile: { inputs, outputs } } = await esbuild.build({
      ...NODE_BUILD,
      absWorkingDir: ROOT,
      entryPoints: ["src/cli/main.ts"],
      inject: ["src/build/older_node.js"],
      target: "node20",
      outfile,
      minifyWhitespace: true,
      minifySyntax: true,
      plugins: [EMBEDDED_CRDS, ...NODE_BUILD.plugins],
      banner: { js: `#!/usr/bin/env node\n${NODE_BANNER}` },
    });
    await Deno.chmod(outfile, 0o755);
    const bytes = Object.values(outputs).reduce((sum, output) => sum + output.bytes, 0);
    return { bytes, sources: Object.keys(inputs).sort() };
  } finally {
    await esbuild.stop();
  }
}
