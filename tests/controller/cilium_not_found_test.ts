/** Where not one pod of Cilium is found, nothing is decided, and the error says where it was looked for. */
import assert from "node:assert/strict";
import { CiliumNotFoundError } from "../../src/cluster/cilium_pods.ts";
import { observe } from "../../src/cluster/observe.ts";
import { runTicks } from "../../src/controller/run_ticks.ts";
import { Controller } from "../../src/controller/controller.ts";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { kindNamed } from "../../src/demo/memory_kinds.ts";
import type { CiliumPods } from "../../src/cluster/cilium_pods.ts";

const ELSEWHERE: readonly CiliumPods[] = [
  { namespace: "cilium", labelSelector: "k8s-app=cilium" },
  { namespace: "kube-system", labelSelector: "app=cilium" },
];

for (const cilium of ELSEWHERE) {
  const { namespace, labelSelector } = cilium;

  Deno.test(`nothing is decided for ${labelSelector} in ${namespace}, where no pod is`, async () => {
    await using cluster = await startDemoCluster({ onEvent: () => {} });
    const { client } = cluster;
    const refused = (error: unknown) =>
      error instanceof CiliumNotFoundError && error.message.includes(`'${namespace}'`) &&
      error.message.includes(`'${labelSelector}'`);
    await assert.rejects(observe(client, { cilium }), refused);
    // Also where only candidates are read.
    await assert.rejects(observe(client, { cilium, everyNodeUpTo: 0 }), refused);

    const errors: Error[] = [];
    const run = { onTick: () => {}, onError: (error: Error) => void errors.push(error) };
    assert.equal(
      await runTicks(client, { cilium, forMilliseconds: 0, everyMilliseconds: 1, ...run }),
      false,
    );
    assert.ok(errors.length === 1 && errors.every(refused));
    const gateway = cluster.store.get(kindNamed("EgressGateway"), {
      namespace: "",
      name: "payments",
    });
    assert.equal(gateway.object["status"], undefined);
  });
}

Deno.test("a resident controller holds still when Cilium's pods are gone", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const stop = new AbortController();
  const errors: Error[] = [];
  const cilium = { namespace: "kube-system", labelSelector: "k8s-app in (cilium, cilium-2)" };
  const controller = new Controller(cluster.client, {
    cilium,
    onError: (error) => void errors.push(error),
    signal: stop.signal,
  });
  const pods = () =>
    cluster.store.list(kindNamed("Pod")).filter(({ labels }) => labels["k8s-app"] === "cilium");
  try {
    const running = controller.run();
    const { plan } = await controller.ticker.trigger();
    assert.ok(plan.gateways.some(({ readyNodes }) => readyNodes > 0));
    const taken = pods();
    assert.ok(taken.length > 0);
    for (const { namespace, name } of taken) {
      cluster.store.remove(kindNamed("Pod"), { namespace, name });
    }
    const before = JSON.stringify(controller.last?.plan.gateways);
    await assert.rejects(controller.ticker.trigger(), CiliumNotFoundError);
    assert.equal(JSON.stringify(controller.last?.plan.gateways), before);
    stop.abort();
    await running;
  } finally {
    stop.abort();
  }
});
