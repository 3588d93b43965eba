/** `kubectl`, built from its Go module by `tests/support/go/kubectl`. */
import { fileURLToPath } from "node:url";
import { cached, cachePath, digest, exists } from "../../src/build/cache.ts";
import { goBuild, hasGo, say } from "../../src/build/go_build.ts";

const SOURCE = fileURLToPath(new URL("./go/kubectl", import.meta.url));
const SOURCE_FILES = ["go.mod", "go.sum", "main.go"];

/** Why there can be none on this machine, or null. Builds nothing. */
export function kubectl(): string | null {
  return hasGo() || exists(cachePath(entry())) ? null : "needs Go on PATH to build kubectl";
}

/** Path of the program, built when this machine has none yet: half a minute once the control plane is built. */
export function kubectlProgram(): Promise<string> {
  return cached(entry(), async (output) => {
    say("Building kubectl for the tests, once for this machine: half a minute");
    await goBuild({ name: "kubectl", cwd: SOURCE, args: ["-ldflags=-s -w", "-o", output, "."] });
  });
}

function entry(): string {
  const texts = SOURCE_FILES.map((file) => Deno.readTextFileSync(`${SOURCE}/${file}`));
  return `kubectl-${digest(...texts)}`;
}
