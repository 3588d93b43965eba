/** The order in which a plan is written. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { apply } from "../../src/cluster/apply.ts";
import type { KubeClient, KubeRequest } from "../../src/kube/client.ts";
import { cluster, gateway, policy } from "../support/builders.ts";

Deno.test("labels of nodes are written when the policies are, since Cilium takes one event a second", async () => {
  const plan = decide(cluster({
    nodes: { a: {}, b: {} },
    gateways: [gateway("gw")],
    policies: [policy("web")],
  }));
  const log: string[] = [];
  const client: KubeClient = {
    cluster: { name: "none", server: "https://none", credentials: () => Promise.reject() },
    async request({ method, path }: KubeRequest) {
      const what = `${method} ${path.split("/").at(method === "POST" ? -1 : -2)}`;
      log.push(what);
      await new Promise((resolve) => setTimeout(resolve, 5));
      log.push(`${what} done`);
      return { status: 200, body: {}, serverTime: 0, headers: {}, bytes: 0 };
    },
    stream: () => Promise.reject(new Error("nothing is watched")),
    close: () => Promise.resolve(),
  };
  await apply(plan, client);
  const policies = log.indexOf("POST ciliumegressgatewaypolicies done");
  const labels = log.indexOf("PATCH nodes");
  assert.ok(policies >= 0 && labels > policies, log.join("\n"));
});

Deno.test("a plan for hundreds of gateways keeps few requests waiting for a connection", async () => {
  const names = Array.from({ length: 300 }, (_, index) => `g${index}`);
  const plan = decide(cluster({
    nodes: { a: {}, b: {} },
    gateways: names.map((name) => gateway(name)),
    policies: names.map((name) => policy(`to-${name}`, { gateway: name })),
  }));
  let [under, most, sent] = [0, 0, 0];
  const client: KubeClient = {
    cluster: { name: "none", server: "https://none", credentials: () => Promise.reject() },
    async request() {
      sent++;
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, 1));
      under--;
      return { status: 200, body: {}, serverTime: 0, headers: {}, bytes: 0 };
    },
    stream: () => Promise.reject(new Error("nothing is watched")),
    close: () => Promise.resolve(),
  };
  const results = await apply(plan, client);
  assert.ok(results.every(({ result }) => result === "written"));
  assert.deepEqual(results.map(({ change }) => change).length, plan.changes.length);
  assert.equal(sent, plan.changes.length + plan.events.length);
  assert.ok(most > 1 && most <= 16, `${most} requests at once`);
});
