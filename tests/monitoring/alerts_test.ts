/** The alerts fire when they should, and do not when they should not; each has its runbook. By promtool. */
import assert from "node:assert/strict";
import * as v from "valibot";
import { parse, stringify } from "yaml";
import { NOT_STARTED } from "../../src/agent/agent_status.ts";
import { createMetrics } from "../../src/controller/metrics.ts";
import { agentMetrics } from "../../src/http/agent_metrics.ts";
import { promtool, runPromtool } from "../support/promtool.ts";
import { testWith } from "../support/needs.ts";

const ROOT = new URL("../../", import.meta.url);

const Rules = v.object({
  spec: v.object({
    groups: v.array(v.object({
      name: v.string(),
      rules: v.array(v.object({
        alert: v.string(),
        expr: v.string(),
        for: v.string(),
        labels: v.object({ severity: v.picklist(["critical", "warning"]) }),
        annotations: v.object({
          summary: v.string(),
          description: v.string(),
          runbook_url: v.string(),
        }),
      })),
    })),
  }),
});

const Series = v.array(v.object({ series: v.string(), values: v.string() }));

const Cases = v.array(v.object({
  alert: v.string(),
  at: v.string(),
  labels: v.record(v.string(), v.string()),
  fires: Series,
  quiet: Series,
}));

const read = async (path: string) => await Deno.readTextFile(new URL(path, ROOT));

const { spec } = v.parse(Rules, parse(await read("k8s/monitoring/rules.yaml")));
const cases = v.parse(Cases, parse(await read("tests/monitoring/alerts.yaml")));
const rules = spec.groups.flatMap((group) => group.rules);

Deno.test("each alert has a case, and none is made twice", () => {
  assert.ok(rules.length >= 12);
  assert.deepEqual(rules.map(({ alert }) => alert), cases.map(({ alert }) => alert));
});

Deno.test("each alert, and each case of one, is of metrics that there are", async () => {
  const told = [await createMetrics().text(), await agentMetrics(NOT_STARTED)].join("\n");
  const known = new Set([...told.matchAll(/^# HELP (\S+)/gm)].map(([, name]) => name).concat("up"));
  const series = cases.flatMap(({ fires, quiet }) => [...fires, ...quiet]);
  const texts = [...rules.map(({ expr }) => expr), ...series.map((each) => each.series)];
  const named = texts.flatMap((text) => text.match(/\bsallyport_\w+|\bup\b/g) ?? []);
  assert.ok(named.length >= rules.length);
  assert.deepEqual([...new Set(named)].filter((name) => !known.has(name)), []);
});

/** Promtool's words for each case, all in one run. */
async function judge(series: "fires" | "quiet"): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "sallyport-alerts-" });
  try {
    // What a sentence says is filled in from labels and value; which alert fires for what is the question here.
    const bare = rules.map(({ annotations: _, ...rule }) => rule);
    await Deno.writeTextFile(
      `${directory}/rules.yaml`,
      stringify({ groups: [{ name: "sallyport", rules: bare }] }),
    );
    const tests = cases.map(({ alert, at, labels, ...each }) => ({
      name: alert,
      interval: "15s",
      input_series: each[series],
      alert_rule_test: [{
        eval_time: at,
        alertname: alert,
        exp_alerts: series === "quiet" ? [] : [{
          exp_labels: {
            ...labels,
            severity: rules.find((rule) => rule.alert === alert)?.labels.severity,
          },
        }],
      }],
    }));
    const file = `${directory}/tests.yaml`;
    await Deno.writeTextFile(
      file,
      stringify({ rule_files: ["rules.yaml"], evaluation_interval: "15s", tests }, {
        aliasDuplicateObjects: false,
      }),
    );
    return await runPromtool(["test", "rules", file]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

testWith([promtool], `each of ${rules.length} alerts fires when it should`, async () => {
  assert.match(await judge("fires"), /SUCCESS/);
});

testWith([promtool], "and none of them when it should not", async () => {
  assert.match(await judge("quiet"), /SUCCESS/);
});

testWith([promtool], "promtool finds no fault with the rules and their sentences", async () => {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, stringify(spec));
    assert.match(
      await runPromtool(["check", "rules", "--lint=all", "--lint-fatal", file]),
      /SUCCESS/,
    );
  } finally {
    await Deno.remove(file);
  }
});

const SECTIONS = ["What it means", "What users notice", "Look here", "Do this"];

Deno.test("each alert has a runbook of one shape, and no runbook is of none", async () => {
  const pages = await Array.fromAsync(Deno.readDir(new URL("docs/runbooks", ROOT)));
  assert.deepEqual(
    pages.map(({ name }) => name).filter((name) => name !== "README.md").sort(),
    rules.map(({ alert }) => `${alert}.md`).sort(),
  );
  const index = await read("docs/runbooks/README.md");
  for (const { alert, annotations } of rules) {
    assert.ok(annotations.runbook_url.endsWith(`/docs/runbooks/${alert}.md`), alert);
    assert.ok(index.includes(`(${alert}.md)`), alert);
    const page = await read(`docs/runbooks/${alert}.md`);
    const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(headings, SECTIONS, alert);
    assert.match(page, /## Look here\n\n```sh\n[^]+\n```\n/, alert);
  }
});
