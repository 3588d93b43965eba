/** The demo's API in memory, through the controller's own client and over real HTTP. */
import assert from "node:assert/strict";
import { createMemoryApi } from "../../src/demo/memory_api.ts";
import { kindNamed } from "../../src/demo/memory_kinds.ts";
import { MemoryStore } from "../../src/demo/memory_store.ts";
import { serve } from "../../src/http/server.ts";
import { ApiError } from "../../src/kube/errors.ts";
import { createClient } from "../../src/kube/http.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { list } from "../../src/kube/list.ts";
import { apply, mergePatch } from "../../src/kube/patch.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { watch } from "../../src/kube/watch.ts";
import type { WatchEvent } from "../../src/kube/watch.ts";

// deno-lint-ignore no-explicit-any -- answers of an API, looked at member by member
type Any = any;

const PODS = "/api/v1/namespaces/default/pods";

/** A test with a running API. */
function test(name: string, body: (api: Api) => Promise<void>): void {
  Deno.test(name, async () => {
    const stop = new AbortController();
    const clock = { now: Date.UTC(2026, 10, 23, 10) };
    const store = new MemoryStore({ now: () => new Date(clock.now) });
    const { port, closed } = await serve({
      app: createMemoryApi({ store, secret: "secret", signal: stop.signal }),
      hostname: "127.0.0.1",
      port: 0,
      signal: stop.signal,
      graceMilliseconds: 100,
    });
    const origin = `http://127.0.0.1:${port}`;
    const client = createClient({
      name: "test",
      server: `${origin}/secret`,
      credentials: () => Promise.resolve({ headers: {}, tls: {} }),
    });
    try {
      await body({ client, origin, store, clock });
    } finally {
      await client.close();
      stop.abort();
      await closed;
    }
  });
}

interface Api {
  readonly client: KubeClient;
  readonly origin: string;
  readonly store: MemoryStore;
  readonly clock: { now: number };
}

async function create(client: KubeClient, path: string, body: unknown): Promise<Any> {
  return (await client.request({ method: "POST", path, body })).body;
}

async function get(client: KubeClient, path: string): Promise<Any> {
  return (await client.request({ method: "GET", path })).body;
}

function gateway(name: string, rest: object = {}): object {
  return { metadata: { name }, spec: { nodeSelector: {} }, ...rest };
}

function refused(status: number, reason: string) {
  return (error: unknown) => {
    assert.ok(error instanceof ApiError, String(error));
    assert.deepEqual([error.status, error.reason], [status, reason]);
    return true;
  };
}

test("the server gives a created object its uid, version, time and kind", async ({ client }) => {
  const made = await create(client, PATHS.EgressGateway, gateway("a"));
  assert.deepEqual([made.apiVersion, made.kind], [
    "network.deckhouse.io/v1alpha1",
    "EgressGateway",
  ]);
  const { uid, resourceVersion, creationTimestamp, generation } = made.metadata;
  assert.match(uid, /^[0-9a-f-]{36}$/);
  assert.match(resourceVersion, /^\d+$/);
  assert.deepEqual([creationTimestamp, generation], ["2026-11-23T10:00:00Z", 1]);
  assert.deepEqual(await get(client, `${PATHS.EgressGateway}/a`), made);
});

test("a name is given once", async ({ client }) => {
  await create(client, PATHS.EgressGateway, gateway("a"));
  await assert.rejects(
    create(client, PATHS.EgressGateway, gateway("a")),
    refused(409, "AlreadyExists"),
  );
  const body = { metadata: { generateName: "move." } };
  const events = [
    await create(client, PATHS.Event, body),
    await create(client, PATHS.Event, body),
  ];
  assert.match(events[0].metadata.name, /^move\.[a-z0-9]{5}$/);
  assert.notEqual(events[0].metadata.name, events[1].metadata.name);
  await assert.rejects(create(client, PATHS.Event, {}), refused(422, "Invalid"));
});

test("what is not there is not found", async ({ client }) => {
  await assert.rejects(get(client, `${PATHS.EgressGateway}/a`), refused(404, "NotFound"));
  await assert.rejects(get(client, "/apis/apps/v1/deployments"), refused(404, "NotFound"));
});

