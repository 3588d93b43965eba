/** actionlint, which checks workflows of GitHub Actions, built from its Go module. */
import { cached, cachePath, exists } from "../../src/build/cache.ts";
import { hasGo, say } from "../../src/build/go_build.ts";

const VERSION = "v1.7.12";
const BINARY = `actionlint-${VERSION}`;

/** Why there can be none on this machine, or null. Builds nothing. */
export function actionlint(): string | null {
  return hasGo() || exists(cachePath(BINARY)) ? null : "needs Go on PATH to build actionlint";
}

/** What it finds in a workflow, a line each; nothing: "". */
export async function lintWorkflow(path: string): Promise<string> {
  const folder = await cached(BINARY, build);
  const { stdout, stderr } = await new Deno.Command(`${folder}/actionlint`, {
    // No other linters that the machine may have: what is found is the same everywhere.
    args: ["-no-color", "-oneline", "-shellcheck=", "-pyflakes=", path],
  }).output();
  return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("").trim();
}

async function build(target: string): Promise<void> {
  say(`Building actionlint ${VERSION} for the tests, once for this machine: some seconds`);
  const { success, stderr } = await new Deno.Command("go", {
    args: ["install", "-ldflags", "-s -w", `github.com/rhysd/actionlint/cmd/actionlint@${VERSION}`],
    env: { GOBIN: target, CGO_ENABLED: "0", GOWORK: "off", GOFLAGS: "" },
  }).output();
  if (!success) throw new Error(`Cannot build actionlint: ${new TextDecoder().decode(stderr)}`);
}
