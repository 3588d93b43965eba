import assert from "node:assert/strict";
import { createMetrics, type Metrics, type RecordedTick } from "../../src/controller/metrics.ts";
import { VERSION } from "../../src/core/version.ts";
import { gateway, gatewayPlan, plan } from "../support/http.ts";

const now = () => 1_700_000_000_500;

const NOW = Date.parse("2026-11-26T12:00:00Z");

function snapshot(fields: Partial<RecordedTick["snapshot"]> = {}): RecordedTick["snapshot"] {
  return { invalid: [], gateways: [], leases: [], now: NOW, ...fields };
}

function tick(fields: Partial<RecordedTick> = {}): RecordedTick {
  return {
    durationMilliseconds: 30,
    plan: plan(),
    snapshot: snapshot(),
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
const MOVE = {
  term: 4,
  time: "2026-11-26T11:59:59.000Z",
  from: "node-a",
  to: "node-b",
  reason: "FailedOver",
  message: "node-a is gone",
  planned: false,
  outageSince: "2026-11-26T11:59:58.400Z",
} as const;
const failover = plan({
  gateways: [
    gatewayPlan("web", {
      decision: "FailOver",
      activeNodeName: "node-b",
      previousNodeName: "node-a",
      term: 4,
      move: MOVE,
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
    snapshot: snapshot({
      invalid: [
        { kind: "Lease", name: "a", message: "" },
        { kind: "Lease", name: "b", message: "" },
        { kind: "EgressGateway", name: "c", message: "" },
      ],
    }),
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

const counted = `{gateway="web",reason="FailedOver",planned="false"} 1`;
const MOVES = [
  ["a written change of holder", failover, [written], [counted]],
  ["a change that lost against another tick", failover, [conflict], []],
  ["a change that failed", failover, [failed], []],
  ["a tick that keeps the holder", plan(), [written], []],
] as const;

for (const [what, planned, results, expected] of MOVES) {
  Deno.test(`${what} counts ${expected.length} moves`, async () => {
    const metrics = createMetrics({ now });
    metrics.recordTick(tick({ plan: planned, results }));
    assert.deepEqual(await samples(metrics, "sallyport_gateway_moves_total"), expected);
  });
}

Deno.test("a move is counted as it begins, and what it took when it is done, each once", async () => {
  const metrics = createMetrics({ now });
  const web = gateway("web", { status: { term: 3 } });
  metrics.recordTick(
    tick({ plan: failover, results: [written], snapshot: snapshot({ gateways: [web] }) }),
  );
  assert.deepEqual(await samples(metrics, "sallyport_outage_seconds_count"), []);
  const done = { ...MOVE, durationMilliseconds: 80, outageMilliseconds: 680 };
  const plans = plan({ gateways: [gatewayPlan("web", { term: 4, move: done })] });
  const later = gateway("web", { status: { term: 4, history: [MOVE] } });
  const finishing = tick({
    plan: plans,
    results: [written],
    snapshot: snapshot({ gateways: [later] }),
  });
  // The other replica was faster; then this one writes it.
  metrics.recordTick({ ...finishing, results: [conflict] });
  assert.deepEqual(await samples(metrics, "sallyport_outage_seconds_count"), []);
  metrics.recordTick(finishing);
  // Nothing is news any more, and the status remembers.
  const rest = gateway("web", { status: { term: 4, history: [done] } });
  const resting = plan({ gateways: [gatewayPlan("web", { term: 4 })] });
  metrics.recordTick(tick({ plan: resting, snapshot: snapshot({ gateways: [rest] }) }));
  const expected = {
    sallyport_gateway_moves_total: [counted],
    sallyport_outage_seconds_count: [`{planned="false"} 1`],
    sallyport_outage_seconds_sum: [`{planned="false"} 0.68`],
    sallyport_handover_seconds_sum: [`{planned="false"} 0.08`],
    sallyport_detection_seconds_sum: ["0.6"],
    sallyport_gateway_last_outage_seconds: [`{gateway="web",planned="false"} 0.68`],
    sallyport_gateway_last_move_timestamp_seconds: [
      `{gateway="web"} ${Date.parse(MOVE.time) / 1000}`,
    ],
  };
  for (const [name, values] of Object.entries(expected)) {
    assert.deepEqual(await samples(metrics, name), values, name);
  }
});

Deno.test("a candidate's heartbeat has an age, a fence stands until the node has renewed, and other Leases say nothing", async () => {
  const metrics = createMetrics({ now });
  const lease = (name: string, fields: object) => ({
    name,
    resourceVersion: "1",
    fence: {},
    ...fields,
  });
  metrics.recordTick(tick({
    snapshot: snapshot({
      gateways: [gateway("web")],
      leases: [
        lease("node-a", {
          renewedAt: NOW - 1_000,
          fence: { "uid-web": 4 },
          fencedAt: NOW - 9_000,
        }),
        lease("node-c", {
          renewedAt: NOW - 60_000,
          fence: { "uid-web": 4, "uid-of-old": 2 },
          fencedAt: NOW - 50_000,
        }),
        lease("taken-away", { renewedAt: NOW - 900_000, fence: { "uid-web": 3 }, fencedAt: NOW }),
      ],
    }),
  }));
  assert.deepEqual(await samples(metrics, "sallyport_heartbeat_age_seconds"), [
    `{node="node-a"} 1`,
    `{node="node-c"} 60`,
  ]);
  assert.deepEqual(await samples(metrics, "sallyport_fences_unanswered"), [
    `{node="node-a"} 0`,
    `{node="node-c"} 1`,
  ]);
});

Deno.test("conditions of gateways and policies are what they are now, and no more what they were", async () => {
  const metrics = createMetrics({ now });
  const ready = (status: "True" | "False", reason: string) => ({
    type: "Ready",
    status,
    reason,
    message: "",
    lastTransitionTime: MOVE.time,
    observedGeneration: 1,
  });
  for (const [status, reason] of [["False", "NoEligibleNode"], ["True", "Active"]] as const) {
    const conditions = [ready(status, reason)];
    metrics.recordTick(tick({
      plan: plan({
        gateways: [gatewayPlan("web", { conditions })],
        policies: [{ name: "shop", gateways: [], conditions }],
      }),
    }));
    assert.deepEqual(await samples(metrics, "sallyport_gateway_condition"), [
      `{gateway="web",type="Ready",status="${status}",reason="${reason}"} 1`,
    ]);
    assert.deepEqual(await samples(metrics, "sallyport_policy_condition"), [
      `{policy="shop",type="Ready",status="${status}",reason="${reason}"} 1`,
    ]);
  }
});

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

Deno.test("two sets of metrics do not mix, and each tells of its version and its process", async () => {
  const one = createMetrics({ now });
  const other = createMetrics({ now });
  one.recordTick(tick());
  assert.deepEqual(await samples(other, "sallyport_ticks_total"), []);
  assert.deepEqual(await samples(other, "sallyport_build_info"), [
    `{version="${VERSION}",component="controller"} 1`,
  ]);
  const [cpu] = await samples(other, "process_cpu_seconds_total");
  const [memory] = await samples(other, "process_resident_memory_bytes");
  assert.ok(Number(cpu) > 0 && Number(memory) > 1e6);
});
