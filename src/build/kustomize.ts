/** Renders `k8s/` as `kubectl apply -k` would. */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { cached, cachePath, exists } from "./cache.ts";
import { hasGo, isOnPath, say } from "./go_build.ts";
import { type KubeObject, objectsOf } from "./kube_object.ts";

const VERSION = "v5.8.1";
const BINARY = `kustomize-${VERSION}`;

/** Why nothing can be rendered on this machine, or null. Builds nothing. */
export function kustomize(): string | null {
  if (isOnPath("kubectl")) return null;
  return hasGo() || exists(cachePath(BINARY)) ? null : "needs kubectl, or Go to build kustomize";
}

/**
 * Objects of a folder of `k8s/`, in the order in which they are applied.
 *
 * @param folder as `overlays/server`
 * @throws Error with kustomize's own words
 */
export function render(folder: string): Promise<readonly KubeObject[]> {
  return renderPath(pathOf(folder));
}

/**
 * The same of a kustomization beside a checkout, as a person writes it.
 *
 * @param fields what it has beside `resources`, YAML as `patches: …`
 */
export async function renderWith(
  folder: string,
  fields: string,
): Promise<readonly KubeObject[]> {
  const directory = await Deno.makeTempDir({ prefix: "sallyport-kustomization-" });
  try {
    const resource = relative(await Deno.realPath(directory), pathOf(folder));
    const text = `resources: [${resource}]\n${fields}`;
    await Deno.writeTextFile(`${directory}/kustomization.yaml`, text);
    return await renderPath(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function renderPath(path: string): Promise<readonly KubeObject[]> {
  const [program, ...args] = await command();
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args, path] })
    .output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot render ${path}: ${decoder.decode(stderr)}`);
  return objectsOf(decoder.decode(stdout));
}

/** Where a folder of `k8s/` is. */
export function pathOf(folder: string): string {
  return fileURLToPath(new URL(`../../k8s/${folder}`, import.meta.url));
}

async function command(): Promise<readonly [string, ...string[]]> {
  if (isOnPath("kubectl")) return ["kubectl", "kustomize"];
  return [`${await cached(BINARY, build)}/kustomize`, "build"];
}

async function build(target: string): Promise<void> {
  say(`Building kustomize ${VERSION} for the tests, once for this machine: about 20 s`);
  const { success, stderr } = await new Deno.Command("go", {
    args: ["install", "-ldflags", "-s -w", `sigs.k8s.io/kustomize/kustomize/v5@${VERSION}`],
    env: { GOBIN: target, CGO_ENABLED: "0", GOWORK: "off", GOFLAGS: "" },
  }).output();
  if (!success) throw new Error(`Cannot build kustomize: ${new TextDecoder().decode(stderr)}`);
}
