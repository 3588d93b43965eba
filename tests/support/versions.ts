/** Programs of this version and of the one that is in use, as bundles: what meets during an upgrade. */
import { fileURLToPath } from "node:url";
import { bundle } from "../../src/build/bundle.ts";
import { cached, cachePath, exists } from "../../src/build/cache.ts";
import { say } from "../../src/build/go_build.ts";
import { missing, type Need, programs } from "./needs.ts";

/**
 * The commit whose programs are upgraded from and rolled back to. To be moved on with each release; what it wrote into a
 * cluster must be understood until then.
 */
const FORMER = "ba35369358abba38996a89d733f6d4c501e912df";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CACHED = `version-${FORMER.slice(0, 12)}`;

/** Why the former version cannot be had here, or null: it is made from this repository's history. */
export const formerVersion: Need = () => {
  if (exists(cachePath(CACHED))) return null;
  const absent = missing([programs("git", "tar", "npm")]);
  if (absent !== null) return absent;
  const { success } = new Deno.Command("git", {
    args: ["cat-file", "-e", `${FORMER}^{commit}`],
    cwd: ROOT,
    stderr: "null",
  }).outputSync();
  return success ? null : `needs commit ${FORMER.slice(0, 7)} in the clone`;
};

/** Folder with `agent.js`, `server.js` and what these load, built by the former version itself with its own packages. */
export async function formerBundles(): Promise<string> {
  return await cached(CACHED, async (path) => {
    say(`Building version ${FORMER.slice(0, 7)}`);
    const scratch = await Deno.makeTempDir({ prefix: "sallyport-version-" });
    try {
      await run("git", ["archive", "--format=tar", `--output=${scratch}/source.tar`, FORMER], ROOT);
      await run("tar", ["-xf", "source.tar"], scratch);
      await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], scratch);
      await run(Deno.execPath(), ["run", "-A", "--no-check", "scripts/bundle.ts"], scratch);
      await run("cp", ["-r", "dist", path], scratch);
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  });
}

/**
 * The same of this version.
 *
 * @param folder the caller's to remove
 * @param reword whole words of messages -> others, for a version that says the same in other words
 * @throws Error when a word is in no bundle
 */
export async function currentBundles(
  folder: string,
  reword: Readonly<Record<string, string>> = {},
): Promise<string> {
  await bundle({ outdir: folder });
  for (const [word, other] of Object.entries(reword)) {
    let found = false;
    for (const directory of [folder, `${folder}/chunks`]) {
      for await (const { name } of Deno.readDir(directory)) {
        if (!name.endsWith(".js")) continue;
        const text = await Deno.readTextFile(`${directory}/${name}`);
        if (!text.includes(word)) continue;
        found = true;
        await Deno.writeTextFile(`${directory}/${name}`, text.replaceAll(word, other));
      }
    }
    if (!found) throw new Error(`Cannot reword '${word}': no bundle says it`);
  }
  return folder;
}

/** Command line of a bundle. */
export function commandLine(folder: string, name: "agent" | "server"): readonly string[] {
  return [Deno.execPath(), "run", "--allow-all", "--no-config", `${folder}/${name}.js`];
}

async function run(program: string, args: readonly string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) {
    throw new Error(
      `Cannot build version ${FORMER.slice(0, 7)}: ${program} ${args[0]} failed: ` +
        new TextDecoder().decode(stderr).slice(-2_000),
    );
  }
}
