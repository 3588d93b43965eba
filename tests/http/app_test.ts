import assert from "node:assert/strict";
import { Ticker } from "../../src/controller/ticker.ts";
import { app, gatewayPlan, NOON, outcome, plan } from "../support/http.ts";

const JSON_HEADERS = { "Content-Type": "application/json" };

Deno.test("GET /healthz says that the process lives, whatever its ticks do", async () => {
  const response = await app().request("/healthz");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("Cache-Control"), "no-store");
});

const READINESS = [
  ["before the first tick", undefined, 503, null, "No tick has ended yet"],
  ["after a fresh tick", { finishedAt: NOON - 2000 }, 200, 2000, null],
  ["at the very limit", { finishedAt: NOON - 15_000 }, 200, 15_000, null],
  [
    "after a stale tick",
    { finishedAt: NOON - 15_001 },
    503,
    15_001,
    "Last tick ended 15001 ms ago, more than 15000 ms",
  ],
  [
    "after a failed tick",
    { finishedAt: NOON - 10, error: "403 on nodes" },
    503,
    10,
    "403 on nodes",
  ],
] as const;

for (const [when, last, status, ageMilliseconds, error] of READINESS) {
  Deno.test(`GET /readyz answers ${status} ${when}`, async () => {
    const ticker = { last, trigger: () => Promise.reject(new Error("not expected")) };
    const response = await app({ ticker }).request("/readyz");
    assert.equal(response.status, status);
    assert.deepEqual(await response.json(), { ready: status === 200, ageMilliseconds, error });
  });
}

Deno.test("GET /metrics is Prometheus text", async () => {
  const response = await app().request("/metrics");
  assert.equal(response.headers.get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(await response.text(), "sallyport_up 1\n");
});

Deno.test("POST /tick runs a tick and answers with its plan's summary", async () => {
  const requests: unknown[] = [];
  const change = {
    action: "patch",
    kind: "EgressGateway",
    name: "web",
    subresource: "status",
    body: { status: { term: 4 } },
    group: "web",
    stage: 0,
  } as const;
  const ticker = new Ticker((request) => {
    requests.push(request);
    return Promise.resolve(outcome({
      plan: plan({ changes: [change] }),
      results: request.dryRun ? [] : [{ change, result: "conflict" }],
      problems: ["Cannot read Lease 'x'"],
      settled: false,
    }));
  });
  const served = app({ ticker });
  const response = await served.request("/tick", { method: "POST" });
  assert.equal(response.status, 200);
  const { candidates: _, ...gateway } = gatewayPlan("web");
  const summary = {
    gateways: [gateway],
    policies: [{ name: "shop", gateway: "web", conditions: [] }],
    warnings: [],
    problems: ["Cannot read Lease 'x'"],
    heartbeatsIgnored: false,
    settled: false,
  };
  const written = { action: "patch", kind: "EgressGateway", name: "web", subresource: "status" };
  assert.deepEqual(await response.json(), {
    dryRun: false,
    ...summary,
    changes: [{ ...written, result: "conflict" }],
  });
  const dry = await served.request("/tick?dryRun=true", { method: "POST" });
  assert.deepEqual(await dry.json(), {
    dryRun: true,
    ...summary,
    changes: [{ ...written, result: "planned" }],
  });
  assert.deepEqual(requests, [{ dryRun: false }, { dryRun: true }]);
});

const DRY_RUNS = [["", false], ["?dryRun=false", false], ["?dryRun=true", true], [
  "?dryRun",
  true,
]] as const;

for (const [query, dryRun] of DRY_RUNS) {
  Deno.test(`POST /tick${query} is ${dryRun ? "a dry run" : "a real tick"}`, async () => {
    const requests: unknown[] = [];
    const ticker = new Ticker((request) => {
      requests.push(request);
      return Promise.resolve(outcome());
    });
    await app({ ticker }).request(`/tick${query}`, { method: "POST" });
    assert.deepEqual(requests, [{ dryRun }]);
  });
}

Deno.test("POST /tick?dryRun=ture writes nothing and says so", async () => {
  const ticker = new Ticker(() => Promise.reject(new Error("must not run")));
  const response = await app({ ticker }).request("/tick?dryRun=ture", { method: "POST" });
  assert.equal(response.status, 400);
  assert.deepEqual(await response.json(), { error: "dryRun must be true or false: 'ture'" });
});

Deno.test("POST /tick answers 500 with the reason when the tick fails", async () => {
  const ticker = new Ticker(() => Promise.reject(new Error("Cannot list nodes: 403")));
  const response = await app({ ticker }).request("/tick", { method: "POST" });
  assert.equal(response.status, 500);
  assert.deepEqual(await response.json(), { error: "Cannot list nodes: 403" });
});

Deno.test("POST /tick answers 500 with the summary when a write fails", async () => {
  const change = {
    action: "delete",
    kind: "CiliumEgressGatewayPolicy",
    name: "shop",
    body: {},
    group: "",
    stage: 0,
  } as const;
  const ticker = new Ticker(() =>
    Promise.resolve(outcome({
      results: [{ change, result: "failed", error: new Error("403") }],
      problems: ["403"],
    }))
  );
  const response = await app({ ticker }).request("/tick", { method: "POST" });
  assert.equal(response.status, 500);
  const { changes, problems } = await response.json();
  assert.deepEqual(problems, ["403"]);
  assert.deepEqual(changes, [
    { action: "delete", kind: "CiliumEgressGatewayPolicy", name: "shop", result: "failed" },
  ]);
});

Deno.test("POST /tick answers 429 with Retry-After when too many wait", async () => {
  const release = Promise.withResolvers<void>();
  const ticker = new Ticker(async () => {
    await release.promise;
    return outcome();
  }, { maxWaiting: 1 });
  const served = app({ ticker });
  const post = () => served.request("/tick", { method: "POST" });
  const first = post();
  await new Promise((resolve) => setTimeout(resolve));
  const second = post();
  await new Promise((resolve) => setTimeout(resolve));
  const third = await post();
  assert.equal(third.status, 429);
  assert.equal(third.headers.get("Retry-After"), "1");
  release.resolve();
  assert.deepEqual([(await first).status, (await second).status], [200, 200]);
});

const BODIES = [
  ["no body", {}, 200],
  ["a JSON body", { headers: JSON_HEADERS, body: "{}" }, 200],
  ["a CloudEvent", {
    headers: { "Content-Type": "application/cloudevents+json; charset=utf-8" },
    body: "{}",
  }, 200],
  ["JSON that does not parse", { headers: JSON_HEADERS, body: "{" }, 400],
  [
    "a form",
    { headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: "a=b" },
    415,
  ],
  ["text", { body: "{}" }, 415],
  ["a look-alike type", { headers: { "Content-Type": "application/jsonx" }, body: "{}" }, 415],
  ["64 KiB", { headers: JSON_HEADERS, body: `"${"x".repeat(65_534)}"` }, 200],
  ["more than 64 KiB", { headers: JSON_HEADERS, body: `"${"x".repeat(65_535)}"` }, 413],
] as const;

for (const [what, init, status] of BODIES) {
  Deno.test(`POST /tick with ${what} answers ${status}`, async () => {
    const response = await app().request("/tick", { method: "POST", ...init });
    assert.equal(response.status, status);
  });
}

Deno.test("POST /tick with a body of unknown length stops reading at the limit", async () => {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(16 * 1024).fill(0x20));
    },
  });
  const response = await app().request("/tick", { method: "POST", headers: JSON_HEADERS, body });
  assert.equal(response.status, 413);
  assert.ok(pulled < 10, `pulled ${pulled} chunks`);
});

