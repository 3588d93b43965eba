import assert from "node:assert/strict";
import { ApiError, TransportError } from "../../src/kube/errors.ts";
import { type ClientOptions, createClient, type Traffic } from "../../src/kube/http.ts";
import { apply, mergePatch } from "../../src/kube/patch.ts";
import { type Reply, SERVER_TIME, status, stub } from "../support/stub_server.ts";

const get = { method: "GET", path: "/api/v1/nodes" } as const;
const create = { method: "POST", path: "/api/v1/namespaces/a/events", body: {} } as const;

/** A client of a stub, and how long it waited between attempts. */
async function connect(
  replies: Parameters<typeof stub>[0],
  options: ClientOptions = {},
) {
  const server = await stub(replies);
  const waits: number[] = [];
  const client = createClient(server.cluster, {
    random: () => 1,
    sleep: (milliseconds) => Promise.resolve(void waits.push(milliseconds)),
    ...options,
  });
  const end = async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  };
  return { server, client, waits, [Symbol.asyncDispose]: end };
}

async function failure<T extends Error>(
  work: Promise<unknown>,
  type: new (...parameters: never[]) => T,
): Promise<T> {
  const error = await work.then(() => assert.fail("did not throw"), (error) => error);
  assert.ok(error instanceof type, String(error));
  return error;
}

Deno.test("an answer has its JSON, the server's clock and its length", async () => {
  await using it = await connect([{ body: { kind: "Namespace" } }]);
  const answer = await it.client.request({
    ...get,
    query: { limit: 5, labelSelector: "a=b,c", none: undefined },
  });
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, { kind: "Namespace" });
  assert.equal(answer.serverTime, SERVER_TIME);
  assert.equal(answer.bytes, 20);
  assert.equal(it.server.seen[0]?.url.search, "?limit=5&labelSelector=a%3Db%2Cc");
});

Deno.test("an answer without a body has no body", async () => {
  await using it = await connect([{ status: 204 }]);
  assert.equal((await it.client.request(get)).body, undefined);
});

Deno.test("a server URL may have a path", async () => {
  await using server = await stub([{ body: {} }]);
  const client = createClient({ ...server.cluster, server: `${server.url}/k8s/clusters/one` });
  await client.request(get);
  await client.close();
  assert.equal(server.seen[0]?.url.pathname, "/k8s/clusters/one/api/v1/nodes");
});

Deno.test("requests one after the other share a connection", async () => {
  await using it = await connect([{ body: {} }]);
  for (let n = 0; n < 10; n++) await it.client.request(get);
  assert.equal(it.server.sockets(), 1);
});

Deno.test("requests at once use no more connections than allowed", async () => {
  await using it = await connect([{ chunks: ["{}"], millisecondsBetweenChunks: 20 }], {
    connections: 3,
  });
  await Promise.all(Array.from({ length: 12 }, () => it.client.request(get)));
  assert.equal(it.server.seen.length, 12);
  assert.equal(it.server.sockets(), 3);
});

Deno.test("429 is retried after the time that the server asks for", async () => {
  const overloaded = { ...status(429, "TooManyRequests"), headers: { "retry-after": "2" } };
  await using it = await connect([overloaded, { body: {} }]);
  await it.client.request(get);
  assert.deepEqual(it.waits, [2_100]);
});

Deno.test("429 whose wait is longer than the time left is given up at once", async () => {
  const overloaded = { ...status(429, "TooManyRequests"), headers: { "retry-after": "60" } };
  await using it = await connect([overloaded]);
  const error = await failure(it.client.request(get), ApiError);
  assert.equal(error.retryAfterMilliseconds, 60_000);
  assert.equal(it.server.seen.length, 1);
});

