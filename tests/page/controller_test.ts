/** The page of a real controller: a node loses power, then the API server stops answering, as one who only watches sees it. */
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { once } from "node:events";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { createMetrics } from "../../src/controller/metrics.ts";
import { loadCluster } from "../../src/kube/auth/load_cluster.ts";
import { createClient } from "../../src/kube/http.ts";
import { startController } from "../../src/program/serve_controller.ts";
import { chromium, startChromium } from "../support/chromium.ts";
import { testWith } from "../support/needs.ts";
import { eventually } from "../support/raw_api.ts";
import { openTab } from "./browser.ts";

testWith(
  [chromium],
  "who only watches sees a failover, and red while the API server stands still",
  async () => {
    await using browser = await startChromium();
    await using demo = await startDemoCluster({ onEvent: () => {} });
    const cluster = await loadCluster({ kubeconfig: demo.kubeconfig, environment: {} });
    const { port, pathname } = new URL(cluster.server);
    await using line = await startLine(Number(port));
    const client = createClient({ ...cluster, server: `http://127.0.0.1:${line.port}${pathname}` });
    const stop = new AbortController();
    const { server, ended, controller } = await startController(client, {
      hostname: "127.0.0.1",
      port: 0,
      metrics: createMetrics(),
      signal: stop.signal,
    });
    try {
      await eventually("a tick has ended", () => controller.last !== undefined);
      await using tab = await openTab(browser, { url: `http://127.0.0.1:${server.port}/` });
      const { page } = tab;
      page.setDefaultTimeout(30_000);
      await page.locator("#gateway-payments.good").waitFor();
      const holder = await page.locator("#gateway-payments .holder").innerText();
      const node = demo.nodes.find(({ name }) => name === holder);
      assert.ok(node !== undefined, holder);
      node.fail();
      const move = page.locator(".move.unplanned", { hasText: `${holder} →` });
      await move.filter({ hasText: /Clients went without for \d/ }).first().waitFor();
      await page.locator("#gateway-payments .chip.active").waitFor();
      assert.notEqual(await page.locator("#gateway-payments .holder").innerText(), holder);

      line.freeze();
      await page.locator("#strip.bad", { hasText: "Ticks are late" }).waitFor();
      assert.match(await page.title(), /^Not well/);
      line.thaw();
      await page.locator("#strip:not(.bad)").waitFor();
      assert.deepEqual(tab.complaints, []);
    } finally {
      stop.abort();
      line.thaw();
      await ended;
      await client.close();
    }
  },
);

/** A line to a server on loopback that can be made to carry nothing, as to one that is stopped: connections stay, and say nothing. */
async function startLine(to: number) {
  const ends = new Set<Socket>();
  let frozen = false;
  const server = createServer((near) => {
    const far = connect(to, "127.0.0.1");
    for (const [end, other] of [[near, far], [far, near]] as const) {
      ends.add(end);
      end.on("data", (bytes: Uint8Array) => other.write(bytes));
      end.on("close", () => {
        ends.delete(end);
        other.destroy();
      });
      end.on("error", () => other.destroy());
      if (frozen) end.pause();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    freeze() {
      frozen = true;
      for (const end of ends) end.pause();
    },
    thaw() {
      frozen = false;
      for (const end of ends) end.resume();
    },
    async [Symbol.asyncDispose]() {
      for (const end of ends) end.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
