import assert from "node:assert/strict";
import { createMetrics, type Metrics, type RecordedTick } from "../../src/controller/metrics.ts";
import { gatewayPlan, plan } from "../support/http.ts";

const now = () => 1_700_000_000_500;

function tick(fields: Partial<RecordedTick> = {}): RecordedTick {
  return {
    durationMilliseconds: 30,
    plan: plan(),
    snapshot: { invalid: [] },
    results: [],
    ...fields,
  };
}

/** Samples of one metric, without the histogram's parts. */
async function samples(metrics: Metrics, name: string): Promise<string[]> {
  const lines = (await metrics.text()).split("\n");
  return lines.filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => line.slice(name.length).trim()).sort();
}

const change = {
  action: "patch",
  kind: "EgressGateway",
  name: "web",
  subresource: "status",
  body: {},
  group: "web",
  stage: 0,
} as const;
const written = { change, result: "written" } as const;
const conflict = { change, result: "conflict" } as const;
const failed = { change, result: "failed", error: new Error("500") } as const;
const failover = plan({
  gateways: [
    gatewayPlan("web", {
      decision: "FailOver",
      activeNodeName: "node-b",
      previousNodeName: "node-a",
    }),
  ],
});

Deno.test("a tick sets what holds now", async () => {
  const metrics = createMetrics({ now });
  metrics.recordTick(tick({
    plan: plan({
      gateways: [
        gatewayPlan("web"),
        gatewayPlan("mail", { activeNodeName: null, phase: "Idle", readyNodes: 0, term: 0 }),
      ],
      heartbeatsIgnored: true,
    }),
    snapshot: {
      invalid: [
        { kind: "Lease", name: "a", message: "" },
        { kind: "Lease", name: "b", message: "" },
        { kind: "EgressGateway", name: "c", message: "" },
      ],
    },
  }));
  const expected = {
    sallyport_gateway_active: [`{gateway="web",node="node-a"} 1`],
    sallyport_gateway_ready_nodes: [`{gateway="mail"} 0`, `{gateway="web"} 2`],
    sallyport_gateway_term: [`{gateway="mail"} 0`, `{gateway="web"} 3`],
    sallyport_gateway_phase: [
      `{gateway="mail",phase="Active"} 0`,
      `{gateway="mail",phase="Idle"} 1`,
      `{gateway="mail",phase="Preparing"} 0`,
      `{gateway="web",phase="Active"} 1`,
      `{gateway="web",phase="Idle"} 0`,
      `{gateway="web",phase="Preparing"} 0`,
    ],
    sallyport_heartbeats_ignored: ["1"],
    sallyport_invalid_objects: [`{kind="EgressGateway"} 1`, `{kind="Lease"} 2`],
    sallyport_ticks_total: [`{result="success"} 1`],
    sallyport_last_successful_tick_timestamp_seconds: ["1700000000.5"],
    sallyport_tick_duration_seconds_count: ["1"],
    sallyport_tick_duration_seconds_sum: ["0.03"],
  };
  for (const [name, values] of Object.entries(expected)) {
    assert.deepEqual(await samples(metrics, name), values, name);
  }
});

Deno.test("series of a gateway and a holder that are gone disappear", async () => {
  const metrics = createMetrics({ now });
  metrics.recordTick(tick({ plan: failover, results: [written] }));
  assert.deepEqual(await samples(metrics, "sallyport_gateway_active"), [
    `{gateway="web",node="node-b"} 1`,
  ]);
  metrics.recordTick(tick({
    plan: plan({ gateways: [gatewayPlan("mail")] }),
  }));
  assert.doesNotMatch(await metrics.text(), /gateway="web"/);
  assert.deepEqual(await samples(metrics, "sallyport_gateway_active"), [
    `{gateway="mail",node="node-a"} 1`,
  ]);
});

Deno.test("a tick that failed keeps the last known state and the time of the last success", async () => {
  let time = 1_700_000_000_000;
  const metrics = createMetrics({ now: () => time });
  metrics.recordTick(tick());
  time += 9000;
  metrics.recordFailedTick({ durationMilliseconds: 5 });
  metrics.recordTick(tick({ results: [written, failed] }));
  assert.deepEqual(await samples(metrics, "sallyport_ticks_total"), [
    `{result="error"} 2`,
    `{result="success"} 1`,
  ]);
  assert.deepEqual(await samples(metrics, "sallyport_gateway_term"), [`{gateway="web"} 3`]);
  assert.deepEqual(await samples(metrics, "sallyport_tick_duration_seconds_count"), ["3"]);
  assert.deepEqual(
    await samples(metrics, "sallyport_last_successful_tick_timestamp_seconds"),
    ["1700000000"],
  );
});

const FAILOVERS = [
  ["a written change of holder", failover, [written], [`{gateway="web",reason="FailOver"} 1`]],
  ["a change that lost against another tick", failover, [conflict], []],
  ["a change that failed", failover, [failed], []],
  ["a tick that keeps the holder", plan(), [written], []],
] as const;

for (const [what, planned, results, expected] of FAILOVERS) {
  Deno.test(`${what} counts ${expected.length} failovers`, async () => {
    const metrics = createMetrics({ now });
    metrics.recordTick(tick({ plan: planned, results }));
    assert.deepEqual(await samples(metrics, "sallyport_failovers_total"), expected);
  });
}

Deno.test("changes and requests are counted by their results", async () => {
  const metrics = createMetrics({ now });
  metrics.recordTick(
    tick({ results: [written, conflict, written] }),
  );
  metrics.recordRequest({ method: "GET", status: 200 });
  metrics.recordRequest({ method: "GET", status: 200 });
  metrics.recordRequest({ method: "PATCH", status: 0 });
  assert.deepEqual(await samples(metrics, "sallyport_changes_total"), [
    `{kind="EgressGateway",action="patch",result="conflict"} 1`,
    `{kind="EgressGateway",action="patch",result="written"} 2`,
  ]);
  assert.deepEqual(await samples(metrics, "sallyport_api_requests_total"), [
    `{method="GET",status="200"} 2`,
    `{method="PATCH",status="0"} 1`,
  ]);
});

Deno.test("two sets of metrics do not mix, and nothing of the process is among them", async () => {
  const one = createMetrics({ now });
  const other = createMetrics({ now });
  one.recordTick(tick());
  assert.deepEqual(await samples(other, "sallyport_ticks_total"), []);
  assert.doesNotMatch(await one.text(), /process_|nodejs_/);
});
