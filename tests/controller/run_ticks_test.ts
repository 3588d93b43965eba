/** Ticks until nothing is left to do, on the demo's API in memory. */
import assert from "node:assert/strict";
import { NAMESPACE } from "../../src/core/names.ts";
import type { GatewayStatus } from "../../src/core/types.ts";
import { createMemoryApi } from "../../src/demo/memory_api.ts";
import { MemoryStore } from "../../src/demo/memory_store.ts";
import { serve } from "../../src/http/server.ts";
import { createClient } from "../../src/kube/http.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { ApiError } from "../../src/kube/errors.ts";
import { PATHS, podsIn } from "../../src/cluster/resources.ts";
import { settle } from "../../src/controller/run_ticks.ts";
import type { TickResult } from "../../src/controller/tick.ts";
import { standInAgents } from "../support/stand_in_agents.ts";

const NODES = ["a", "b", "c"];

interface World {
  readonly client: KubeClient;
  /** Runs `settle` and keeps what it says. */
  run(client?: KubeClient): Promise<{
    readonly settled: boolean;
    readonly ticks: readonly TickResult[];
    readonly errors: readonly Error[];
  }>;
}

/** A test with three nodes that run Cilium and our agents, and a gateway with a virtual IP. */
function test(name: string, body: (world: World) => Promise<void>): void {
  Deno.test(name, async () => {
    const stop = new AbortController();
    const { port, closed } = await serve({
      app: createMemoryApi({ store: new MemoryStore(), secret: "secret", signal: stop.signal }),
      hostname: "127.0.0.1",
      port: 0,
      signal: stop.signal,
      graceMilliseconds: 100,
    });
    const client = createClient({
      name: "test",
      server: `http://127.0.0.1:${port}/secret`,
      credentials: () => Promise.resolve({ headers: {}, tls: {} }),
    });
    try {
      for (const node of NODES) await addNode(client, node);
      await create(client, PATHS.EgressGateway, "EgressGateway", {
        metadata: { name: "web" },
        spec: {
          nodeSelector: {},
          sourceIP: { mode: "VirtualIPAddress", virtualIPAddress: { ip: "192.0.2.9" } },
        },
      });
      await using agents = standInAgents(client, NODES);
      await agents.renewed;
      await body({
        client,
        async run(as = client) {
          const ticks: TickResult[] = [];
          const errors: Error[] = [];
          const settled = await settle(as, {
            onTick: (result) => ticks.push(result),
            onError: (error) => errors.push(error),
          });
          return { settled, ticks, errors };
        },
      });
    } finally {
      await client.close();
      stop.abort();
      await closed;
    }
  });
}

test("settling goes on until a virtual IP has moved", async ({ client, run }) => {
  const { settled, ticks } = await run();
  assert.equal(settled, true);
  assert.ok(ticks.length > 1, "the new holder's agent is waited for");
  assert.equal((await statusOf(client)).phase, "Active");
  assert.equal((await run()).ticks.length, 1, "and then one tick is enough");
});

test("an object that cannot be read does not keep a move from its end", async ({ client, run }) => {
  await create(client, PATHS.EgressGateway, "EgressGateway", {
    metadata: { name: "broken" },
    spec: "nonsense",
  });
  const { settled, ticks } = await run();
  assert.ok(ticks.every(({ problems }) => problems.length > 0));
  assert.equal(settled, true);
  assert.equal((await statusOf(client)).phase, "Active");
});

test("a write that fails ends it after that tick", async ({ client, run }) => {
  const { settled, ticks } = await run({
    ...client,
    request: (request) =>
      request.method === "PATCH" && request.path.endsWith("/status")
        ? Promise.reject(new ApiError({ method: "PATCH", path: request.path, status: 403 }, "no"))
        : client.request(request),
  });
  assert.deepEqual([settled, ticks.length], [false, 1]);
});

test("a tick that fails ends it", async ({ client, run }) => {
  const error = new ApiError({ method: "GET", path: PATHS.Node, status: 403 }, "no");
  const { settled, ticks, errors } = await run({
    ...client,
    request: (request) =>
      request.path === PATHS.Node ? Promise.reject(error) : client.request(request),
  });
  assert.deepEqual([settled, ticks.length], [false, 0]);
  assert.deepEqual(errors, [error]);
});

test("a move that was written is told by an Event also when the program was told to stop meanwhile", async ({ client }) => {
  const stop = new AbortController();
  await settle({
    ...client,
    request: (request) => {
      if (request.path === PATHS.Event) stop.abort();
      return client.request(request);
    },
  }, { onTick: () => {}, onError: () => {}, signal: stop.signal });
  assert.ok(stop.signal.aborted);
  const { body } = await client.request({ method: "GET", path: PATHS.Event });
  assert.equal((body as { readonly items: readonly unknown[] }).items.length, 1);
});

async function addNode(client: KubeClient, name: string): Promise<void> {
  const conditions = [{
    type: "Ready",
    status: "True",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  }];
  await create(client, PATHS.Node, "Node", {
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    status: { conditions },
  });
  const pods = [["kube-system", "k8s-app", "cilium"], [
    NAMESPACE,
    "app.kubernetes.io/name",
    "sallyport-agent",
  ]] as const;
  for (const [namespace, label, value] of pods) {
    await create(client, podsIn(namespace), "Pod", {
      metadata: { name: `${value}-${name}`, namespace, labels: { [label]: value } },
      spec: { nodeName: name },
      status: { conditions },
    });
  }
}

/** Creates an object; its status goes to the subresource, as on any API server. */
async function create(
  client: KubeClient,
  path: string,
  kind: string,
  { status, ...object }: {
    readonly metadata: { readonly name: string; readonly [field: string]: unknown };
    readonly spec?: unknown;
    readonly status?: object;
  },
): Promise<void> {
  const apiVersion = kind === "EgressGateway" ? "network.deckhouse.io/v1alpha1" : "v1";
  await client.request({ method: "POST", path, body: { apiVersion, kind, ...object } });
  if (status === undefined) return;
  await client.request({
    method: "PATCH",
    path: `${path}/${object.metadata.name}/status`,
    contentType: "application/merge-patch+json",
    body: { status },
  });
}

async function statusOf(client: KubeClient): Promise<GatewayStatus> {
  const { body } = await client.request({ method: "GET", path: `${PATHS.EgressGateway}/web` });
  return (body as { readonly status?: GatewayStatus }).status ?? {};
}
