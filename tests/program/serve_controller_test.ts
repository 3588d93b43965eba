/** The server told to tick on triggers alone, over real HTTP, on the demo's cluster with its simulated agents. */
import assert from "node:assert/strict";
import type { GatewayStatus } from "../../src/core/types.ts";
import { type DemoCluster, startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { startController } from "../../src/program/serve_controller.ts";
import { createMetrics } from "../../src/controller/metrics.ts";
import type { TickSummary } from "../../src/controller/tick_summary.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { eventually } from "../support/raw_api.ts";

interface World {
  readonly cluster: DemoCluster;
  /** Makes every request to the API server fail, or ends that. */
  disturb(broken: boolean): void;
  readonly post: () => Promise<Response>;
  /** Status of `/readyz`. */
  readonly readyz: () => Promise<number>;
  /** Of the gateway with the virtual IP. */
  readonly status: () => Promise<GatewayStatus>;
}

function test(name: string, body: (world: World) => Promise<void>): void {
  Deno.test(name, async () => {
    await using cluster = await startDemoCluster({ onEvent: () => {} });
    const { client } = cluster;
    const stop = new AbortController();
    let broken = false;
    const { server, ended } = await startController({
      ...client,
      request: (request) =>
        broken ? Promise.reject(new Error("Cannot reach it")) : client.request(request),
    }, {
      hostname: "127.0.0.1",
      port: 0,
      everyMilliseconds: Infinity,
      metrics: createMetrics(),
      signal: stop.signal,
    });
    const origin = `http://127.0.0.1:${server.port}`;
    const status = async () => {
      const path = `${PATHS.EgressGateway}/payments`;
      const { body } = await client.request({ method: "GET", path });
      return (body as { readonly status?: GatewayStatus }).status ?? {};
    };
    try {
      const post = () => fetch(`${origin}/tick`, { method: "POST" });
      await eventually("agents are there, and one of them holds the gateway", async () => {
        // Settled: no tick that carries this on is to come.
        const { settled }: TickSummary = await (await post()).json();
        const { readyNodes, phase } = await status();
        return settled && readyNodes === cluster.nodes.length - 1 && phase === "Active";
      });
      await body({
        cluster,
        disturb: (value) => broken = value,
        post,
        readyz: async () => {
          const response = await fetch(`${origin}/readyz`);
          await response.body?.cancel();
          return response.status;
        },
        status,
      });
    } finally {
      stop.abort();
      await ended;
    }
  });
}

test("a trigger moves a cordoned holder's gateway, for good", async ({ cluster, post, status }) => {
  const patch = (path: string, body: object) =>
    cluster.client.request({
      method: "PATCH",
      path,
      contentType: "application/merge-patch+json",
      body,
    });
  const { activeNodeName: holder = "" } = await status();
  await patch(`${PATHS.Node}/${holder}`, { spec: { unschedulable: true } });
  const response = await post();
  assert.equal(response.status, 200);
  const { gateways }: TickSummary = await response.json();
  const payments = gateways.find(({ name }) => name === "payments");
  assert.deepEqual([payments?.decision, payments?.previousNodeName], ["Move", holder]);
  await eventually("the move is carried to its end", async () => {
    const { activeNodeName, phase } = await status();
    return activeNodeName !== holder && activeNodeName === payments?.activeNodeName &&
      phase === "Active";
  });
});

test("on triggers alone the server stays ready however long none comes", async ({ readyz }) => {
  const { now } = Date;
  try {
    Date.now = () => now() + 24 * 3_600_000;
    assert.equal(await readyz(), 200);
  } finally {
    Date.now = now;
  }
});

test("on triggers alone the server gets over a tick that failed by itself", async ({ disturb, post, readyz }) => {
  disturb(true);
  const response = await post();
  assert.equal(response.status, 500);
  await response.body?.cancel();
  assert.equal(await readyz(), 503);
  disturb(false);
  await eventually("it is ready again", async () => await readyz() === 200);
});
