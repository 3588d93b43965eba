import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { ApiError, TransportError } from "../../src/kube/errors.ts";
import { createClient, type Traffic } from "../../src/kube/http.ts";
import {
  IDLE_MILLISECONDS,
  TIMEOUT_SECONDS,
  watch,
  type WatchEvent,
  type WatchOptions,
} from "../../src/kube/watch.ts";
import { type Reply, status, stub } from "../support/stub_server.ts";

const event = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;
const added = event("ADDED", { name: "Köln 🚪" });
const bookmark = event("BOOKMARK", { resourceVersion: "9" });

/** All events of a stub's watch, how it ended, and what the stub saw. */
async function watchStub(reply: Reply, options: Partial<WatchOptions> = {}) {
  await using server = await stub([reply]);
  const traffic: Traffic[] = [];
  const client = createClient(server.cluster, { onRequest: (one) => traffic.push(one) });
  const events: WatchEvent[] = [];
  let error: unknown;
  try {
    for await (const one of watch(client, "/api/v1/nodes", { resourceVersion: "5", ...options })) {
      events.push(one);
    }
  } catch (caught) {
    error = caught;
  } finally {
    await client.close();
  }
  return { events, error, traffic, query: server.seen[0]?.url.searchParams };
}

Deno.test("a watch goes on from a listing and ends when the server ends it", async () => {
  const { events, error, query, traffic } = await watchStub(
    { chunks: [added, bookmark] },
    { timeoutSeconds: 30, labelSelector: "a" },
  );
  assert.equal(error, undefined);
  assert.deepEqual(events, [
    { type: "ADDED", object: { name: "Köln 🚪" } },
    { type: "BOOKMARK", object: { resourceVersion: "9" } },
  ]);
  assert.deepEqual(Object.fromEntries(query ?? []), {
    watch: "true",
    allowWatchBookmarks: "true",
    resourceVersion: "5",
    timeoutSeconds: "30",
    labelSelector: "a",
  });
  assert.equal(traffic.length, 1);
  assert.equal(traffic[0]?.responseBytes, Buffer.byteLength(added + bookmark));
});

Deno.test("a watch of what nobody changes is ended by the API server before its silence counts as dead", async () => {
  const { query } = await watchStub({ chunks: [] });
  assert.equal(query?.get("timeoutSeconds"), String(TIMEOUT_SECONDS));
  assert.ok(TIMEOUT_SECONDS * 1_000 <= IDLE_MILLISECONDS - 5_000);
});

Deno.test("events may be cut anywhere, inside characters too", async () => {
  const bytes = Buffer.from(added + bookmark + added);
  const whole = await watchStub({ chunks: [bytes] });
  assert.equal(whole.events.length, 3);
  for (const size of [1, 2, 3, 7, 64]) {
    const chunks = Array.from(
      { length: Math.ceil(bytes.length / size) },
      (_, n) => bytes.subarray(n * size, (n + 1) * size),
    );
    const cut = await watchStub({ chunks, millisecondsBetweenChunks: 0 });
    assert.deepEqual(cut.events, whole.events, `chunks of ${size}`);
  }
});

Deno.test("a resourceVersion that is too old is 410, by status or by event", async (test) => {
  const tooOld = {
    kind: "Status",
    code: 410,
    reason: "Expired",
    message: "too old resource version",
  };
  const table = {
    status: status(410, "Expired"),
    event: { chunks: [added, event("ERROR", tooOld)] },
  };
  for (const [name, reply] of Object.entries(table)) {
    await test.step(name, async () => {
      const { error } = await watchStub(reply);
      assert.ok(error instanceof ApiError, String(error));
      assert.equal(error.status, 410);
      assert.match(
        error.message,
        /^Cannot GET \/api\/v1\/nodes: 410 Expired.*: list again from the beginning$/,
      );
    });
  }
});

Deno.test("a silent watch is dead", async () => {
  const started = performance.now();
  const { events, error } = await watchStub(
    { chunks: [added, bookmark], millisecondsBetweenChunks: 100, fault: "stall" },
    { idleMilliseconds: 180 },
  );
  assert.equal(events.length, 2);
  assert.ok(error instanceof TransportError);
  assert.equal(error.kind, "timeout");
  assert.match(error.message, /the watch was silent for 180 ms/);
  assert.ok(performance.now() - started < 1_000);
});

Deno.test("a broken watch is a network error", async () => {
  const { events, error } = await watchStub({ chunks: [added, '{"type":"ADD'], fault: "reset" });
  assert.equal(events.length, 1);
  assert.ok(error instanceof TransportError, String(error));
  assert.equal(error.kind, "network");
});

Deno.test("half an event or an unknown one cannot be read", async () => {
  for (const chunks of [['{"type":"ADDED"'], [event("RENAMED", {})], ["<html>"]]) {
    const { error } = await watchStub({ chunks });
    assert.ok(error instanceof TransportError, String(error));
    assert.equal(error.kind, "answer");
  }
});

Deno.test("an abort ends a watch at once with the signal's own reason", async () => {
  const reason = new DOMException("enough", "AbortError");
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 80);
  const started = performance.now();
  const { events, error } = await watchStub({ chunks: [added], fault: "stall" }, {
    signal: controller.signal,
  });
  assert.equal(events.length, 1);
  assert.equal(error, reason);
  assert.ok(performance.now() - started < 500);
});

Deno.test("a watch that is no longer read frees its connection, one that ended gives it back", async () => {
  await using server = await stub((seen) =>
    seen.url.searchParams.has("watch")
      ? { chunks: [added, added], ...(seen.url.pathname === "/left" ? { fault: "stall" } : {}) }
      : { body: {} }
  );
  const traffic: Traffic[] = [];
  const client = createClient(server.cluster, {
    connections: 1,
    onRequest: (one) => traffic.push(one),
  });
  for await (const _ of watch(client, "/ended", { resourceVersion: "1" })) { /* to its end */ }
  await client.request({ method: "GET", path: "/" });
  assert.equal(server.sockets(), 1);
  for await (const _ of watch(client, "/left", { resourceVersion: "1" })) break;
  await client.request({ method: "GET", path: "/" });
  assert.equal(server.sockets(), 2);
  assert.deepEqual(traffic.map(({ path }) => path), ["/ended", "/", "/left", "/"]);
  await client.close();
});
