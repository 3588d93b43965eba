import assert from "node:assert/strict";
import { CloudEvent, HTTP } from "cloudevents";
import { createCloudEventsApp } from "../../src/http/cloud_events.ts";
import { Ticker } from "../../src/controller/ticker.ts";

/** An app whose ticks end as `tick` says, and how many there were. */
function sink(tick: () => Promise<boolean> = () => Promise.resolve(true), maxWaiting = 1_000) {
  const counted = { ticks: 0 };
  const ticker = new Ticker(() => {
    counted.ticks++;
    return tick();
  }, { maxWaiting });
  const app = createCloudEventsApp({ ticker });
  return {
    counted,
    request: async (path: string, init?: RequestInit) => await app.request(path, init),
    send: async (headers: Record<string, string>, body: string) =>
      await app.request("/", { method: "POST", headers, body }),
  };
}

function event(type: string, data: unknown = { kind: "Node" }): CloudEvent<unknown> {
  return new CloudEvent({ type, source: "https://10.0.0.1:443", id: "1", data });
}

type Mode = "binary" | "structured";

function message(mode: Mode, given: CloudEvent<unknown>) {
  const { headers, body } = HTTP[mode](given);
  return [headers as Record<string, string>, String(body ?? "")] as const;
}

const UPDATE = "dev.knative.apiserver.resource.update";

const KNOWN = [
  "dev.knative.apiserver.resource.add",
  UPDATE,
  "dev.knative.apiserver.resource.delete",
  "dev.knative.apiserver.ref.add",
  "dev.knative.apiserver.ref.update",
  "dev.knative.apiserver.ref.delete",
  "dev.knative.sources.ping",
];

for (const type of KNOWN) {
  for (const mode of ["binary", "structured"] as const) {
    Deno.test(`an event ${type} in ${mode} mode is a tick`, async () => {
      const { send, counted } = sink();
      const response = await send(...message(mode, event(type)));
      assert.equal(response.status, 200, await response.text());
      assert.equal(counted.ticks, 1);
    });
  }
}

for (
  const type of ["com.example.order", "dev.knative.apiserver.resource.updated", "dev.knative.foo"]
) {
  Deno.test(`an event ${type} is taken without a tick`, async () => {
    const { send, counted } = sink();
    const response = await send(...message("binary", event(type)));
    assert.equal(response.status, 204);
    assert.equal(await response.text(), "");
    assert.equal(counted.ticks, 0);
  });
}

const [BINARY, DATA] = message("binary", event(UPDATE));
const [STRUCTURED, TEXT] = message("structured", event(UPDATE));
const without = (name: string, headers = BINARY) =>
  Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
const changed = (change: object) => JSON.stringify({ ...JSON.parse(TEXT), ...change });

const REFUSED: readonly [what: string, status: number, Record<string, string>, string][] = [
  ["no CloudEvent at all", 400, { "content-type": "application/json" }, DATA],
  ["one without a type", 400, without("ce-type"), DATA],
  ["one without a source", 400, without("ce-source"), DATA],
  ["one without an id", 400, without("ce-id"), DATA],
  ["one with a source that is no URI", 400, { ...BINARY, "ce-source": "a b" }, DATA],
  ["one of another version", 400, { ...BINARY, "ce-specversion": "0.3" }, DATA],
  ["a structured one that is no JSON", 400, STRUCTURED, TEXT.slice(1)],
  ["a structured one that is null", 400, STRUCTURED, "null"],
  ["an empty structured one", 400, STRUCTURED, ""],
  ["a structured one without an id", 400, STRUCTURED, changed({ id: undefined })],
  ["a structured one without a type", 400, STRUCTURED, changed({ type: undefined })],
  ["a structured one of another version", 400, STRUCTURED, changed({ specversion: "2.0" })],
  ["a batch", 415, { "content-type": "application/cloudevents-batch+json" }, `[${TEXT}]`],
  ["one in XML", 415, { "content-type": "application/cloudevents+xml" }, "<event/>"],
  ["one of more than 1 MiB", 413, BINARY, JSON.stringify("x".repeat(1024 * 1024))],
];

for (const [what, status, headers, body] of REFUSED) {
  Deno.test(`${what} is refused with ${status} and without a tick`, async () => {
    const { send, counted } = sink();
    const response = await send(headers, body);
    assert.equal(response.status, status);
    assert.match((await response.json()).error, /\w/);
    assert.equal(counted.ticks, 0);
  });
}