Deno.test("503 is retried with growing waits, five times in all", async () => {
  await using it = await connect([status(503, "ServiceUnavailable", "etcd is away")]);
  const error = await failure(it.client.request(get), ApiError);
  assert.deepEqual(it.waits, [100, 200, 400, 800]);
  assert.equal(it.server.seen.length, 5);
  assert.equal(
    error.message,
    "Cannot GET /api/v1/nodes after 5 attempts: 503 ServiceUnavailable: etcd is away: see the API server's log",
  );
});

Deno.test("a broken connection is retried", async () => {
  await using it = await connect([{ chunks: ['{"half'], fault: "reset" }, {
    body: { whole: true },
  }]);
  assert.deepEqual((await it.client.request(get)).body, { whole: true });
});

Deno.test("a stalled attempt gets half of the time, and its connection is not used again", async () => {
  await using it = await connect([{ fault: "hang" }, { body: { late: true } }]);
  const answer = await it.client.request({ ...get, timeoutMilliseconds: 400 });
  assert.deepEqual(answer.body, { late: true });
  assert.equal(it.server.sockets(), 2);
});

Deno.test("creating is not retried unless told", async () => {
  await using it = await connect([status(503, "ServiceUnavailable"), { status: 201, body: {} }]);
  await failure(it.client.request(create), ApiError);
  assert.equal(it.server.seen.length, 1);
  await using other = await connect([status(503, "ServiceUnavailable"), { status: 201, body: {} }]);
  assert.equal((await other.client.request({ ...create, idempotent: true })).status, 201);
});

Deno.test("409 is not retried: the next tick decides anew", async () => {
  await using it = await connect([status(409, "Conflict", "the object has been modified")]);
  const patch = mergePatch(it.client, "/apis/x/v1/gateways/g/status", {
    body: { metadata: { resourceVersion: "1" } },
    fieldManager: "controller",
  });
  const error = await failure(patch, ApiError);
  assert.equal(error.status, 409);
  assert.equal(error.reason, "Conflict");
  assert.equal(
    error.message,
    "Cannot PATCH /apis/x/v1/gateways/g/status: 409 Conflict: the object has been modified: read the object again and decide anew",
  );
  assert.equal(it.server.seen.length, 1);
});

Deno.test("an error that is no Status object is quoted", async () => {
  await using it = await connect([{ status: 403, body: "<html>\n  <b>no</b></html>" }]);
  const error = await failure(it.client.request(get), ApiError);
  assert.match(
    error.message,
    /^Cannot GET \/api\/v1\/nodes: 403: <html> <b>no<\/b><\/html>: grant/,
  );
  assert.equal(error.reason, "");
});

Deno.test("no answer in time is a timeout", async (test) => {
  const faults: Readonly<Record<string, Reply>> = {
    "without a head": { fault: "hang" },
    "without the end of the body": { chunks: ['{"a":'], fault: "stall" },
  };
  for (const [name, reply] of Object.entries(faults)) {
    await test.step(name, async () => {
      await using it = await connect([reply]);
      const started = performance.now();
      const error = await failure(
        it.client.request({ ...get, timeoutMilliseconds: 300 }),
        TransportError,
      );
      assert.equal(error.kind, "timeout");
      assert.ok(performance.now() - started < 900);
      assert.match(
        error.message,
        /^Cannot GET \/api\/v1\/nodes at http:\/\/127\.0\.0\.1:\d+.*: no answer within \d+ ms: check/,
      );
      assert.equal((error.cause as Error).name, "DeadlineExceeded");
    });
  }
});

Deno.test("nobody listening is a network error with its cause", async () => {
  const server = await stub([]);
  await server[Symbol.asyncDispose]();
  const client = createClient(server.cluster, { sleep: () => Promise.resolve() });
  const error = await failure(client.request(get), TransportError);
  await client.close();
  assert.equal(error.kind, "network");
  assert.match(error.message, /after 5 attempts: .*ECONNREFUSED.*: check that the API server runs/);
  assert.ok(error.cause instanceof Error);
});

