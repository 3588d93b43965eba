/** The Grafana dashboard: each of its expressions, evaluated by Prometheus' own engine over a real scrape, shows something. */
import assert from "node:assert/strict";
import * as v from "valibot";
import { stringify } from "yaml";
import { createMetrics } from "../../src/controller/metrics.ts";
import { API_VERSION } from "../../src/core/names.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { createAgentApp } from "../../src/http/agent_app.ts";
import { startController } from "../../src/program/serve_controller.ts";
import { testWith } from "../support/needs.ts";
import { promtool, runPromtool } from "../support/promtool.ts";
import { eventually } from "../support/raw_api.ts";

const Panel = v.object({
  type: v.string(),
  title: v.string(),
  gridPos: v.object({ x: v.number(), y: v.number(), w: v.number(), h: v.number() }),
  targets: v.optional(v.array(v.object({ expr: v.string() })), []),
});

const Dashboard = v.object({
  uid: v.literal("sallyport"),
  panels: v.array(Panel),
  annotations: v.object({ list: v.array(v.object({ expr: v.string() })) }),
  templating: v.object({ list: v.array(v.object({ name: v.string() })) }),
});

const PAGE = new URL("../../k8s/monitoring/dashboard.json", import.meta.url);
const { panels, annotations, templating } = v.parse(
  Dashboard,
  JSON.parse(await Deno.readTextFile(PAGE)),
);

/** As Grafana fills them in; `$gateway` stands for all of them. */
const VARIABLES: Readonly<Record<string, string>> = {
  __rate_interval: "2m",
  __interval: "2m",
  __range: "1h",
  gateway: ".*",
};

const expressions = [
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr }))),
  ...annotations.list.map(({ expr }) => ({ title: "annotations", expr })),
].map(({ title, expr }) => ({
  title,
  expr: expr.replaceAll(/\$(\w+)/g, (_, name: string) => {
    assert.ok(name in VARIABLES, `${title}: Grafana knows no $${name}`);
    return VARIABLES[name] ?? "";
  }),
}));

Deno.test("the dashboard tells whether it is well, of moves, candidates, agents and ticks", () => {
  assert.deepEqual(
    panels.filter(({ type }) => type === "row").map(({ title }) => title),
    ["Is it well", "Moves and outages", "Candidates", "Agents", "Ticks"],
  );
  assert.deepEqual(templating.list.map(({ name }) => name), ["datasource", "gateway"]);
  for (const { title, type, targets } of panels) {
    assert.equal(targets.length > 0, type !== "row", title);
  }
});

Deno.test("no two panels of the dashboard lie over each other", () => {
  const taken = new Map<string, string>();
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    assert.ok(x + w <= 24, title);
    for (let row = y; row < y + h; row++) {
      for (let column = x; column < x + w; column++) {
        const cell = `${row} ${column}`;
        assert.equal(taken.get(cell), undefined, `${title} lies over ${taken.get(cell)}`);
        taken.set(cell, title);
      }
    }
  }
});

/** What a controller answers at `/metrics` that has moved a gateway of the demo's cluster. */
async function scrapeController(): Promise<string> {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const { client } = cluster;
  const metrics = createMetrics();
  const stop = new AbortController();
  const { controller, server, ended } = await startController(
    { ...client, request: (request) => counted(client.request(request), request.method) },
    { hostname: "127.0.0.1", port: 0, metrics, signal: stop.signal },
  );
  async function counted<T>(answer: Promise<T>, method: string): Promise<T> {
    const result = await answer;
    metrics.recordRequest({ method, status: 200 });
    return result;
  }
  const holder = (): string | undefined => {
    const gateway = controller.last?.plan.gateways.find(({ name }) => name === "payments");
    return gateway?.phase === "Active" && gateway.readyNodes > 1
      ? gateway.activeNodeName ?? undefined
      : undefined;
  };
  try {
    await eventually("a gateway is served", () => Promise.resolve(holder() !== undefined), {
      timeoutMilliseconds: 20_000,
    });
    // Something to leave out.
    await client.request({
      method: "POST",
      path: PATHS.EgressGateway,
      body: {
        apiVersion: API_VERSION,
        kind: "EgressGateway",
        metadata: { name: "odd" },
        spec: { mode: "Odd" },
      },
    });
    const before = holder();
    await client.request({
      method: "PATCH",
      path: `${PATHS.Node}/${before}`,
      contentType: "application/merge-patch+json",
      body: { spec: { unschedulable: true } },
    });
    await eventually("it has moved", async () =>
      holder() !== undefined && holder() !== before &&
      /^sallyport_handover_seconds_count.* 1$/m.test(await metrics.text()), {
      timeoutMilliseconds: 20_000,
    });
    return await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
  } finally {
    stop.abort();
    await ended;
  }
}