const METHODS = [
  ["DELETE", "/healthz", "GET, HEAD"],
  ["POST", "/readyz", "GET, HEAD"],
  ["PUT", "/metrics", "GET, HEAD"],
  ["POST", "/", "GET, HEAD"],
  ["PATCH", "/status.json", "GET, HEAD"],
  ["GET", "/tick", "POST"],
] as const;

for (const [method, path, allow] of METHODS) {
  Deno.test(`${method} ${path} answers 405 and allows ${allow}`, async () => {
    const response = await app().request(path, { method });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("Allow"), allow);
  });
}

Deno.test("HEAD works where GET does, and other paths are not found", async () => {
  const head = await app().request("/healthz", { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  const missing = await app().request("/nope");
  assert.deepEqual([missing.status, await missing.json()], [404, { error: "No such path: /nope" }]);
});

Deno.test("POST /tick without the token answers 401 and asks for a bearer token", async () => {
  const ticker = new Ticker(() => Promise.reject(new Error("must not run")));
  const served = app({
    ticker,
    verifyAuthorization: () => Promise.resolve(false),
    loopback: false,
  });
  const response = await served.request("/tick", { method: "POST", body: "x" });
  assert.equal(response.status, 401);
  assert.equal(response.headers.get("WWW-Authenticate"), 'Bearer realm="sallyport"');
});

Deno.test("POST /tick passes the Authorization header on and runs when it is right", async () => {
  const seen: unknown[] = [];
  const served = app({
    loopback: false,
    verifyAuthorization: (header) => Promise.resolve(seen.push(header) > 0),
  });
  const headers = { Authorization: "Bearer sesame" };
  const response = await served.request("/tick", { method: "POST", headers });
  assert.equal(response.status, 200);
  assert.deepEqual(seen, ["Bearer sesame"]);
});

Deno.test("POST /tick is closed where no token is configured and others reach the server", async () => {
  const response = await app({ loopback: false }).request("/tick", { method: "POST" });
  assert.equal(response.status, 403);
});

Deno.test("a token is asked for on loopback too where one is configured", async () => {
  const served = app({ loopback: true, verifyAuthorization: () => Promise.resolve(false) });
  assert.equal((await served.request("/tick", { method: "POST" })).status, 401);
});

Deno.test("POST /tick stays closed when the token's file cannot be read", async () => {
  const verifyAuthorization = () => Promise.reject(new Error("Cannot read the token"));
  const response = await app({ verifyAuthorization }).request("/tick", { method: "POST" });
  assert.equal(response.status, 500);
});
