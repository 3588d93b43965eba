import assert from "node:assert/strict";
import type { KubeClient, KubeRequest } from "../../src/kube/client.ts";
import { observe } from "../../src/cluster/observe.ts";

/** A client of an empty cluster that notes when each listing begins and ends. */
function recordingClient(): { readonly client: KubeClient; readonly events: string[] } {
  const events: string[] = [];
  const request = async ({ path }: KubeRequest) => {
    events.push(`begin ${path}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
    events.push(`end ${path}`);
    const body = { metadata: { resourceVersion: "1" }, items: [] };
    return {
      status: 200,
      headers: {},
      body,
      serverTime: Date.parse("2026-11-23T10:00:00Z"),
      bytes: 0,
    };
  };
  const unused = () => Promise.reject(new Error("not used here"));
  const cluster = { name: "stub", server: "http://stub", credentials: unused };
  return { client: { cluster, request, stream: unused, close: () => Promise.resolve() }, events };
}

Deno.test("gateways and policies are listed only when everything that is made from them has been", async () => {
  const { client, events } = recordingClient();
  await observe(client);
  const causes = ["egressgateways", "egressgatewaypolicies"].map((kind) =>
    events.findIndex((event) => event.startsWith("begin") && event.endsWith(`v1alpha1/${kind}`))
  );
  const effects = events.flatMap((event, index) =>
    event.startsWith("end") && !event.includes("v1alpha1/egress") ? [index] : []
  );
  assert.equal(effects.length, 5, "nodes, two kinds of pods, Leases, Cilium's policies");
  assert.ok(Math.max(...effects) < Math.min(...causes));
});
