/** Renders and installs `k8s/chart` with Helm itself. */
import { fileURLToPath } from "node:url";
import { cached, cachePath, exists } from "../../src/build/cache.ts";
import { hasGo, say } from "../../src/build/go_build.ts";
import { type KubeObject, objectsOf } from "../../src/build/kube_object.ts";

const VERSION = "v4.3.1";
const BINARY = `helm-${VERSION}`;

export const CHART = fileURLToPath(new URL("../../k8s/chart", import.meta.url));

/** Why there is no Helm on this machine, or null. Builds nothing. */
export function helm(): string | null {
  return hasGo() || exists(cachePath(BINARY)) ? null : "needs Go on PATH to build Helm";
}

/** What Helm said when it refused. */
export class HelmError extends Error {
  override readonly name = "HelmError";
}

/** Values that name the images which `k8s/` names; the chart has none of its own. */
export const IMAGES = ["controller", "agent"].flatMap((name) => [
  `${name}.image.repository=registry.invalid/sallyport/${name}`,
  `${name}.image.tag=dev`,
]);

/**
 * Objects that the chart makes, CRDs first.
 *
 * @param values as `--set` takes them: `agent.enabled=false`; images are named beforehand
 * @throws HelmError where Helm refuses
 */
export async function renderChart(...values: readonly string[]): Promise<readonly KubeObject[]> {
  const sets = [...IMAGES, ...values].flatMap((value) => ["--set", value]);
  return objectsOf(
    await runHelm(["template", "sallyport", CHART, "--include-crds", ...sets]),
  );
}

/**
 * Runs Helm and returns what it prints.
 *
 * @throws HelmError
 */
export async function runHelm(args: readonly string[]): Promise<string> {
  const folder = await cached(BINARY, build);
  // Helm keeps plugins, caches and settings of its user; here it has none.
  const home = await Deno.makeTempDir({ prefix: "sallyport-helm-" });
  try {
    const { success, stdout, stderr } = await new Deno.Command(`${folder}/helm`, {
      args: [...args],
      env: {
        HELM_CACHE_HOME: `${home}/cache`,
        HELM_CONFIG_HOME: `${home}/config`,
        HELM_DATA_HOME: `${home}/data`,
      },
    }).output();
    const decoder = new TextDecoder();
    if (!success) {
      throw new HelmError(`Cannot helm ${args.join(" ")}: ${decoder.decode(stderr)}`);
    }
    return decoder.decode(stdout);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

async function build(target: string): Promise<void> {
  say(`Building Helm ${VERSION} for the tests, once for this machine: some minutes on two cores`);
  const { success, stderr } = await new Deno.Command("go", {
    args: ["install", "-ldflags", "-s -w", `helm.sh/helm/v4/cmd/helm@${VERSION}`],
    env: { GOBIN: target, CGO_ENABLED: "0", GOWORK: "off", GOFLAGS: "" },
  }).output();
  if (!success) throw new Error(`Cannot build Helm: ${new TextDecoder().decode(stderr)}`);
}
