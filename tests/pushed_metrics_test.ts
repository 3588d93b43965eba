import assert from "node:assert/strict";
import { createPushedMetrics } from "../src/http/pushed_metrics.ts";
import { plan } from "./support/http.ts";

async function withPushgateway(
  status: number,
  work: (url: string, seen: { method: string; path: string; body: string }[]) => Promise<void>,
): Promise<void> {
  const seen: { method: string; path: string; body: string }[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      seen.push({
        method: request.method,
        path: new URL(request.url).pathname,
        body: await request.text(),
      });
      return new Response(status === 200 ? null : "no such thing", { status });
    },
  );
  await work(`http://127.0.0.1:${server.addr.port}`, seen);
}

Deno.test("a job's metrics are pushed to the Pushgateway under the job's name", () =>
  withPushgateway(200, async (url, seen) => {
    const metrics = createPushedMetrics(url);
    metrics.recordTick({
      durationMilliseconds: 30,
      plan: plan(),
      snapshot: { invalid: [] },
      results: [],
    });
    await metrics.push();
    assert.deepEqual(seen.map(({ method, path }) => [method, path]), [[
      "POST",
      "/metrics/job/sallyport-tick",
    ]]);
    assert.match(seen[0]?.body ?? "", /^sallyport_ticks_total\{result="success"\} 1$/m);
  }));

Deno.test("a Pushgateway that refuses, or is not there, is named", async () => {
  await withPushgateway(400, async (url) => {
    await assert.rejects(
      createPushedMetrics(url).push(),
      /metrics\/job\/sallyport-tick: 400 no such thing/,
    );
  });
  await assert.rejects(
    createPushedMetrics("http://127.0.0.1:9").push(),
    /check SALLYPORT_PUSHGATEWAY/,
  );
});