test("only who knows the secret path is answered", async ({ client, origin }) => {
  await list(client, PATHS.Node);
  for (const path of ["/api/v1/nodes", "/wrong/api/v1/nodes"]) {
    const response = await fetch(`${origin}${path}`);
    assert.equal(response.status, 404);
    await response.text();
  }
});

test("a list has a version, the server's time, and only what the selector matches", async ({ client }) => {
  for (const [name, labels] of [["a", { app: "x" }], ["b", { app: "y" }], ["c", {}]] as const) {
    await create(client, PODS, { metadata: { name, labels } });
  }
  await create(client, "/api/v1/namespaces/other/pods", { metadata: { name: "d" } });
  const before = Math.floor(Date.now() / 1_000) * 1_000;
  const listing = await list(client, PODS, { labelSelector: "app=x" });
  assert.deepEqual(listing.items.map((item: Any) => item.metadata.name), ["a"]);
  assert.match(listing.resourceVersion, /^\d+$/);
  assert.ok(listing.serverTime >= before, "Date header");
  const names = async (path: string, labelSelector?: string) =>
    (await list(client, path, { labelSelector })).items.map((item: Any) => item.metadata.name);
  assert.deepEqual(await names(PODS, "app"), ["a", "b"]);
  assert.deepEqual(await names(PODS, "!app"), ["c"]);
  assert.deepEqual(await names(PODS, "app!=x"), ["b", "c"]);
  assert.deepEqual(await names("/api/v1/pods"), ["a", "b", "c", "d"]);
});

test("a merge patch of an old version is a conflict, one without a version is not", async ({ client }) => {
  const { metadata: { resourceVersion } } = await create(client, PATHS.EgressGateway, gateway("a"));
  const path = `${PATHS.EgressGateway}/a`;
  const patch = (body: object) => mergePatch(client, path, { body, fieldManager: "test" });
  await patch({ metadata: { resourceVersion, annotations: { one: "1" } } });
  await assert.rejects(
    patch({ metadata: { resourceVersion, annotations: { two: "2" } } }),
    refused(409, "Conflict"),
  );
  await patch({ metadata: { annotations: { two: "2", one: null } } });
  assert.deepEqual((await get(client, path)).metadata.annotations, { two: "2" });
});

test("a patch that changes nothing keeps the version, a changed spec is a new generation", async ({ client }) => {
  await create(client, PATHS.EgressGateway, gateway("a"));
  const path = `${PATHS.EgressGateway}/a`;
  const patch = async (body: object): Promise<Any> =>
    (await mergePatch(client, path, { body, fieldManager: "test" })).body;
  const first = await patch({ metadata: { annotations: { x: "1" } } });
  assert.deepEqual(await patch({ metadata: { annotations: { x: "1" } } }), first);
  assert.equal(first.metadata.generation, 1);
  const changed = await patch({ spec: { strategy: "Hash" } });
  assert.equal(changed.metadata.generation, 2);
});

test("status is written by its own path, and nothing else is", async ({ client }) => {
  const made = await create(
    client,
    PATHS.EgressGateway,
    gateway("a", { status: { term: 9 } }),
  );
  assert.equal(made.status, undefined);
  const path = `${PATHS.EgressGateway}/a`;
  const body = { status: { term: 1 }, spec: { strategy: "Hash" } };
  await mergePatch(client, path, { body: { status: { term: 5 } }, fieldManager: "test" });
  assert.equal((await get(client, path)).status, undefined);
  await mergePatch(client, `${path}/status`, { body, fieldManager: "test" });
  const { spec, status, metadata } = await get(client, path);
  assert.deepEqual([spec, status, metadata.generation], [{ nodeSelector: {} }, { term: 1 }, 1]);
});

test("each manager of a Lease has the time of its own last write", async ({ client, clock }) => {
  const path = `${PATHS.Lease}/a`;
  const renew = (count: number) =>
    apply(client, path, { body: { spec: { count } }, fieldManager: "agent" });
  assert.equal((await renew(1)).status, 201);
  clock.now += 5_000;
  await mergePatch(client, path, {
    body: { metadata: { annotations: { fence: "1" } } },
    fieldManager: "controller",
  });
  clock.now += 5_000;
  await mergePatch(client, path, {
    body: { metadata: { labels: { seen: "" } } },
    fieldManager: "kubectl",
  });
  assert.equal((await renew(2)).status, 200);
  const { metadata, spec } = await get(client, path);
  assert.deepEqual([metadata.annotations, spec], [{ fence: "1" }, { count: 2 }]);
  assert.deepEqual(
    metadata.managedFields.map(({ manager, operation, time }: Any) => [manager, operation, time]),
    [
      ["controller", "Update", "2026-11-23T10:00:05Z"],
      ["kubectl", "Update", "2026-11-23T10:00:10Z"],
      ["agent", "Apply", "2026-11-23T10:00:10Z"],
    ],
  );
});

