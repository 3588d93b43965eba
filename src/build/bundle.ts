/**
 * Bundles each `functions/*.ts` into `dist/NAME.js`, an ES module that Deno and Node >= 22.19 run; `dist/edge.js` is one
 * file that edge runtimes run, too.
 *
 * What functions share, and what one may never need (kubeconfig files, proxies: 0.5 MB), is in `dist/chunks`, so `dist`
 * is copied as a whole. A tick in a pod starts without those: 20 ms of processor time and 5 MB less on Node; on Deno
 * 50 ms where it has no code cache, little where it has one.
 */
import * as esbuild from "esbuild";
import { EDGE_BUILD } from "./edge_bundle.ts";
import { builtinModules } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

// CommonJS dependencies call require() for Node's own modules, which an ES module does not have. Not createRequire: it
// loads Node's whole module loader for that.
export const NODE_BANNER = `import __process from "node:process";
const require = (name) => __process.getBuiltinModule(name);`;

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
// generated API classes (0.5 MB) and all of undici (0.4 MB more than its connection pool). And HTTP/2, which neither our
// clients nor our servers speak: 3 MB of a process on Deno.
const LEFT_OUT: Readonly<Record<string, string>> = {
  "./gen/index.js": `export class ServerConfiguration {
  constructor() {
    throw new Error("Cannot make an API client: the generated classes are not in the bundle");
  }
}
export const createConfiguration = undefined;`,
  undici: `export { default as Agent } from "undici/lib/dispatcher/agent.js";
export { default as ProxyAgent } from "undici/lib/dispatcher/proxy-agent.js";`,
  "./client-h2.js": `module.exports = function connectH2() {
  throw new Error("Cannot speak HTTP/2: it is not in the bundle");
};`,
  "node:http2": "export class Http2ServerRequest {}\nexport const constants = {};",
};

/** undici's second HTTP parser, an experiment that nothing turns on here; 0.15 MB, 10 to 20 ms. */
const EXPERIMENT = /undici[\\/]lib[\\/]milo[\\/](no-)?simd\.js$/;

const LEAVE_OUT: esbuild.Plugin = {
  name: "leave-out",
  setup(build) {
    build.onLoad({ filter: EXPERIMENT }, () => ({ contents: "" }));
    build.onResolve(
      { filter: /^(\.\/gen\/index\.js|undici|\.\/client-h2\.js|node:http2)$/ },
      ({ path, importer, resolveDir, kind }) => {
        const fromClient = importer.endsWith("@kubernetes/client-node/dist/config.js");
        const fromPool = path === "undici" && kind === "dynamic-import";
        const isHTTP2 = /client-h2|http2/.test(path);
        if (!fromClient && !fromPool && !isHTTP2) return undefined;
        return { path, namespace: "leave-out", pluginData: resolveDir };
      },
    );
    build.onLoad({ filter: /.*/, namespace: "leave-out" }, ({ path, pluginData }) => ({
      contents: LEFT_OUT[path] ?? "",
      resolveDir: pluginData,
    }));
  },
};

/** What is said to esbuild for programs on Deno and Node. */
export const NODE_BUILD = {
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node22",
  // Names stay, for stack traces that people can read.
  minifyIdentifiers: false,
  plugins: [LEAVE_OUT, NODE_PREFIX],
  sourcesContent: false,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  tsconfigRaw: {},
} as const satisfies esbuild.BuildOptions;

export interface BundleOptions {
  /** Entry files; default: every `functions/*.ts`. */
  readonly entries?: readonly string[];
  /** Folder of the bundles; default `dist`. */
  readonly outdir?: string;
  /** Leaves out comments and space, not names; default true. */
  readonly minify?: boolean;
}

export interface Bundle {
  /** Of the entry, relative to the repository's root. */
  readonly path: string;
  /** What starting loads: the entry and the chunks that it imports, directly or not. */
  readonly bytes: number;
  /** Further bytes that are loaded only when they are needed. */
  readonly lazyBytes: number;
  /** Bytes loaded at start per npm package, `sallyport` for our own, largest first. */
  readonly packages: readonly (readonly [name: string, bytes: number])[];
  /** Source files of all that it may load, relative to the repository's root. */
  readonly sources: readonly string[];
}

type Outputs = esbuild.Metafile["outputs"];

const CHUNKS = "chunks";

const EDGE = "functions/edge.ts";

