import assert from "node:assert/strict";
import type { AgentStatus } from "../../src/agent/agent_status.ts";
import { createAgentApp, createScrapeApp } from "../../src/http/agent_app.ts";

const HEALTHY: AgentStatus = {
  renewedAgoMilliseconds: 900,
  dutiesKnown: true,
  failures: [],
  uplinks: [],
  bound: ["172.18.18.242"],
  speaking: [],
  announcements: 3,
  probes: 0,
  renewals: 60,
  failedRenewals: 1,
};

const TABLE = [
  { what: "healthy", status: {}, startedz: 200, readyz: 200 },
  {
    what: "a stale heartbeat",
    status: { renewedAgoMilliseconds: 4_001 },
    startedz: 200,
    readyz: 503,
  },
  {
    what: "never renewed",
    status: { renewedAgoMilliseconds: undefined, renewals: 0 },
    startedz: 503,
    readyz: 503,
  },
  { what: "gateways not read", status: { dutiesKnown: false }, startedz: 503, readyz: 503 },
  {
    what: "an impossible duty",
    status: { failures: ["gw: no interface"] },
    startedz: 200,
    readyz: 503,
  },
] as const;

Deno.test("an agent's pod is ready from its first heartbeat on; /readyz tells of freshness and duties", async () => {
  for (const { what, status, startedz, readyz } of TABLE) {
    const app = createAgentApp(() => ({ ...HEALTHY, ...status }));
    assert.equal((await app.request("/healthz")).status, 200, what);
    assert.equal((await app.request("/startedz")).status, startedz, what);
    assert.equal((await app.request("/readyz")).status, readyz, what);
  }
});

Deno.test("an agent says which duty it cannot fulfil", async () => {
  const app = createAgentApp(() => ({ ...HEALTHY, failures: ["gw: no interface 'eth7'"] }));
  assert.deepEqual(await (await app.request("/readyz")).json(), {
    ready: false,
    problem: "A duty is not fulfilled: gw: no interface 'eth7'",
  });
});

Deno.test("an agent's metrics tell of each address, and of its heartbeats", async () => {
  const status = {
    ...HEALTHY,
    bound: ["172.18.18.242", "172.18.18.243"],
    speaking: ["172.18.18.243"],
    requests: [{ method: "PATCH", status: 200, count: 60 }],
  };
  const text = await (await createAgentApp(() => status).request(METRICS)).text();
  for (
    const line of [
      `sallyport_agent_vip_bound{ip="172.18.18.242"} 1`,
      `sallyport_agent_vip_speaking{ip="172.18.18.242"} 0`,
      `sallyport_agent_vip_speaking{ip="172.18.18.243"} 1`,
      "sallyport_agent_heartbeat_age_seconds 0.9",
      `sallyport_agent_heartbeats_total{result="success"} 60`,
      `sallyport_agent_heartbeats_total{result="error"} 1`,
      `sallyport_agent_api_requests_total{method="PATCH",status="200"} 60`,
    ]
  ) assert.ok(text.split("\n").includes(line), line);
  const never = { ...HEALTHY, renewedAgoMilliseconds: undefined };
  const before = await (await createAgentApp(() => never).request(METRICS)).text();
  assert.doesNotMatch(before, /^sallyport_agent_heartbeat_age_seconds /m);
});

const METRICS = "http://127.0.0.1:9881/metrics";

Deno.test("on the loopback address an agent answers no page that has its name resolve there", async () => {
  const app = createAgentApp(() => HEALTHY);
  for (const path of ["/metrics", "/readyz", "/healthz"]) {
    assert.equal((await app.request(`http://127.0.0.1:9881${path}`)).status, 200, path);
    assert.equal((await app.request(`http://evil.example:9881${path}`)).status, 403, path);
  }
});

Deno.test("beyond it an agent answers for its metrics and its health, to read, by address", async () => {
  const app = createScrapeApp(() => HEALTHY);
  const status = async (url: string, method = "GET") => (await app.request(url, { method })).status;
  assert.equal(await status("http://192.0.2.7:9882/metrics"), 200);
  assert.equal(await status("http://[2001:db8::7]:9882/metrics"), 200);
  assert.equal(await status("http://192.0.2.7:9882/healthz"), 200);
  assert.equal(await status("http://evil.example:9882/metrics"), 403);
  assert.equal(await status("http://192.0.2.7:9882/readyz"), 404);
  assert.equal(await status("http://192.0.2.7:9882/"), 404);
  assert.equal(await status("http://192.0.2.7:9882/metrics", "POST"), 405);
});
