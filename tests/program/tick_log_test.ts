/** What a resident controller's log says of ticks: everything once. */
import assert from "node:assert/strict";
import type { GatewayPlan } from "../../src/core/types.ts";
import type { TickResult } from "../../src/controller/tick.ts";
import type { Logger } from "../../src/program/log.ts";
import { createTickLog } from "../../src/program/tick_log.ts";
import { cluster } from "../support/builders.ts";
import { decide } from "../../src/core/decide.ts";

/** A logger that keeps what it is told, without debug lines. */
function recorder(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (template: string, properties: Record<string, unknown> = {}) => {
    lines.push(`${level} ${template.replace(/\{(\w+)\}/g, (_, name) => String(properties[name]))}`);
  };
  const logger = { info: at("info"), warn: at("warn"), error: at("error"), debug: () => {} };
  // deno-lint-ignore no-explicit-any -- of a logger's forty methods the log uses four
  return { logger: logger as any, lines };
}

const quiet: TickResult = {
  snapshot: cluster({ nodes: {} }),
  plan: decide(cluster({ nodes: {} })),
  results: [],
  durationMilliseconds: 5,
  problems: [],
  settled: true,
};

const warned = (...warnings: string[]): TickResult => ({
  ...quiet,
  plan: { ...quiet.plan, warnings },
});

Deno.test("a warning is told when it begins, when its words change and when it is over", () => {
  const { logger, lines } = recorder();
  const log = createTickLog(logger);
  for (let tick = 0; tick < 1_000; tick++) log.tick(warned("Names clash"));
  assert.deepEqual(lines, ["warn Names clash"]);
  log.tick(warned("Names clash", "EgressGateway 'x' is left out: spec is missing"));
  log.tick(warned("EgressGateway 'x' is left out: spec is missing"));
  log.tick(warned("EgressGateway 'x' is left out: spec.sourceIP is missing"));
  log.tick(quiet);
  log.tick(quiet);
  log.tick(warned("Names clash"));
  assert.deepEqual(lines.slice(1), [
    "warn EgressGateway 'x' is left out: spec is missing",
    "info Over: Names clash",
    "warn EgressGateway 'x' is left out: spec.sourceIP is missing",
    "info Over: EgressGateway 'x' is left out: spec is missing",
    "info Over: EgressGateway 'x' is left out: spec.sourceIP is missing",
    "warn Names clash",
  ]);
});

Deno.test("an object that cannot be read is told once, though it is a problem and a warning", () => {
  const { logger, lines } = recorder();
  const log = createTickLog(logger);
  const snapshot = cluster({ nodes: {} });
  const invalid = [{ kind: "Node" as const, name: "n", message: "metadata.labels.role: no text" }];
  const broken = { ...snapshot, invalid };
  const result = { ...quiet, snapshot: broken, plan: decide(broken) };
  for (let tick = 0; tick < 3; tick++) log.tick({ ...result, problems: ["Cannot read Node 'n'"] });
  assert.deepEqual(lines, ["warn Node 'n' is left out: metadata.labels.role: no text"]);
});

Deno.test("an error that comes again with each tick is told once, and again after ticks went well", () => {
  const { logger, lines } = recorder();
  const log = createTickLog(logger);
  for (let tick = 0; tick < 100; tick++) log.error(new Error("CRDs are missing"));
  log.error(new Error("no route"));
  log.error(new Error("CRDs are missing"));
  assert.deepEqual(lines, ["error CRDs are missing", "error no route"]);
  log.tick(quiet);
  log.error(new Error("no route"));
  assert.deepEqual(lines.slice(2), [
    "info Over: CRDs are missing",
    "info Over: no route",
    "error no route",
  ]);
});

Deno.test("a decision that cannot be carried out is told once, another one again", () => {
  const { logger, lines } = recorder();
  const log = createTickLog(logger);
  const moving = (to: string): TickResult => {
    const gateway = {
      name: "web",
      decision: "FailOver",
      activeNodeName: to,
      previousNodeName: "a",
      phase: "Active",
      term: 2,
      message: `${to} is the best`,
    } as unknown as GatewayPlan;
    return { ...quiet, plan: { ...quiet.plan, gateways: [gateway] } };
  };
  for (const to of ["b", "b", "b", "c", "c"]) log.tick(moving(to));
  assert.deepEqual(lines, ["info FailOver web: b is the best", "info FailOver web: c is the best"]);
});

Deno.test("texts that change each time do not fill the memory", () => {
  const { logger, lines } = recorder();
  const log = createTickLog(logger);
  for (let tick = 0; tick < 1_000; tick++) log.error(new Error(`after ${tick} ms`));
  log.tick(quiet);
  assert.ok(lines.filter((line) => line.startsWith("info Over")).length <= 100);
});
