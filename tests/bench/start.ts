/**
 * What starting costs: time to exit and resident memory at exit of bundles that only import something.
 *
 * `npm run bench -- start [RUNS]`; every candidate is bundled as `functions/` are and run in a process of its own.
 */
import { bundle } from "../../src/build/bundle.ts";
import { DENO_FLAGS } from "./measure.ts";

const CANDIDATES: Readonly<Record<string, string>> = {
  nothing: "",
  valibot: `import * as it from "valibot"; use(it.object({ a: it.string() }));`,
  "@noble/hashes": `import { sha256 } from "@noble/hashes/sha2.js"; use(sha256(new Uint8Array()));`,
  "ipaddr.js": `import it from "ipaddr.js"; use(it.parse("10.0.0.1"));`,
  logtape:
    `import { configure, getLogger } from "@logtape/logtape"; use(configure, getLogger("x"));`,
  commander: `import { Command } from "commander"; use(new Command());`,
  yaml: `import { parse } from "yaml"; use(parse("a: 1"));`,
  hono: `import { Hono } from "hono"; use(new Hono());`,
  "hono/node-server":
    `import { Hono } from "hono"; import { serve } from "@hono/node-server"; use(new Hono(), serve);`,
  "src/http (app, server)":
    `import { createApp } from "./src/http/app.ts"; import { serve } from "./src/http/server.ts"; use(createApp, serve);`,
  "src/controller/metrics (prom-client)":
    `import { createMetrics } from "./src/controller/metrics.ts"; use(createMetrics());`,
  "prom-client index": `import * as it from "prom-client"; use(it);`,
  "undici index": `import { Agent } from "undici"; use(new Agent());`,
  "undici modules": `import { Agent } from "./src/kube/undici.js"; use(new Agent());`,
  "src/kube client, no kubeconfig":
    `import { tick } from "./src/controller/tick.ts"; import { createClient } from "./src/kube/http.ts"; import { loadCluster } from "./src/kube/auth/load_cluster.ts"; use(tick, createClient, loadCluster);`,
  "src/kube client, kubeconfig loaded":
    `import { tick } from "./src/controller/tick.ts"; import { createClient } from "./src/kube/http.ts"; import { loadCluster } from "./src/kube/auth/load_cluster.ts"; use(tick, createClient, loadCluster, await import("./src/kube/auth/kubeconfig.ts"));`,
  "client-node index":
    `import { KubeConfig } from "@kubernetes/client-node"; use(new KubeConfig());`,
  "client-node KubeConfig":
    `import { KubeConfig } from "@kubernetes/client-node/dist/config.js"; use(new KubeConfig());`,
  "src/core/decide": `import { decide } from "./src/core/decide.ts"; use(decide);`,
  "src/controller/tick": `import { tick } from "./src/controller/tick.ts"; use(tick);`,
};

interface Sample {
  readonly milliseconds: number;
  readonly megabytes: number;
}

const runs = Number(Deno.args[0] ?? 9);
const root = new URL("../..", import.meta.url).pathname;
// Inside the checkout, so that packages are found.
await Deno.mkdir(`${root}.cache`, { recursive: true });
const directory = await Deno.makeTempDir({ dir: `${root}.cache`, prefix: "start-" });
try {
  print("bundle", "kB", "min ms", "median ms", "RSS MB");
  for (const [name, source] of Object.entries(CANDIDATES)) print(name, ...await measure(source));
} finally {
  await Deno.remove(directory, { recursive: true });
}

async function measure(source: string): Promise<string[]> {
  const entry = `${directory}/entry.ts`;
  await Deno.writeTextFile(entry, instrumented(source.replaceAll(`"./src/`, `"../../src/`)));
  const [built] = await bundle({ entries: [entry], outdir: `${directory}/out` });
  return [((built?.bytes ?? 0) / 1000).toFixed(0), ...await sample(`${directory}/out/entry.js`)];
}

/** `use` keeps imports from being shaken off; the last line tells the memory. */
function instrumented(source: string): string {
  return `${source}
function use(...things: unknown[]) { (globalThis as Record<string, unknown>).used = things; }
const status = Deno.readTextFileSync("/proc/self/status");
Deno.stdout.writeSync(new TextEncoder().encode(/VmRSS:\\s+(\\d+)/.exec(status)?.[1] ?? "0"));
Deno.exit(0);
use();
`;
}

async function sample(file: string): Promise<string[]> {
  const samples: Sample[] = [];
  // The first run fills Deno's code cache and the page cache.
  for (let run = -1; run < runs; run++) {
    const start = performance.now();
    const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...DENO_FLAGS, file],
    }).output();
    const milliseconds = performance.now() - start;
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    if (run >= 0) {
      samples.push({ milliseconds, megabytes: Number(new TextDecoder().decode(stdout)) / 1024 });
    }
  }
  return summary(samples);
}

function summary(samples: readonly Sample[]): string[] {
  const times = samples.map((each) => each.milliseconds).sort((a, b) => a - b);
  const memory = samples.map((each) => each.megabytes).sort((a, b) => a - b);
  const middle = Math.floor(samples.length / 2);
  return [times[0] ?? NaN, times[middle] ?? NaN, memory[middle] ?? NaN].map((each) =>
    each.toFixed(0)
  );
}

function print(...cells: readonly string[]): void {
  const line = cells.map((cell, index) => index === 0 ? cell.padEnd(34) : cell.padStart(10)).join(
    "",
  );
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
