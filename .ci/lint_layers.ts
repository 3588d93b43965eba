/**
 * The directions of imports: which folder may know which, and no circle of files, types included.
 *
 * The graph is Deno's own (`deno info`), so what counts as an import is what is loaded or checked.
 */
import { dirname, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as v from "valibot";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Folder -> what its files may import beside each other. From the ground up: a folder knows only those above it here. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "src/core": [],
  "src/kube": [],
  "src/kube/auth": ["src/kube"],
  "src/cluster/schema": [],
  "src/cluster/decoders": ["src/core"],
  "src/cluster": ["src/core", "src/kube", "src/cluster/decoders"],
  "src/metrics": ["src/core"],
  "src/controller": ["src/core", "src/metrics", "src/kube", "src/cluster", "src/cluster/decoders"],
  "src/agent/core": ["src/core"],
  "src/agent": ["src/core", "src/kube", "src/cluster", "src/cluster/decoders", "src/agent/core"],
  "src/agent/linux": ["src/core", "src/agent", "src/agent/core"],
  "src/http": ["src/core", "src/metrics", "src/kube", "src/controller", "src/agent"],
  "src/trace": ["src/core", "src/kube", "src/cluster", "src/controller", "src/agent"],
  "src/program": [
    "src/core",
    "src/metrics",
    "src/kube",
    "src/kube/auth",
    "src/cluster",
    "src/cluster/decoders",
    "src/controller",
    "src/agent",
    "src/agent/core",
    "src/agent/linux",
    "src/http",
    "src/trace",
  ],
  "src/demo": [
    "src/core",
    "src/kube",
    "src/kube/auth",
    "src/cluster",
    "src/cluster/decoders",
    "src/controller",
    "src/agent",
    "src/agent/core",
    "src/http",
    "src/program",
  ],
  "src/cli/files": ["src/core", "src/kube", "src/cluster/schema"],
  "src/cli/shared": [
    "src/core",
    "src/kube",
    "src/cluster",
    "src/cluster/decoders",
    "src/cluster/schema",
    "src/program",
    "src/cli/files",
  ],
  "src/cli/commands": [
    "src/core",
    "src/kube",
    "src/cluster",
    "src/cluster/decoders",
    "src/cluster/schema",
    "src/program",
    "src/cli/shared",
  ],
  "src/cli": [
    "src/core",
    "src/kube",
    "src/kube/auth",
    "src/cluster",
    "src/program",
    "src/demo",
    "src/cli/shared",
    "src/cli/commands",
  ],
  "functions": ["src/kube", "src/kube/auth", "src/controller", "src/http", "src/program"],
  "src/build": ["src/cluster/schema", "src/program"],
  "scripts": ["src/build"],
};

const Graph = v.object({
  modules: v.array(v.object({
    specifier: v.string(),
    dependencies: v.optional(
      v.array(v.object({
        code: v.optional(v.object({ specifier: v.optional(v.string()) })),
        type: v.optional(v.object({ specifier: v.optional(v.string()) })),
      })),
      [],
    ),
  })),
});

/** File -> the files that it imports; paths from the repository's root. */
export type Imports = ReadonlyMap<string, ReadonlySet<string>>;

/** Sentences about imports in the wrong direction and about circles, sorted; none: all is well. */
export function faults(
  imports: Imports,
  layers: Readonly<Record<string, readonly string[]>> = LAYERS,
): readonly string[] {
  const upward = [...imports].flatMap(([file, imported]) => {
    const folder = dirname(file);
    const allowed = layers[folder];
    if (allowed === undefined) return [`${file} is in no folder of the layers`];
    return [...imported]
      .filter((other) => dirname(other) !== folder && !allowed.includes(dirname(other)))
      .map((other) => `${file} must not import ${other}: ${folder} knows only ${known(allowed)}`);
  });
  return [...upward, ...circles(imports).map((files) => `Circle: ${files.join(" -> ")}`)].sort();
}

function known(allowed: readonly string[]): string {
  return allowed.length === 0 ? "itself" : allowed.join(", ");
}

/** One walk in depth; each circle once, from the file at which it was entered. */
function circles(imports: Imports): readonly (readonly string[])[] {
  const found: string[][] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file]);
    if (start >= 0 || done.has(file)) return;
    for (const other of imports.get(file) ?? []) walk(other, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) walk(file, []);
  return found;
}

/** The imports of every source file in the folders of the layers. */
export async function readImports(): Promise<Imports> {
  const files = (await Promise.all(["src", "functions", "scripts"].map(sourcesIn))).flat();
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const lines = files.map((file) => `import "${pathToFileURL(ROOT + file)}";`);
    await Deno.writeTextFile(entry, lines.join("\n"));
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", `--config=${ROOT}deno.json`, entry],
    }).output();
    const { modules } = v.parse(Graph, JSON.parse(new TextDecoder().decode(stdout)));
    const graph = new Map(
      modules.map((
        { specifier, dependencies },
      ) => [
        pathOf(specifier),
        new Set(
          dependencies.flatMap(({ code, type }) => [code?.specifier, type?.specifier])
            .flatMap((each) => each === undefined ? [] : [pathOf(each)])
            .filter((path) => files.includes(path)),
        ),
      ]),
    );
    return new Map(files.map((file) => [file, graph.get(file) ?? new Set()]));
  } finally {
    await Deno.remove(entry);
  }
}

function pathOf(specifier: string): string {
  return specifier.startsWith("file:") ? relative(ROOT, fileURLToPath(specifier)) : specifier;
}

async function sourcesIn(folder: string): Promise<readonly string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(ROOT + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) files.push(...await sourcesIn(path));
    else if (/(?<!\.d)\.ts$/.test(name)) files.push(path);
  }
  return files.sort();
}

if (import.meta.main) {
  const found = faults(await readImports());
  const lines = found.map((line) => line + "\n").join("");
  await Deno.stderr.write(new TextEncoder().encode(lines));
  Deno.exit(found.length === 0 ? 0 : 1);
}
