/**
 * Bundles each `functions/*.ts` into one ESM file `dist/NAME.js` that Deno and Node >= 22.19 run.
 *
 * `deno run -A scripts/bundle.ts [--why]`; `--why` prints which packages a bundle consists of.
 */
import * as esbuild from "esbuild";
import { builtinModules } from "node:module";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

// CommonJS dependencies (client-node's) call require() for Node's own modules, which an ES module does not have.
const BANNER = `import { createRequire as __createRequire } from "node:module";
const require = __createRequire(import.meta.url);`;

// Dependencies say `tls` where Deno, away from a package.json, knows only `node:tls`.
const NODE_PREFIX: esbuild.Plugin = {
  name: "node-prefix",
  setup(build) {
    const bare = builtinModules.filter((name) =>
      !name.startsWith("node:") && !name.startsWith("_")
    );
    const filter = new RegExp(`^(?:${bare.join("|").replaceAll("/", "\\/")})$`);
    build.onResolve({ filter }, ({ path }) => ({ path: `node:${path}`, external: true }));
  },
};

// What the bundles leave out. Of client-node only KubeConfig is used, for kubeconfig files; its module also imports the
// generated API classes (0.5 MB) and all of undici (0.4 MB more than its connection pool).
const LEFT_OUT: Readonly<Record<string, string>> = {
  "./gen/index.js": `export class ServerConfiguration {
  constructor() {
    throw new Error("Cannot make an API client: the generated classes are not in the bundle");
  }
}
export const createConfiguration = undefined;`,
  undici: `export { default as Agent } from "undici/lib/dispatcher/agent.js";
export { default as ProxyAgent } from "undici/lib/dispatcher/proxy-agent.js";`,
};

const LEAVE_OUT: esbuild.Plugin = {
  name: "leave-out",
  setup(build) {
    build.onResolve(
      { filter: /^(\.\/gen\/index\.js|undici)$/ },
      ({ path, importer, resolveDir, kind }) => {
        const fromClient = importer.endsWith("@kubernetes/client-node/dist/config.js");
        const fromPool = path === "undici" && kind === "dynamic-import";
        if (!fromClient && !fromPool) return undefined;
        return { path, namespace: "leave-out", pluginData: resolveDir };
      },
    );
    build.onLoad({ filter: /.*/, namespace: "leave-out" }, ({ path, pluginData }) => ({
      contents: LEFT_OUT[path] ?? "",
      resolveDir: pluginData,
    }));
  },
};

export interface BundleOptions {
  /** Entry files; default: every `functions/*.ts`. */
  readonly entries?: readonly string[];
  /** Folder of the bundles; default `dist`. */
  readonly outdir?: string;
  /** Leaves out comments and space, not names; default true. */
  readonly minify?: boolean;
}

export interface Bundle {
  /** Path relative to the repository's root. */
  readonly path: string;
  readonly bytes: number;
  /** Bytes in the bundle per npm package, `sallyport` for our own, largest first. */
  readonly packages: readonly (readonly [name: string, bytes: number])[];
}

/** Writes the bundles and their source maps. Throws when an entry does not build. */
export async function bundle(options: BundleOptions = {}): Promise<readonly Bundle[]> {
  const entries = options.entries ?? await functionEntries();
  if (entries.length === 0) return [];
  const { minify = true } = options;
  try {
    const result = await esbuild.build({
      absWorkingDir: ROOT,
      entryPoints: [...entries],
      outdir: options.outdir ?? "dist",
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node22",
      minifyWhitespace: minify,
      minifySyntax: minify,
      // Names stay, for stack traces that people can read.
      minifyIdentifiers: false,
      plugins: [LEAVE_OUT, NODE_PREFIX],
      // Names what went wrong where without being read at start.
      sourcemap: "external",
      sourcesContent: false,
      legalComments: "none",
      banner: { js: BANNER },
      metafile: true,
      logLevel: "warning",
      tsconfigRaw: {},
    });
    return Object.entries(result.metafile.outputs)
      .filter(([path]) => path.endsWith(".js"))
      .map(([path, output]) => ({ path, bytes: output.bytes, packages: packagesOf(output) }))
      .sort((a, b) => a.path < b.path ? -1 : 1);
  } finally {
    await esbuild.stop();
  }
}

async function functionEntries(): Promise<string[]> {
  const entries: string[] = [];
  for await (const file of Deno.readDir(`${ROOT}functions`)) {
    if (file.isFile && file.name.endsWith(".ts")) entries.push(`functions/${file.name}`);
  }
  return entries.sort();
}

function packagesOf(
  output: esbuild.Metafile["outputs"][string],
): readonly (readonly [string, number])[] {
  const bytes = new Map<string, number>();
  for (const [path, input] of Object.entries(output.inputs)) {
    const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? "sallyport";
    bytes.set(name, (bytes.get(name) ?? 0) + input.bytesInOutput);
  }
  return [...bytes].sort(([, a], [, b]) => b - a);
}

if (import.meta.main) {
  const why = Deno.args.includes("--why");
  const lines = (await bundle()).flatMap(({ path, bytes, packages }) => [
    `${path} ${kilobytes(bytes)}`,
    ...(why ? packages.map(([name, size]) => `  ${name} ${kilobytes(size)}`) : []),
  ]);
  await Deno.stdout.write(new TextEncoder().encode(lines.map((line) => line + "\n").join("")));
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