test("a deletion minds its preconditions and takes along what the object owns", async ({ client }) => {
  const { metadata: { uid } } = await create(client, PATHS.EgressGatewayPolicy, {
    metadata: { name: "a" },
  });
  await create(client, PATHS.CiliumEgressGatewayPolicy, {
    metadata: { name: "a", ownerReferences: [{ uid, name: "a" }] },
  });
  await create(client, PATHS.CiliumEgressGatewayPolicy, { metadata: { name: "b" } });
  const remove = (preconditions: object) =>
    client.request({
      method: "DELETE",
      path: `${PATHS.EgressGatewayPolicy}/a`,
      body: { preconditions },
    });
  await assert.rejects(remove({ uid: "another" }), refused(409, "Conflict"));
  await assert.rejects(remove({ resourceVersion: "0" }), refused(409, "Conflict"));
  await remove({ uid });
  const { items } = await list(client, PATHS.CiliumEgressGatewayPolicy);
  assert.deepEqual(items.map((item: Any) => item.metadata.name), ["b"]);
});

test("a watch tells what came after the list, and what its selector loses", async ({ client, store }) => {
  await create(client, PODS, { metadata: { name: "a", labels: { app: "x" } } });
  const { resourceVersion } = await list(client, PODS);
  await create(client, PODS, { metadata: { name: "early", labels: { app: "x" } } });
  const seen: string[] = [];
  const stop = new AbortController();
  const complete = (async () => {
    const events = watch(client, PODS, {
      resourceVersion,
      labelSelector: "app=x",
      signal: stop.signal,
    });
    for await (const { type, object } of events) {
      seen.push(`${type} ${(object as Any).metadata.name}`);
      if (seen.length === 4) return;
    }
  })();
  await create(client, PODS, { metadata: { name: "other", labels: { app: "y" } } });
  const patch = (body: object) => mergePatch(client, `${PODS}/a`, { body, fieldManager: "test" });
  await patch({ metadata: { annotations: { changed: "" } } });
  await patch({ metadata: { labels: { app: "z" } } });
  await client.request({ method: "DELETE", path: `${PODS}/early` });
  await complete;
  assert.deepEqual(seen, ["ADDED early", "MODIFIED a", "DELETED a", "DELETED early"]);
  assert.ok(store.version > Number(resourceVersion));
});

test("a watch of what the history has lost is told to list again", async ({ client, store }) => {
  for (let count = 0; count < 5_001; count++) {
    store.create(kindNamed("Event"), { namespace: "default", name: `e${count}` }, {
      object: {},
      manager: "test",
      operation: "Update",
    });
  }
  const events = watch(client, PATHS.Event, { resourceVersion: "1" });
  await assert.rejects(events.next(), refused(410, "Expired"));
});

test("a watch ends when its time is over, and at once when its client goes", async ({ client }) => {
  const first: WatchEvent[] = [];
  for await (
    const event of watch(client, PATHS.Node, { resourceVersion: "1", timeoutSeconds: 0 })
  ) first.push(event);
  assert.deepEqual(first, []);
  const stop = new AbortController();
  const endless = watch(client, PATHS.Node, { resourceVersion: "1", signal: stop.signal }).next();
  setTimeout(() => stop.abort(new Error("enough")), 50);
  await assert.rejects(endless, /enough/);
});

test("discovery names every kind, for kubectl", async ({ client }) => {
  const groups = (await get(client, "/apis")).groups.map(({ name }: Any) => name);
  assert.deepEqual(groups, [
    "apiextensions.k8s.io",
    "coordination.k8s.io",
    "network.deckhouse.io",
    "cilium.io",
  ]);
  const { resources } = await get(client, "/apis/network.deckhouse.io/v1alpha1");
  assert.deepEqual(
    resources.map(({ name, shortNames }: Any) => [name, shortNames]),
    [["egressgateways", ["egw"]], ["egressgatewaypolicies", ["egwp"]]],
  );
});
