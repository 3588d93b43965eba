import assert from "node:assert/strict";
import type { AgentStatus } from "../../src/agent/agent_status.ts";
import { createAgentApp } from "../../src/http/agent_app.ts";

const HEALTHY: AgentStatus = {
  renewedAgoMilliseconds: 900,
  dutiesKnown: true,
  failures: [],
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

Deno.test("an agent's metrics count what it has bound", async () => {
  const text = await (await createAgentApp(() => HEALTHY).request("/metrics")).text();
  assert.match(text, /^sallyport_agent_bound_addresses 1$/m);
  assert.match(text, /^sallyport_agent_renewals_total 60$/m);
});
