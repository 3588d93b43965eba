/** Files of Go modules: other projects' manifests, exactly as they are published. */
import { cached, cachePath, exists } from "../../src/build/cache.ts";
import { hasGo } from "../../src/build/go_build.ts";
import type { Need } from "./needs.ts";

export interface ModuleFolder {
  /** As `knative.dev/serving`. */
  readonly module: string;
  /** As `v0.46.0`. */
  readonly version: string;
  /** Checksum of the module, as a go.sum has it. */
  readonly sum: string;
  readonly folder: string;
}

/** Why the folder cannot be had on this machine, or null. Downloads nothing. */
export function moduleFolder(source: ModuleFolder): Need {
  return () =>
    hasGo() || exists(cachePath(entryOf(source)))
      ? null
      : `needs Go on PATH to fetch ${source.module}`;
}

/**
 * The text of a file in the folder.
 *
 * @throws Error when the module cannot be downloaded or is not the one that we know
 */
export async function readModuleFile(source: ModuleFolder, name: string): Promise<string> {
  const folder = await cached(entryOf(source), (target) => download(source, target));
  return await Deno.readTextFile(`${folder}/${name}`);
}

function entryOf({ module, version, folder }: ModuleFolder): string {
  return `${module}-${version}-${folder}`.replaceAll("/", "-");
}

async function download(
  { module, version, sum, folder }: ModuleFolder,
  target: string,
): Promise<void> {
  const scratch = await Deno.makeTempDir({ prefix: "sallyport-" });
  try {
    const { stdout, success } = await new Deno.Command("go", {
      args: ["mod", "download", "-json", `${module}@${version}`],
      cwd: scratch,
      env: { GOWORK: "off" },
    }).output();
    const found = JSON.parse(new TextDecoder().decode(stdout) || "{}") as {
      readonly Dir?: string;
      readonly Sum?: string;
      readonly Error?: string;
    };
    if (!success || found.Dir === undefined) {
      throw new Error(
        `Cannot download ${module} ${version}: ${found.Error ?? "go mod download failed"}`,
      );
    }
    if (found.Sum !== sum) {
      throw new Error(
        `Cannot use ${module} ${version}: its checksum is ${found.Sum}, expected ${sum}`,
      );
    }
    await Deno.mkdir(target);
    for await (const { name, isFile } of Deno.readDir(`${found.Dir}/${folder}`)) {
      if (!isFile || !name.endsWith(".yaml")) continue;
      // Not copied as a file: the module cache is read-only, and so would be the copy.
      await Deno.writeTextFile(
        `${target}/${name}`,
        await Deno.readTextFile(`${found.Dir}/${folder}/${name}`),
      );
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}
