/** What a run of `functions/tick.ts` leaves at a Pushgateway, however it ends. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type DemoCluster, startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { createPushedMetrics } from "../../src/controller/pushed_metrics.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { testWith } from "../support/needs.ts";
import { type Pushgateway, pushgateway, startPushgateway } from "../support/pushgateway.ts";
import { eventually } from "../support/raw_api.ts";

const TICK = fileURLToPath(new URL("../../functions/tick.ts", import.meta.url));

interface World {
  readonly cluster: DemoCluster;
  readonly gateway: Pushgateway;
  /** Starts the CronJob's program. */
  run(options?: {
    readonly args?: readonly string[];
    readonly kubeconfig?: string;
  }): Deno.ChildProcess;
}

function test(name: string, body: (world: World) => Promise<void>): void {
  testWith([pushgateway], name, async () => {
    await using gateway = await startPushgateway();
    await using cluster = await startDemoCluster({ onEvent: () => {} });
    await body({
      cluster,
      gateway,
      run: ({ args = [], kubeconfig = cluster.kubeconfig } = {}) =>
        new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--no-check", TICK, ...args],
          env: { SALLYPORT_KUBECONFIG: kubeconfig, SALLYPORT_PUSHGATEWAY: gateway.url },
          stdout: "null",
          stderr: "null",
        }).spawn(),
    });
  });
}

const ticks = (result: string, count: string) =>
  new RegExp(
    `^sallyport_ticks_total\\{instance="",job="sallyport-tick",result="${result}"\\} ${count}$`,
    "m",
  );

test("a run that succeeds exits with 0 and leaves its metrics", async ({ gateway, run }) => {
  assert.equal((await run().status).code, 0);
  assert.match(await gateway.metrics(), ticks("success", "\\d+"));
});

test("a run whose tick fails exits with 1 and leaves that in its metrics", async ({ cluster, gateway, run }) => {
  const kubeconfig = await Deno.makeTempFile();
  const text = await Deno.readTextFile(cluster.kubeconfig);
  // Nobody listens there.
  await Deno.writeTextFile(kubeconfig, text.replace(/(127\.0\.0\.1):\d+/, "$1:9"));
  assert.equal((await run({ kubeconfig }).status).code, 1);
  assert.match(await gateway.metrics(), ticks("error", "1"));
  await Deno.remove(kubeconfig);
});

test("a run that the next one replaces leaves metrics of what it did", async ({ cluster, gateway, run }) => {
  const running = run({ args: ["--for", "55s", "--every", "5s"] });
  await eventually("it has written a status", async () => {
    const { body } = await cluster.client.request({
      method: "GET",
      path: `${PATHS.EgressGateway}/reports`,
    });
    return (body as { readonly status?: { readonly term?: number } }).status?.term === 1;
  });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  running.kill("SIGTERM");
  assert.equal((await running.status).code, 0);
  assert.match(await gateway.metrics(), ticks("success", "\\d+"));
});

Deno.test("a Pushgateway that refuses, or is not there, is named", async () => {
  const server = createServer((_, response) => response.writeHead(400).end("no such thing"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await assert.rejects(
    createPushedMetrics(`http://127.0.0.1:${port}`).push(),
    /metrics\/job\/sallyport-tick: 400 no such thing/,
  );
  server.closeAllConnections();
  server.close();
  await assert.rejects(
    createPushedMetrics("http://127.0.0.1:9").push(),
    /check SALLYPORT_PUSHGATEWAY/,
  );
});
