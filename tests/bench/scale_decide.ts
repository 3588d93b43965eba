/** `decide` alone, on what a tick at these sizes has observed: no I/O at all, so its CPU time is all there is. */
import process from "node:process";
import { decide } from "../../src/core/decide.ts";
import { NAMESPACE } from "../../src/core/names.ts";
import type { Snapshot } from "../../src/core/types.ts";
import { type Decoded, readable } from "../../src/cluster/decoders/decode.ts";
import {
  decodeGateway,
  decodeNode,
  decodePod,
  decodePolicy,
} from "../../src/cluster/decoders/kinds.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { agentPod, largeCiliumPod, largeNode } from "./cluster_objects.ts";
import { spread } from "./measure.ts";
import type { Table } from "./report.ts";
import { GATEWAY_NODES, gatewaysAndPolicies, POOL_LABEL, poolOf } from "./scale_objects.ts";

const RUNS = 21;

export const DECIDE_HEAD = [
  "nodes in the snapshot",
  "gateways",
  "policies",
  "CPU time, first",
  "CPU time, then",
  "target",
];

/** Rows, and in words how the time grows. */
export function decideRows(): { readonly rows: Table["rows"]; readonly fit: string } {
  const rows: string[][] = [];
  const points: (readonly [gateways: number, milliseconds: number])[] = [];
  for (const nodes of [GATEWAY_NODES.length, 1_000, 5_000]) {
    for (const gateways of [10, 100, 250, 500, 1_000]) {
      const snapshot = settled({ nodes, gateways });
      const times = Array.from({ length: RUNS }, () => {
        const before = process.cpuUsage();
        decide(snapshot);
        const { user, system } = process.cpuUsage(before);
        return (user + system) / 1_000;
      });
      const [first = NaN, ...then] = times;
      const { least, median, most } = spread(then);
      if (nodes === 5_000) points.push([gateways, median]);
      rows.push([
        String(nodes),
        String(gateways),
        String(snapshot.policies.length),
        `${first.toFixed(1)} ms`,
        `${median.toFixed(1)} ms (${least.toFixed(1)} to ${most.toFixed(1)})`,
        nodes === 5_000 && gateways === 500 ? "< 50 ms" : "",
      ]);
    }
  }
  return { rows, fit: lineThrough(points) };
}

/** A cluster whose gateways are all served, in which nothing is left to write. */
function settled(
  { nodes, gateways }: { readonly nodes: number; readonly gateways: number },
): Snapshot {
  const objects = gatewaysAndPolicies(gateways, { virtual: false, spread: false });
  const indices = Array.from({ length: nodes }, (_, index) => index);
  const identified = (object: Readonly<Record<string, unknown>>, index: number) => ({
    ...object,
    metadata: {
      ...object["metadata"] as object,
      uid: `uid-${index}`,
      resourceVersion: "1",
      generation: 1,
    },
  });
  const all = <T>(items: readonly unknown[], decode: (item: unknown) => Decoded<T>) =>
    readable(items.map(decode), []);
  const start: Snapshot = {
    now: Date.parse("2026-11-26T12:00:00Z"),
    nodes: all(
      indices.map((index) => {
        const pool = poolOf(index);
        const { object, status } = largeNode(index, {
          labels: pool === undefined ? {} : { [POOL_LABEL]: pool.name },
        });
        return identified({ ...object, status }, index);
      }),
      decodeNode,
    ),
    ciliumPods: all(
      indices.map((index) => {
        const { object, status } = largeCiliumPod(index);
        return identified({ ...object, status }, index);
      }),
      decodePod,
    ),
    agentPods: all(
      GATEWAY_NODES.map((index) => {
        const { object, status } = agentPod(index);
        return { ...identified({ ...object, status }, index), namespace: NAMESPACE };
      }),
      decodePod,
    ),
    leases: [],
    gateways: all(objects.gateways.map(identified), decodeGateway),
    policies: all(objects.policies.map(identified), decodePolicy),
    ciliumPolicies: [],
    invalid: [],
  };
  let snapshot = start;
  for (let round = 0; round < 10; round++) {
    const plan = decide(snapshot);
    if (plan.changes.length === 0) return snapshot;
    snapshot = applyPlan(snapshot, plan);
  }
  throw new Error("Cannot measure decide: there is always something to write");
}

/** Least squares, with the part of the variance that the line explains. */
function lineThrough(points: readonly (readonly [number, number])[]): string {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const slope = points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) /
    points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  const at = (gateways: number) => y + slope * (gateways - x);
  const rest = points.reduce((sum, [a, b]) => sum + (b - at(a)) ** 2, 0);
  const all = points.reduce((sum, [, b]) => sum + (b - y) ** 2, 0);
  return `${at(0).toFixed(1)} ms + ${(slope * 1_000).toFixed(0)} µs a gateway with its policies ` +
    `(least squares over ${points.length} sizes at 5,000 nodes, R² ${(1 - rest / all).toFixed(3)})`;
}