Deno.test("an event with the whole of a large object is taken", async () => {
  const { send } = sink();
  const large = event(UPDATE, { kind: "Node", images: "x".repeat(1_000_000) });
  assert.equal((await send(...message("binary", large))).status, 200);
  assert.equal((await send(...message("structured", large))).status, 200);
});

Deno.test("a structured event may name its character set", async () => {
  const { send } = sink();
  const headers = { "content-type": "application/cloudevents+json; charset=UTF-8" };
  assert.equal((await send(headers, TEXT)).status, 200);
});

Deno.test("other methods and paths are refused", async () => {
  const { request, counted } = sink();
  const get = await request("/");
  assert.deepEqual([get.status, get.headers.get("Allow")], [405, "POST"]);
  assert.equal((await request("/healthz", { method: "POST" })).status, 405);
  assert.equal((await request("/other", { method: "POST", body: DATA })).status, 404);
  assert.equal((await request("/healthz")).status, 200);
  assert.equal(counted.ticks, 0);
});

/** Everything that can go on without a tick's end has gone on. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("a burst of events becomes the tick that runs and one more", async () => {
  const running = Promise.withResolvers<boolean>();
  const { send, counted } = sink(() => running.promise);
  const answers = Array.from({ length: 32 }, () => send(BINARY, DATA));
  await turns();
  assert.equal(counted.ticks, 1);
  running.resolve(true);
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  assert.deepEqual(new Set(statuses), new Set([200]));
  assert.equal(counted.ticks, 2);
});

Deno.test("more than 32 events at once are told to come again, unread, and there is room when a tick has ended", async () => {
  const running = Promise.withResolvers<boolean>();
  const { send, request } = sink(() => running.promise);
  const answers = Array.from({ length: 32 }, () => send(BINARY, DATA));
  await new Promise((resolve) => setTimeout(resolve));
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({ pull: () => void pulled++ }, { highWaterMark: 0 });
  const more = await request("/", { method: "POST", headers: BINARY, body });
  assert.deepEqual([more.status, more.headers.get("Retry-After"), pulled], [429, "1", 0]);
  running.resolve(true);
  assert.deepEqual(
    new Set((await Promise.all(answers)).map(({ status }) => status)),
    new Set([200]),
  );
  assert.equal((await send(BINARY, DATA)).status, 200);
});

Deno.test("of an event in binary mode the headers count, and its data is taken in and dropped", async () => {
  const running = Promise.withResolvers<boolean>();
  const { request, counted } = sink(() => running.promise);
  let left = 50;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array(16 * 1024));
      else controller.close();
    },
  });
  const answer = request("/", { method: "POST", headers: BINARY, body });
  while (counted.ticks === 0) await new Promise((resolve) => setTimeout(resolve));
  assert.ok(left < 0, "the sender is rid of it before the tick has ended");
  running.resolve(true);
  assert.equal((await answer).status, 200);
});

Deno.test("an event of another type is let go before its data is read", async () => {
  const { request, counted } = sink();
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({ pull: () => void pulled++ }, { highWaterMark: 0 });
  const headers = { ...BINARY, "ce-type": "com.example.order" };
  const response = await request("/", { method: "POST", headers, body });
  assert.deepEqual([response.status, pulled, counted.ticks], [204, 0, 0]);
});

Deno.test("the answer waits for the end of the tick", async () => {
  const running = Promise.withResolvers<boolean>();
  const { send } = sink(() => running.promise);
  let answered = false;
  const answer = send(BINARY, DATA).then(() => void (answered = true));
  await turns();
  assert.equal(answered, false);
  running.resolve(true);
  await answer;
});

// cloudevents/sdk-go, with which Knative's adapters send, repeats 503 and not 500.
Deno.test("a tick that failed is answered with 503, so that the source sends its event again", async () => {
  const threw = await sink(() => Promise.reject(new Error("no API server"))).send(BINARY, DATA);
  assert.equal(threw.status, 503);
  assert.match((await threw.json()).error, /no API server/);
  const unsettled = await sink(() => Promise.resolve(false)).send(BINARY, DATA);
  assert.equal(unsettled.status, 503);
  assert.match((await unsettled.json()).error, /did not settle/);
});

Deno.test("more events than can wait are sent away with 429", async () => {
  const running = Promise.withResolvers<boolean>();
  const { send } = sink(() => running.promise, 1);
  const answers = [send(BINARY, DATA), send(BINARY, DATA), send(BINARY, DATA)];
  const last = await answers[2];
  assert.equal(last?.status, 429);
  assert.equal(last?.headers.get("Retry-After"), "1");
  running.resolve(true);
  await Promise.all(answers);
});