async function scrapeAgent(): Promise<string> {
  const app = createAgentApp(() => ({
    renewedAgoMilliseconds: 400,
    dutiesKnown: true,
    failures: [],
    uplinks: [],
    bound: ["192.0.2.7"],
    speaking: ["192.0.2.7"],
    announcements: 5,
    probes: 7,
    renewals: 60,
    failedRenewals: 1,
    requests: [{ method: "PATCH", status: 200, count: 60 }],
  }));
  return await (await app.request("/metrics")).text();
}

/** Series of a scrape as promtool takes them, with what Prometheus adds of the target. */
function seriesOf(scrape: string, target: string) {
  return scrape.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
    const [, name = "", labels = "", value = ""] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const all = [labels, target].filter((part) => part !== "").join(",");
    return { name, series: `${name}{${all}}`, values: `${value}+0x60` };
  });
}

testWith(
  [promtool],
  `each of ${expressions.length} expressions of the dashboard shows something of a real scrape`,
  async () => {
    const series = [
      ...seriesOf(
        await scrapeController(),
        'job="c",instance="c:8080",namespace="sallyport-system"',
      ),
      ...seriesOf(await scrapeAgent(), 'job="a",instance="a:9882",node="a"'),
    ];
    const names = new Set(series.map(({ name }) => name));
    const labels = new Set(
      series.flatMap(({ series }) => [...series.matchAll(/(\w+)="/g)].map(([, label]) => label)),
    );
    for (const { title, expr } of expressions) {
      const listed = [...expr.matchAll(/\b(?:by|on) ?\(([^)]*)\)/g)].flatMap(([, list = ""]) =>
        list.split(", ")
      );
      const matched = [...expr.matchAll(/(\w+)(?:=|!=|=~|!~)"/g)].map(([, label]) => label);
      for (const label of [...listed, ...matched]) {
        assert.ok(labels.has(label), `${title}: nothing has a label ${label}`);
      }
      for (const [name] of expr.matchAll(/\b(?:sallyport|process)_\w+/g)) {
        assert.ok(names.has(name), `${title}: nobody tells ${name}`);
      }
    }
    const directory = await Deno.makeTempDir({ prefix: "sallyport-dashboard-" });
    try {
      // Nothing is wrong in this cluster, so what looks for trouble has to find what it looks at.
      const shown = expressions.map(({ expr }) =>
        expr.replace(/ or vector\(0\)$/, "").replace(/ > 0$/, "").replace(/ == 1\)/, ")")
          .replace(/status!?="\w+"/, 'status=~".+"')
      );
      const file = `${directory}/tests.yaml`;
      await Deno.writeTextFile(`${directory}/rules.yaml`, stringify({ groups: [] }));
      await Deno.writeTextFile(
        file,
        stringify({
          rule_files: ["rules.yaml"],
          tests: [{
            interval: "1m",
            input_series: series.map(({ series, values }) => ({ series, values })),
            promql_expr_test: shown.map((expr) => ({
              eval_time: "50m",
              expr: `count(${expr}) > bool 0`,
              exp_samples: [{ labels: "{}", value: 1 }],
            })),
          }],
        }),
      );
      assert.match(await runPromtool(["test", "rules", file]), /SUCCESS/);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);
