/**
 * The resident controller as `functions/server.ts` runs it, which also tells what it sent and received: a line of JSON for
 * each line that it is given.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { loadCluster } from "../../src/kube/auth/load_cluster.ts";
import type { KubeClient, KubeRequest } from "../../src/kube/client.ts";
import { createClient } from "../../src/kube/http.ts";
import { createMetrics } from "../../src/controller/metrics.ts";
import { startController } from "../../src/program/serve_controller.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import type { Counts } from "./scale_resident.ts";

const metrics = createMetrics();
const counts: { -readonly [key in keyof Counts]: Counts[key] } = {
  requests: 0,
  writes: 0,
  watches: 0,
  bytes: 0,
  leaseBytes: 0,
  ticks: 0,
  looks: 0,
};
const client = createClient(await loadCluster({}), {
  onRequest: metrics.recordRequest,
});
const counted: KubeClient = {
  ...client,
  async request(request) {
    const response = await client.request(request);
    counts.requests++;
    counts.bytes += response.bytes;
    if (request.method !== "GET") counts.writes++;
    return response;
  },
  async stream(request) {
    counts.watches++;
    return countedStream(await client.stream(request), request);
  },
};

async function* countedStream(
  chunks: AsyncIterable<Uint8Array>,
  { path }: KubeRequest,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    if (path === PATHS.Lease) counts.leaseBytes += chunk.length;
    else counts.bytes += chunk.length;
    yield chunk;
  }
}

const stop = new AbortController();
const { ended } = await startController(counted, {
  hostname: "127.0.0.1",
  port: Number(process.env["SALLYPORT_PORT"]),
  metrics,
  onTick: ({ results, plan }) => {
    if (plan.changes.length > 0 || results.length > 0) counts.ticks++;
    else counts.looks++;
  },
  onError: (error) => process.stderr.write(`${error.message}\n`),
  signal: stop.signal,
});
const lines = createInterface({ input: process.stdin });
lines.on("line", () => process.stdout.write(`${JSON.stringify(counts)}\n`));
lines.on("close", () => stop.abort());
await ended;
await client.close();
process.exit(0);
