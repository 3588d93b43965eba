/** Where the control plane's programs come from: KUBEBUILDER_ASSETS, our cache, or a build of `tests/support/go/control_plane`. */
import { fileURLToPath } from "node:url";
import { cached, cachePath, digest, exists } from "../../src/build/cache.ts";
import { goBuild, hasGo, say } from "../../src/build/go_build.ts";

export type Part = "etcd" | "kube-apiserver" | "kube-controller-manager";

/** What turns a control plane into a cluster that runs pods. Linux only. */
export type NodePart = "kube-scheduler" | "kubelet";

/** Start of the command line of each part. */
export type Programs = Readonly<Record<Part, readonly string[]>>;

const SOURCE = fileURLToPath(new URL("./go/control_plane", import.meta.url));
const SOURCE_FILES = ["go.mod", "go.sum", "main.go", "node_linux.go"];
const NO_GO = "needs Go on PATH to build a Kubernetes control plane";

/** Why there can be no control plane on this machine, or null. Builds nothing. */
export function controlPlane(): string | null {
  const assets = Deno.env.get("KUBEBUILDER_ASSETS");
  if (assets) return lacking(assets, ["etcd", "kube-apiserver"]);
  if (hasGo() || exists(cachePath(binaryName()))) return null;
  return `${NO_GO}, or KUBEBUILDER_ASSETS`;
}

/** Why there can be no controller manager on this machine, or null; KUBEBUILDER_ASSETS often has none. */
export function controllerManager(): string | null {
  const assets = Deno.env.get("KUBEBUILDER_ASSETS");
  return assets ? lacking(assets, ["kube-controller-manager"]) : controlPlane();
}

/**
 * The multi-call binary of all parts (those of a node on Linux alone), built when this machine has none yet: once for all
 * processes, 5 to 6 minutes on two cores, seconds when Go's own cache is warm. Progress goes to stderr.
 *
 * @throws Error when the build fails, with the compiler's last lines
 */
export async function controlPlaneBinary(): Promise<{ bin: string } | { skip: string }> {
  const name = binaryName();
  if (!exists(cachePath(name)) && !hasGo()) return { skip: NO_GO };
  return { bin: await cached(name, build) };
}

/**
 * Command lines of the control plane's parts.
 *
 * @throws Error with the reason that `controlPlane` gives when there are none
 */
export async function controlPlanePrograms(): Promise<Programs> {
  const problem = controlPlane();
  if (problem !== null) throw new Error(`Cannot start a control plane: ${problem}`);
  const assets = Deno.env.get("KUBEBUILDER_ASSETS");
  if (assets) return programs((part) => [`${assets}/${part}`]);
  const binary = await controlPlaneBinary();
  if ("skip" in binary) throw new Error(`Cannot start a control plane: ${binary.skip}`);
  return programs((part) => [binary.bin, part]);
}

/**
 * Why there can be no scheduler and kubelet on this machine, or null. They are always our own build, since KUBEBUILDER_ASSETS
 * has neither.
 */
export function nodeParts(): string | null {
  if (Deno.build.os !== "linux") return "needs Linux";
  return hasGo() || exists(cachePath(binaryName())) ? null : NO_GO;
}

/**
 * Command lines of the scheduler and the kubelet.
 *
 * @throws Error with the reason that `nodeParts` gives when there are none
 */
export async function nodePrograms(): Promise<Readonly<Record<NodePart, readonly string[]>>> {
  const problem = nodeParts();
  if (problem !== null) throw new Error(`Cannot run a node: ${problem}`);
  const binary = await controlPlaneBinary();
  if ("skip" in binary) throw new Error(`Cannot run a node: ${binary.skip}`);
  return { "kube-scheduler": [binary.bin, "kube-scheduler"], "kubelet": [binary.bin, "kubelet"] };
}

function programs(command: (part: Part) => readonly string[]): Programs {
  return {
    "etcd": command("etcd"),
    "kube-apiserver": command("kube-apiserver"),
    "kube-controller-manager": command("kube-controller-manager"),
  };
}

function lacking(assets: string, parts: readonly Part[]): string | null {
  const absent = parts.filter((part) => !exists(`${assets}/${part}`));
  return absent.length === 0 ? null : `needs ${absent.join(" and ")} in KUBEBUILDER_ASSETS`;
}

function binaryName(): string {
  const texts = SOURCE_FILES.map((file) => Deno.readTextFileSync(`${SOURCE}/${file}`));
  return `controlplane-${digest(...texts)}`;
}

async function build(output: string): Promise<void> {
  const version = await kubernetesVersion();
  const [major, minor] = version.slice(1).split(".");
  const stamp = (name: string, value = "") => `-X k8s.io/component-base/version.${name}=${value}`;
  const flags = [stamp("gitVersion", version), stamp("gitMajor", major), stamp("gitMinor", minor)];
  say(
    `Building Kubernetes ${version} control plane for the tests, once for this machine: ` +
      "5 to 6 minutes on two cores unless Go has its packages cached",
  );
  const args = ["-o", output, "-ldflags", `-s -w ${flags.join(" ")}`, "."];
  await goBuild({ name: "the control plane", cwd: SOURCE, args });
}

async function kubernetesVersion(): Promise<string> {
  const found = /^\tk8s\.io\/kubernetes (v[\d.]+)$/m.exec(
    await Deno.readTextFile(`${SOURCE}/go.mod`),
  );
  if (found?.[1] === undefined) {
    throw new Error("Cannot read the Kubernetes version: go.mod requires no k8s.io/kubernetes");
  }
  return found[1];
}