/** Writes the bundles and their source maps. Throws when an entry does not build. */
export async function bundle(options: BundleOptions = {}): Promise<readonly Bundle[]> {
  const entries = options.entries ?? await functionEntries();
  if (entries.length === 0) return [];
  const { minify = true, outdir = "dist" } = options;
  try {
    const result = await esbuild.build({
      ...NODE_BUILD,
      absWorkingDir: ROOT,
      entryPoints: entries.filter((entry) => entry !== EDGE),
      outdir,
      chunkNames: `${CHUNKS}/[name]-[hash]`,
      splitting: true,
      minifyWhitespace: minify,
      minifySyntax: minify,
      // Names what went wrong where without being read at start.
      sourcemap: "external",
      banner: { js: NODE_BANNER },
    });
    const { outputs } = result.metafile;
    const edge = await bundleEdge(entries, { minify, outdir });
    await removeFormerChunks(resolve(ROOT, outdir), outputs);
    return Object.keys(outputs)
      .filter((path) => path.endsWith(".js") && basename(dirname(path)) !== CHUNKS)
      .sort()
      .map((path) => describe(path, outputs))
      .concat(
        Object.keys(edge).filter((path) => path.endsWith(".js")).map((path) =>
          describe(path, edge)
        ),
      );
  } finally {
    await esbuild.stop();
  }
}

/** Built on its own: what it shares with the others may use Node's modules there, and not here. */
async function bundleEdge(
  entries: readonly string[],
  { minify, outdir }: { readonly minify: boolean; readonly outdir: string },
): Promise<Outputs> {
  if (!entries.includes(EDGE)) return {};
  const { metafile } = await esbuild.build({
    ...EDGE_BUILD,
    absWorkingDir: ROOT,
    entryPoints: [EDGE],
    outdir,
    minifyWhitespace: minify,
    minifySyntax: minify,
    minifyIdentifiers: false,
    sourcemap: "external",
    sourcesContent: false,
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
    tsconfigRaw: {},
  });
  return metafile.outputs;
}

async function functionEntries(): Promise<string[]> {
  const entries: string[] = [];
  for await (const file of Deno.readDir(`${ROOT}functions`)) {
    if (file.isFile && file.name.endsWith(".ts")) entries.push(`functions/${file.name}`);
  }
  return entries.sort();
}

/** Chunks are named by their content, so those of earlier builds would pile up. */
async function removeFormerChunks(outdir: string, outputs: Outputs): Promise<void> {
  const directory = join(outdir, CHUNKS);
  const current = new Set(Object.keys(outputs).map((path) => basename(path)));
  for await (const { name } of readDirectory(directory)) {
    if (!current.has(name)) await Deno.remove(join(directory, name));
  }
}

async function* readDirectory(path: string): AsyncIterable<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function describe(path: string, outputs: Outputs): Bundle {
  const atStart = reachable(path, outputs, ["import-statement"]);
  const all = reachable(path, outputs, ["import-statement", "dynamic-import"]);
  const bytes = (paths: ReadonlySet<string>) =>
    [...paths].reduce((sum, each) => sum + (outputs[each]?.bytes ?? 0), 0);
  return {
    path,
    bytes: bytes(atStart),
    lazyBytes: bytes(all) - bytes(atStart),
    packages: packagesOf([...atStart].flatMap((each) => outputs[each] ?? [])),
    sources: sourcesOf([...all].flatMap((each) => outputs[each] ?? [])),
  };
}

/** Paths of an entry and of every output that it leads to by imports of these kinds. */
function reachable(
  entry: string,
  outputs: Outputs,
  kinds: readonly esbuild.ImportKind[],
): ReadonlySet<string> {
  const found = new Set([entry]);
  // A Set's iteration also visits what is added meanwhile.
  for (const path of found) {
    for (const { path: imported, kind } of outputs[path]?.imports ?? []) {
      if (imported in outputs && kinds.includes(kind as esbuild.ImportKind)) found.add(imported);
    }
  }
  return found;
}

function packagesOf(outputs: readonly Outputs[string][]): Bundle["packages"] {
  const bytes = new Map<string, number>();
  for (const [path, input] of outputs.flatMap(({ inputs }) => Object.entries(inputs))) {
    const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? "sallyport";
    bytes.set(name, (bytes.get(name) ?? 0) + input.bytesInOutput);
  }
  return [...bytes].sort(([, a], [, b]) => b - a);
}

/** Files of which something is left in the output. */
function sourcesOf(outputs: readonly Outputs[string][]): readonly string[] {
  const inputs = outputs.flatMap(({ inputs }) => Object.entries(inputs));
  return [
    ...new Set(inputs.flatMap(([path, { bytesInOutput }]) => bytesInOutput > 0 ? [path] : [])),
  ]
    .sort();
}