Deno.test("an answer that is no JSON, or too long, is refused and not retried", async () => {
  await using html = await connect([{ body: "<html>" }]);
  const noJson = await failure(html.client.request(get), TransportError);
  assert.equal(noJson.kind, "answer");
  assert.equal(html.server.seen.length, 1);
  await using long = await connect([{ body: "x".repeat(2_000) }], { maxResponseBytes: 1_000 });
  const tooLong = await failure(long.client.request(get), TransportError);
  assert.equal(tooLong.kind, "answer");
  assert.match(tooLong.message, /longer than 1000 bytes/);
  assert.equal(long.server.seen.length, 1);
});

Deno.test("an abort ends a request at once with the signal's own reason", async (test) => {
  const reason = new DOMException("enough", "AbortError");
  for (const replies of [[{ fault: "hang" }], [{ chunks: ["{"], fault: "stall" }]] as const) {
    await test.step(replies[0].fault, async () => {
      await using it = await connect(replies);
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 50);
      const started = performance.now();
      const work = it.client.request({ ...get, signal: controller.signal });
      assert.equal(await work.catch((error) => error), reason);
      assert.ok(performance.now() - started < 500);
    });
  }
  await test.step("while waiting for a retry", async () => {
    const server = await stub([{
      ...status(429, "TooManyRequests"),
      headers: { "retry-after": "5" },
    }]);
    const client = createClient(server.cluster);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    const started = performance.now();
    const work = client.request({ ...get, signal: controller.signal });
    assert.equal(await work.catch((error) => error), reason);
    assert.ok(performance.now() - started < 500);
    await client.close();
    await server[Symbol.asyncDispose]();
  });
  await test.step("before it began", async () => {
    await using it = await connect([{ body: {} }]);
    const work = it.client.request({ ...get, signal: AbortSignal.abort(reason) });
    assert.equal(await work.catch((error) => error), reason);
    assert.equal(it.server.seen.length, 0);
  });
});

Deno.test("a closed client breaks off what is under way and sends nothing more", async () => {
  await using it = await connect([{ fault: "hang" }]);
  const work = failure(it.client.request(get), Error);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await it.client.close();
  assert.match((await work).message, /client is closed/);
  assert.match((await failure(it.client.request(get), Error)).message, /client is closed/);
});

Deno.test("every call tells once what it cost", async () => {
  const traffic: Traffic[] = [];
  await using it = await connect(
    [status(503, "ServiceUnavailable"), { body: { ok: true } }, status(409, "Conflict")],
    { onRequest: (one) => traffic.push(one) },
  );
  await it.client.request(get);
  await failure(it.client.request(create), ApiError);
  const [first, second] = traffic;
  assert.equal(traffic.length, 2);
  assert.deepEqual(
    [first?.method, first?.path, first?.status, first?.retries, first?.requestBytes],
    ["GET", "/api/v1/nodes", 200, 1, 0],
  );
  assert.ok((first?.responseBytes ?? 0) > 11);
  assert.deepEqual([second?.status, second?.retries, second?.requestBytes], [409, 0, 2]);
});

Deno.test("patches say their kind, manager and force", async () => {
  await using it = await connect([{ body: {} }]);
  await mergePatch(it.client, "/a", { body: { x: null }, fieldManager: "controller" });
  await apply(it.client, "/b", { body: { y: 1 }, fieldManager: "agent" });
  await apply(it.client, "/c", { body: {}, fieldManager: "agent", force: false });
  assert.deepEqual(
    it.server.seen.map(({ method, url, headers, body }) => [
      method,
      url.pathname + url.search,
      headers["content-type"],
      body,
    ]),
    [
      ["PATCH", "/a?fieldManager=controller", "application/merge-patch+json", '{"x":null}'],
      ["PATCH", "/b?fieldManager=agent&force=true", "application/apply-patch+yaml", '{"y":1}'],
      ["PATCH", "/c?fieldManager=agent&force=false", "application/apply-patch+yaml", "{}"],
    ],
  );
});
