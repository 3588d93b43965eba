/** Prometheus' own promtool, built from its Go module by `tests/support/go/promtool`. */
import { fileURLToPath } from "node:url";
import { cached, cachePath, digest, exists } from "../../src/build/cache.ts";
import { goBuild, hasGo, say } from "../../src/build/go_build.ts";

const SOURCE = fileURLToPath(new URL("./go/promtool", import.meta.url));

/** Why there can be none on this machine, or null. Builds nothing. */
export function promtool(): string | null {
  return hasGo() || exists(cachePath(entry())) ? null : "needs Go on PATH to build promtool";
}

/**
 * Runs promtool and returns what it prints.
 *
 * @throws Error with its words where it finds fault
 */
export async function runPromtool(args: readonly string[]): Promise<string> {
  const program = await cached(entry(), build);
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  if (!success) throw new Error(`Cannot promtool ${args.join(" ")}: ${said}`);
  return said;
}

function entry(): string {
  const texts = ["go.mod", "go.sum"].map((file) => Deno.readTextFileSync(`${SOURCE}/${file}`));
  return `promtool-${digest(...texts)}`;
}

async function build(output: string): Promise<void> {
  say(
    "Building promtool for the tests, once for this machine: about two minutes of processor time",
  );
  await goBuild({
    name: "promtool",
    cwd: SOURCE,
    // Without the clouds' SDKs, by which Prometheus finds its targets.
    args: [
      "-tags=remove_all_sd",
      "-ldflags=-s -w",
      "-o",
      output,
      "github.com/prometheus/prometheus/cmd/promtool",
    ],
  });
}
