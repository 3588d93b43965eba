/** The tables of the failover benchmark. */
import type { Variant } from "../lab/sallyport.ts";
import type { Split } from "./failover_split.ts";
import type { Way } from "./failover_ways.ts";
import type { IdleCost } from "./idle_cost.ts";
import { markdown, type Table } from "./report.ts";

/** One way to die, once. */
export interface Run {
  /** Milliseconds without answers. */
  readonly outage: number;
  /** The client was answered by more than one host. */
  readonly handedOver: boolean;
  readonly samples: number;
  /** Samples in which two hosts answered, and from the first of them to the last. */
  readonly contested: number;
  readonly contestedMilliseconds: number;
  readonly split?: Split;
}

interface Runs {
  readonly runs: readonly Run[];
  /** How many more runs there were in which nobody took over. */
  readonly failed: number;
}

export interface Group extends Runs {
  readonly variant: Variant;
  readonly way: Way;
}

export interface PeerGroup extends Runs {
  readonly what: string;
}

export interface Results {
  readonly groups: readonly Group[];
  readonly peers: readonly PeerGroup[];
  readonly idle?: {
    readonly agents: readonly { readonly role: string; readonly cost: IdleCost }[];
    readonly requestsPerSecond: number;
    readonly seconds: number;
  };
}

/** A packet each 5 ms: a shorter difference is none. */
const GRAIN_MILLISECONDS = 10;

/** Issue 4: what an idle agent may cost. */
const IDLE_TARGET = { megabytes: 60, cpuPercent: 1, requests: 1 } as const;

export function failoverTables(results: Results): string {
  const tables = [mainTable(results), variantTable(results), splitTable(results)];
  return [...tables, ...results.idle === undefined ? [] : [idleTable(results.idle)]]
    .filter(({ rows }) => rows.length > 0).map(markdown).join("\n\n");
}

function isDefault({ standby, peers }: Variant): boolean {
  return standby === "Bound" && peers === true;
}

function mainTable({ groups, peers }: Results): Table {
  return {
    title: "Sallyport's defaults beside keepalived",
    head: [
      "what happens to the holder",
      "Sallyport",
      "two answer",
      "keepalived",
      "two answer",
      "target",
      "",
    ],
    rows: groups.filter(({ variant }) => isDefault(variant)).map((group) => {
      const { way, runs, failed } = group;
      const peer = peers.find(({ what }) => what === way.peer);
      return [
        way.what,
        outages(group),
        contests(runs),
        peer === undefined ? "" : `${outages(peer)} (${peer.what})`,
        peer === undefined ? "" : contests(peer.runs),
        way.target === undefined ? "" : `<= ${way.target}`,
        verdict([
          failed === 0,
          way.target === undefined || percentile(outagesOf(runs), 99) <= way.target,
          peer === undefined || isNoWorse(runs, peer.runs),
          way.overlaps === true || runs.every(({ contested }) => contested === 0),
        ]),
      ];
    }),
  };
}

function variantTable({ groups }: Results): Table {
  return {
    title: "Other settings",
    head: ["what happens to the holder", "standby", "peers", "outage", "two answer", "target", ""],
    rows: groups.filter(({ variant }) => !isDefault(variant)).map((group) => {
      const { variant, way, runs, failed } = group;
      // 100 ms are wanted of prepared standbys only.
      const target = variant.standby === "Unbound" && way.what !== "power-off"
        ? undefined
        : way.target;
      return [
        way.what,
        variant.standby ?? "",
        variant.peers ? "yes" : "no",
        outages(group),
        contests(runs),
        target === undefined ? "" : `<= ${target}`,
        verdict([
          failed === 0,
          target === undefined || percentile(outagesOf(runs), 99) <= target,
          runs.every(({ contested }) => contested === 0),
        ]),
      ];
    }),
  };
}

const PARTS = ["detect", "decide", "bind", "announce"] as const;

function splitTable({ groups }: Results): Table {
  return {
    title: "Power-off: outage = detect + decide + bind + announce, p50 (longest)",
    head: ["standby", "peers", "outage", ...PARTS],
    rows: groups.filter(({ way }) => way.what === "power-off").map(({ variant, runs }) => {
      const splits = runs.flatMap(({ split }) => split ?? []);
      const cell = (all: readonly number[]) =>
        `${percentile(all, 50).toFixed(0)} (${Math.max(...all).toFixed(0)})`;
      return [
        variant.standby ?? "",
        variant.peers ? "yes" : "no",
        cell(outagesOf(runs)),
        ...PARTS.map((part) => cell(splits.map((split) => split[part]))),
      ];
    }),
  };
}

function idleTable({ agents, requestsPerSecond, seconds }: NonNullable<Results["idle"]>): Table {
  return {
    title: `An idle agent, over ${seconds.toFixed(0)} s`,
    head: ["agent", "RSS", "RSS of its programs", "CPU, of a core", "API requests", "target", ""],
    rows: agents.map(({ role, cost: { megabytes, childMegabytes, cpuPercent } }) => [
      role,
      `${megabytes.toFixed(0)} MB`,
      `${childMegabytes.toFixed(0)} MB`,
      `${cpuPercent.toFixed(1)} %`,
      `${requestsPerSecond.toFixed(2)} a second`,
      `<= ${IDLE_TARGET.megabytes} MB, < ${IDLE_TARGET.cpuPercent} %, ${IDLE_TARGET.requests} a second`,
      verdict([
        megabytes <= IDLE_TARGET.megabytes,
        cpuPercent < IDLE_TARGET.cpuPercent,
        requestsPerSecond < IDLE_TARGET.requests + 0.1,
      ]),
    ]),
  };
}

function outagesOf(runs: readonly Run[]): readonly number[] {
  return runs.map(({ outage }) => outage);
}

function outages({ runs, failed }: Runs): string {
  const all = outagesOf(runs);
  const figures = [percentile(all, 50), percentile(all, 99), Math.max(...all)];
  const text = figures.map((value) => value.toFixed(0)).join(" / ");
  return failed === 0 ? text : `${text}, ${failed} failed`;
}

function contests(runs: readonly Run[]): string {
  const times = runs.filter(({ contested }) => contested > 0).map((run) =>
    run.contestedMilliseconds
  );
  if (times.length === 0) return "never";
  const longest = Math.max(...times).toFixed(0);
  return `${times.length} of ${runs.length} runs, up to ${longest} ms`;
}

function isNoWorse(ours: readonly Run[], theirs: readonly Run[]): boolean {
  return [50, 99].every((rank) =>
    percentile(outagesOf(ours), rank) <= percentile(outagesOf(theirs), rank) + GRAIN_MILLISECONDS
  );
}

/** By the nearest rank. */
export function percentile(values: readonly number[], rank: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * rank / 100) - 1)] ?? NaN;
}

function verdict(holds: readonly boolean[]): string {
  return holds.every(Boolean) ? "met" : "missed";
}
