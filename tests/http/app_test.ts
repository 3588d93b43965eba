import assert from "node:assert/strict";
import { Ticker } from "../../src/controller/ticker.ts";
import { tokenFromFile } from "../../src/http/token.ts";
import { app, gatewayPlan, NOON, outcome, plan } from "../support/http.ts";

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
  const { candidates: _, conditions: __, ...gateway } = gatewayPlan("web");
  const summary = {
    gateways: [gateway],
    policies: [{ name: "shop", gateways: [{ name: "web", shards: 256 }], conditions: [] }],
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

Deno.test("POST /tick reads no body, however long it is and whatever it says that it is", async () => {
  for (const type of ["application/json", "application/x-www-form-urlencoded", "text/plain"]) {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(16 * 1024).fill(0x20));
      },
    }, { highWaterMark: 0 });
    const headers = { "Content-Type": type };
    const response = await app().request("/tick", { method: "POST", headers, body });
    assert.deepEqual([response.status, pulled], [200, 0]);
  }
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

const ADMISSIONS = [
  [undefined, 401, 'Bearer realm="sallyport"'],
  ["Bearer sesame", 200, null],
  ["bearer sesame", 200, null],
  ["Bearer wrong", 401, 'Bearer error="invalid_token"'],
  ["Basic sesame", 400, 'Bearer error="invalid_request"'],
  ["Bearer ", 400, 'Bearer error="invalid_request"'],
] as const;

for (const loopback of [true, false]) {
  for (const [header, status, challenge] of ADMISSIONS) {
    Deno.test(`POST /tick with '${header}' answers ${status}${loopback ? " on loopback" : ""}`, async () => {
      let ticks = 0;
      const ticker = new Ticker(() => Promise.resolve(ticks++).then(() => outcome()));
      const verifyToken = (token: string) => Promise.resolve(token === "sesame");
      const response = await app({ ticker, loopback, verifyToken }).request("/tick", {
        method: "POST",
        headers: header === undefined ? {} : { Authorization: header },
      });
      assert.equal(response.status, status);
      assert.equal(response.headers.get("WWW-Authenticate"), challenge);
      assert.match(response.headers.get("Content-Type") ?? "", /^application\/json/);
      assert.equal(response.headers.get("Cache-Control"), "no-store");
      const body = await response.json();
      if (status !== 200) assert.deepEqual(body, { error: "Needs the bearer token" });
      assert.equal(ticks, status === 200 ? 1 : 0);
    });
  }
}

Deno.test("POST /tick is closed where no token is configured and others reach the server", async () => {
  const response = await app({ loopback: false }).request("/tick", { method: "POST" });
  assert.equal(response.status, 403);
});

Deno.test("POST /tick stays closed when the token cannot be read, and tells its path to nobody", async () => {
  const verifyToken = tokenFromFile("/nonexistent/secret/token");
  const served = app({ verifyToken, ticker: new Ticker(() => Promise.reject(new Error("ran"))) });
  const headers = { Authorization: "Bearer sesame" };
  const response = await served.request("/tick", { method: "POST", headers });
  assert.equal(response.status, 403);
  const { error } = await response.json();
  assert.match(error, /nobody may: the controller's log says why/);
  assert.doesNotMatch(error, /nonexistent|ENOENT/);
});

const SITES = [
  ["a program", {}, 200],
  ["the server's own page", { "Sec-Fetch-Site": "same-origin", Origin: "http://localhost" }, 200],
  ["a person, by the address bar", { "Sec-Fetch-Site": "none" }, 200],
  [
    "a page of another site",
    { "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" },
    403,
  ],
  ["a page of another port", { "Sec-Fetch-Site": "same-site", Origin: "http://localhost:81" }, 403],
  ["an old browser's page of another site", { Origin: "https://evil.example" }, 403],
  ["a page without an origin", { Origin: "null" }, 403],
] as const;

for (const [who, headers, status] of SITES) {
  Deno.test(`without a token ${who} is answered ${status}`, async () => {
    let ticks = 0;
    const ticker = new Ticker(() => Promise.resolve(ticks++).then(() => outcome()));
    const response = await app({ ticker }).request("/tick", { method: "POST", headers });
    assert.equal(response.status, status);
    assert.equal(ticks, status === 200 ? 1 : 0);
  });
}

const HOSTS = [
  ["localhost:8080", true],
  ["127.0.0.1:8080", true],
  ["[::1]:8080", true],
  ["evil.example", false],
  ["127.0.0.1.evil.example:8080", false],
  ["localhost.evil.example", false],
] as const;

for (const [host, ours] of HOSTS) {
  Deno.test(`on loopback a request for ${host} is ${ours ? "answered" : "refused"}`, async () => {
    for (const path of ["/", "/status.json", "/metrics", "/healthz"]) {
      assert.equal((await app().request(`http://${host}${path}`)).status, ours ? 200 : 403);
      // Others are reached by names that the server does not know.
      const open = await app({ loopback: false }).request(`http://${host}${path}`);
      assert.equal(open.status, 200);
    }
    const tick = await app().request(`http://${host}/tick`, { method: "POST" });
    assert.equal(tick.status, ours ? 200 : 403);
  });
}
