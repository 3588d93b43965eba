/** Knative's own programs that send CloudEvents, built from its Go module by `tests/support/go/knative`. */
import { fileURLToPath } from "node:url";
import { cached, cachePath, digest, exists } from "../../src/build/cache.ts";
import { goBuild, hasGo, say } from "../../src/build/go_build.ts";

const SOURCE = fileURLToPath(new URL("./go/knative", import.meta.url));
const SOURCE_FILES = ["go.mod", "go.sum", "tools.go"];
const PACKAGE = "knative.dev/eventing/cmd";

export interface KnativeAdapters {
  /** What runs for each ApiServerSource. */
  readonly apiServerSource: string;
  /** What runs once for all PingSources. */
  readonly pingSource: string;
}

/** Why there can be no adapters on this machine, or null. Builds nothing. */
export function knativeAdapters(): string | null {
  return hasGo() || exists(cachePath(entry()))
    ? null
    : "needs Go on PATH to build Knative's adapters";
}

/**
 * The adapters, built when this machine has none yet: once for all processes, 2 to 3 minutes on two idle cores. Progress
 * goes to stderr.
 *
 * @throws Error when the build fails, with the compiler's last lines
 */
export async function knativeAdapterPrograms(): Promise<KnativeAdapters> {
  const folder = await cached(entry(), build);
  return {
    apiServerSource: `${folder}/apiserver_receive_adapter`,
    pingSource: `${folder}/mtping`,
  };
}

function entry(): string {
  return `knative-${
    digest(...SOURCE_FILES.map((file) => Deno.readTextFileSync(`${SOURCE}/${file}`)))
  }`;
}

async function build(target: string): Promise<void> {
  say("Building Knative's adapters for the tests, once for this machine: 2 to 3 minutes");
  await Deno.mkdir(target);
  await goBuild({
    name: "Knative's adapters",
    cwd: SOURCE,
    // Several programs go into a folder.
    args: [
      "-mod=mod",
      "-ldflags=-s -w",
      "-o",
      `${target}/`,
      `${PACKAGE}/apiserver_receive_adapter`,
      `${PACKAGE}/mtping`,
    ],
  });
}
