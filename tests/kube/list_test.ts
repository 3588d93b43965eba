import assert from "node:assert/strict";
import { ApiError, PartialListError, RestoredError } from "../../src/kube/errors.ts";
import { createClient } from "../../src/kube/http.ts";
import { list, type ListOptions } from "../../src/kube/list.ts";
import { type Reply, SERVER_TIME, status, stub } from "../support/stub_server.ts";

const page = (items: readonly unknown[], next?: string): Reply => ({
  body: { kind: "NodeList", metadata: { resourceVersion: "42", continue: next }, items },
});
const expired = status(410, "Expired", "the continue parameter is too old");

async function listStub(replies: readonly Reply[], options: ListOptions = {}) {
  await using server = await stub(replies);
  const client = createClient(server.cluster, { sleep: () => Promise.resolve() });
  try {
    return {
      outcome: await list(client, "/api/v1/nodes", options).catch((error) => error),
      queries: server.seen.map(({ url }) => url.search),
    };
  } finally {
    await client.close();
  }
}

Deno.test("a listing is all pages, as of the first page's time", async () => {
  const later = { ...page([3]), headers: { date: "Mon, 23 Nov 2026 10:00:07 GMT" } };
  const { outcome, queries } = await listStub([page([1, 2], "more"), later], {
    limit: 2,
    labelSelector: "a=b",
  });
  assert.deepEqual(outcome.items, [1, 2, 3]);
  assert.equal(outcome.resourceVersion, "42");
  assert.equal(outcome.serverTime, SERVER_TIME);
  assert.ok(outcome.bytes > 100);
  assert.deepEqual(queries, [
    "?labelSelector=a%3Db&limit=2",
    "?labelSelector=a%3Db&limit=2&continue=more",
  ]);
});

Deno.test("a listing of before what was read already tells of a restored etcd", async () => {
  const { outcome } = await listStub([page([1])], { notBefore: "43" });
  assert.ok(outcome instanceof RestoredError);
  assert.match(outcome.message, /resourceVersion 42 is of before 43.*restored from a backup/);
  for (const notBefore of ["42", "41", "v7", ""]) {
    assert.deepEqual((await listStub([page([1])], { notBefore })).outcome.items, [1], notBefore);
  }
});

Deno.test("an empty collection is a listing", async () => {
  assert.deepEqual((await listStub([page([])])).outcome.items, []);
});

Deno.test("items are decoded as they come", async () => {
  await using server = await stub([page([1, 2])]);
  const client = createClient(server.cluster);
  const { items } = await list(client, "/api/v1/nodes", { decode: (item) => `n${item}` });
  await client.close();
  assert.deepEqual(items, ["n1", "n2"]);
});

Deno.test("a listing that expires starts again and keeps nothing of before", async () => {
  const { outcome, queries } = await listStub([page([1], "a"), expired, page([7], "b"), page([8])]);
  assert.deepEqual(outcome.items, [7, 8]);
  assert.deepEqual(queries, [
    "?limit=100",
    "?limit=500&continue=a",
    "?limit=100",
    "?limit=500&continue=b",
  ]);
});

Deno.test("a listing that always expires is partial", async () => {
  const replies = Array.from({ length: 4 }, () => [page([1], "a"), expired]).flat();
  const { outcome, queries } = await listStub(replies);
  assert.ok(outcome instanceof PartialListError);
  assert.ok(outcome.cause instanceof ApiError);
  assert.match(outcome.message, /^Cannot list \/api\/v1\/nodes completely: it expired 4 times/);
  assert.equal(queries.length, 8);
});

Deno.test("a listing whose later page fails is partial, with the reason as cause", async () => {
  const { outcome } = await listStub([page([1], "a"), status(403, "Forbidden", "no more")]);
  assert.ok(outcome instanceof PartialListError);
  assert.match(outcome.message, /page 2 is missing: Cannot GET .* 403 Forbidden: no more/);
  assert.ok(outcome.cause instanceof ApiError);
});

Deno.test("a listing that cannot start is the API server's error", async () => {
  const { outcome } = await listStub([status(403, "Forbidden", "no")]);
  assert.ok(outcome instanceof ApiError);
});

Deno.test("what is no listing is refused", async (test) => {
  const metadata = { resourceVersion: "1" };
  const table: readonly (readonly [string, Reply, RegExp])[] = [
    ["no items", { body: { metadata } }, /items/],
    ["items null", { body: { metadata, items: null } }, /items/],
    ["items an object", { body: { metadata, items: {} } }, /items/],
    ["no resourceVersion", { body: { metadata: {}, items: [] } }, /resourceVersion/],
    ["no body", {}, /body/],
    ["no Date", { ...page([]), headers: { date: "" } }, /Date/],
    ["a page that leads to itself", page([1], "same"), /leads to itself/],
  ];
  for (const [name, reply, message] of table) {
    await test.step(name, async () => {
      const { outcome } = await listStub([reply]);
      assert.ok(outcome instanceof PartialListError, String(outcome));
      assert.match(outcome.message, message);
    });
  }
});

Deno.test("an abort ends a listing with the signal's reason", async () => {
  const signal = AbortSignal.timeout(50);
  const { outcome } = await listStub([page([1], "a"), { fault: "hang" }], { signal });
  assert.equal(outcome, signal.reason);
});
