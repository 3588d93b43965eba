/** A real Prometheus Pushgateway, built from its Go module by `tests/support/go/pushgateway`. */
import { fileURLToPath } from "node:url";
import { cached, cachePath, digest, exists } from "../../src/build/cache.ts";
import { goBuild, hasGo, say } from "../../src/build/go_build.ts";
import { spawnGuarded } from "./guarded_process.ts";
import { eventually } from "./raw_api.ts";
import { freePort } from "./free_port.ts";

const SOURCE = fileURLToPath(new URL("./go/pushgateway", import.meta.url));

export interface Pushgateway extends AsyncDisposable {
  /** As `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** What Prometheus would scrape there, text format. */
  metrics(): Promise<string>;
}

/** Why there can be none on this machine, or null. Builds nothing. */
export function pushgateway(): string | null {
  return hasGo() || exists(cachePath(entry())) ? null : "needs Go on PATH to build a Pushgateway";
}

/** Builds it when this machine has none yet, 10 s on two cores. */
export async function startPushgateway(): Promise<Pushgateway> {
  const program = await cached(entry(), build);
  const directory = await Deno.makeTempDir({ prefix: "sallyport-pushgateway-" });
  const address = `127.0.0.1:${freePort()}`;
  const url = `http://${address}`;
  const running = spawnGuarded({
    name: "Pushgateway",
    argv: [program, `--web.listen-address=${address}`],
    log: `${directory}/log`,
    scratch: directory,
  });
  const end = async () => {
    await running.stop({ graceMilliseconds: 1_000 });
    await Deno.remove(directory, { recursive: true });
  };
  try {
    await eventually(
      "the Pushgateway is ready",
      () =>
        fetch(`${url}/-/ready`).then(async (response) => {
          await response.body?.cancel();
          return response.ok;
        }, () => false),
    );
  } catch (error) {
    await end();
    throw error;
  }
  return {
    url,
    metrics: async () => await (await fetch(`${url}/metrics`)).text(),
    [Symbol.asyncDispose]: end,
  };
}

function entry(): string {
  const texts = ["go.mod", "go.sum"].map((file) => Deno.readTextFileSync(`${SOURCE}/${file}`));
  return `pushgateway-${digest(...texts)}`;
}

async function build(output: string): Promise<void> {
  say("Building a Pushgateway for the tests, once for this machine: about 10 s");
  await goBuild({
    name: "the Pushgateway",
    cwd: SOURCE,
    args: ["-ldflags=-s -w", "-o", output, "github.com/prometheus/pushgateway"],
  });
}
