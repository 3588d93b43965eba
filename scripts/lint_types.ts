/**
 * Lint rules that need types, foremost that no promise is left floating. Deno's linter has none of these.
 *
 * oxlint takes the compiler's options from a `tsconfig.json` above the file that it looks at, and nowhere else (its
 * `--tsconfig` is for imports only). So it runs in `.cache/lint`, where that file, Deno's types and links to the sources
 * are laid out; without them calls of `Deno` and of `node:` modules would go unseen.
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = ["src", "functions", "scripts", "tests"];

Deno.chdir(ROOT);
await Deno.mkdir(".cache/lint", { recursive: true });
Deno.chdir(".cache/lint");
await Deno.copyFile("../../.ci/tsconfig.json", "tsconfig.json");
await Deno.writeTextFile("deno.d.ts", await denoTypes());
for (const folder of ["node_modules", ...SOURCES]) await link(`../../${folder}`, folder);

const oxlint = new Deno.Command(Deno.env.get("SALLYPORT_NODE") ?? "node", {
  args: ["node_modules/oxlint/bin/oxlint", "--type-aware", "--no-ignore", "--deny-warnings"]
    .concat("--config=../../.ci/oxlint.json", await sourceFiles()),
});
Deno.exit((await oxlint.spawn().status).code);

async function denoTypes(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["types"] }).output();
  return new TextDecoder().decode(stdout);
}

/** Every source file by name, since oxlint does not walk into linked folders. */
async function sourceFiles(): Promise<string[]> {
  const files: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) await walk(path);
      else if (/\.(ts|mjs)$/.test(name)) files.push(path);
    }
  };
  for (const folder of SOURCES) await walk(folder);
  return files.sort();
}

async function link(target: string, path: string): Promise<void> {
  try {
    await Deno.symlink(target, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}
