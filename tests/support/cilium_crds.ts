/** Cilium's own CustomResourceDefinitions, from its Go module. */
import { cached, cachePath, exists } from "../../src/build/cache.ts";
import { hasGo } from "../../src/build/go_build.ts";

const VERSION = "v1.20.2";
/** Checksum of the module, as a go.sum has it. */
const SUM = "h1:dqiEGIcXc+gqCLYG/l7VCFJ8GHyb4HUrwbZOpkX5dL8=";
const FOLDER = "pkg/k8s/apis/cilium.io/client/crds/v2";
const CACHED = `cilium-crds-${VERSION}`;

/** The kinds that Sallyport writes or reads, or that a Cilium agent needs for its node. */
export const CILIUM_CRDS = ["ciliumegressgatewaypolicies", "ciliumnodes"] as const;

/** Why Cilium's CRDs cannot be had on this machine, or null. Downloads nothing. */
export function ciliumCrds(): string | null {
  return hasGo() || exists(cachePath(CACHED)) ? null : "needs Go on PATH to fetch Cilium's CRDs";
}

/**
 * YAML of Cilium's CRDs.
 *
 * @param names plural names; default the two that Sallyport needs; `all` for every one of Cilium's API v2
 * @throws Error when the module cannot be downloaded or is not the one that we know
 */
export async function readCiliumCrds(
  names: readonly string[] | "all" = CILIUM_CRDS,
): Promise<string> {
  const folder = await cached(CACHED, download);
  const files: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (names === "all" || names.includes(name.slice(0, -".yaml".length))) files.push(name);
  }
  const texts = files.sort().map((file) => Deno.readTextFile(`${folder}/${file}`));
  return (await Promise.all(texts)).join("\n---\n");
}

async function download(target: string): Promise<void> {
  const problem = ciliumCrds();
  if (problem !== null) throw new Error(`Cannot read Cilium's CRDs: ${problem}`);
  const scratch = await Deno.makeTempDir({ prefix: "sallyport-" });
  try {
    const { stdout, success } = await new Deno.Command("go", {
      args: ["mod", "download", "-json", `github.com/cilium/cilium@${VERSION}`],
      cwd: scratch,
      env: { GOWORK: "off" },
    }).output();
    const module = JSON.parse(new TextDecoder().decode(stdout) || "{}") as {
      readonly Dir?: string;
      readonly Sum?: string;
      readonly Error?: string;
    };
    if (!success || module.Dir === undefined) {
      throw new Error(
        `Cannot download Cilium ${VERSION}: ${module.Error ?? "go mod download failed"}`,
      );
    }
    if (module.Sum !== SUM) {
      throw new Error(
        `Cannot use Cilium ${VERSION}: its checksum is ${module.Sum}, expected ${SUM}`,
      );
    }
    await Deno.mkdir(target);
    for await (const { name } of Deno.readDir(`${module.Dir}/${FOLDER}`)) {
      if (!name.endsWith(".yaml")) continue;
      // Not copied as a file: the module cache is read-only, and so would be the copy.
      await Deno.writeTextFile(
        `${target}/${name}`,
        await Deno.readTextFile(`${module.Dir}/${FOLDER}/${name}`),
      );
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}
