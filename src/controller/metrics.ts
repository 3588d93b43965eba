import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Decision, Milliseconds, Phase, Plan, Snapshot } from "../core/types.ts";
import type { ChangeResult } from "../cluster/apply.ts";
import type { TickResult } from "./tick.ts";
import { hasFailed } from "./tick_summary.ts";

/** Decisions that name another holder. */
const MOVES: ReadonlySet<Decision> = new Set(["Elect", "FailOver", "FailBack", "Move"]);

const PHASES: readonly Phase[] = ["Preparing", "Active", "Idle"];

/** What the metrics look at in a tick. */
export type RecordedTick = Pick<TickResult, "plan" | "results" | "durationMilliseconds"> & {
  readonly snapshot: Pick<Snapshot, "invalid">;
};

export interface MetricsOptions {
  /** Wall clock, milliseconds since the epoch; default `Date.now`. */
  readonly now?: () => Milliseconds;
}

/** One answer of the API server; `status` 0 stands for no answer. */
export interface RequestRecord {
  readonly method: string;
  readonly status: number;
}

export interface Metrics {
  /** A tick that wrote, or tried to. Not for dry runs. */
  recordTick(tick: RecordedTick): void;
  /** A tick that threw: what is known of the gateways stays as it is. */
  recordFailedTick(tick: Pick<RecordedTick, "durationMilliseconds">): void;
  recordRequest(record: RequestRecord): void;
  /** Prometheus text format. */
  text(): Promise<string>;
}

/** Metrics in a registry of their own: two controllers in one process do not mix. */
export function createMetrics({ now = Date.now }: MetricsOptions = {}): Metrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];

  const duration = new Histogram({
    name: "sallyport_tick_duration_seconds",
    help: "Time from the start of a tick to its last write",
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const ticks = new Counter({
    name: "sallyport_ticks_total",
    help: "Ticks by result",
    labelNames: ["result"],
    registers,
  });
  const active = new Gauge({
    name: "sallyport_gateway_active",
    help: "1 for the node that holds the gateway",
    labelNames: ["gateway", "node"],
    registers,
  });
  const readyNodes = new Gauge({
    name: "sallyport_gateway_ready_nodes",
    help: "Eligible candidates",
    labelNames: ["gateway"],
    registers,
  });
  const term = new Gauge({
    name: "sallyport_gateway_term",
    help: "Goes up by one at each change of holder",
    labelNames: ["gateway"],
    registers,
  });
  const phase = new Gauge({
    name: "sallyport_gateway_phase",
    help: "1 for the phase that the gateway is in",
    labelNames: ["gateway", "phase"],
    registers,
  });
  const failovers = new Counter({
    name: "sallyport_failovers_total",
    help: "Changes of holder by the decision that led to them",
    labelNames: ["gateway", "reason"],
    registers,
  });
  const changes = new Counter({
    name: "sallyport_changes_total",
    help: "Writes by kind, action and result",
    labelNames: ["kind", "action", "result"],
    registers,
  });
  const invalidObjects = new Gauge({
    name: "sallyport_invalid_objects",
    help: "Objects that are left out since they cannot be read",
    labelNames: ["kind"],
    registers,
  });
  const heartbeatsIgnored = new Gauge({
    name: "sallyport_heartbeats_ignored",
    help:
      "1 while heartbeats are ignored: most are stale at once, or the fresh ones have only just begun",
    registers,
  });
  const requests = new Counter({
    name: "sallyport_api_requests_total",
    help: "Requests to the API server by method and status, status 0 for no answer",
    labelNames: ["method", "status"],
    registers,
  });
  const lastSuccess = new Gauge({
    name: "sallyport_last_successful_tick_timestamp_seconds",
    help: "When the last successful tick ended, Unix time",
    registers,
  });

  /** Gateways with a series in `failovers`, and by which reasons. */
  const counted = new Map<string, Set<string>>();

  function setGateways(plan: Plan): void {
    // Set anew as a whole, so that nothing stays of gateways and holders that are gone.
    for (const gauge of [active, readyNodes, term, phase]) gauge.reset();
    for (const gateway of plan.gateways) {
      const { name } = gateway;
      if (gateway.activeNodeName !== null) {
        active.set({ gateway: name, node: gateway.activeNodeName }, 1);
      }
      readyNodes.set({ gateway: name }, gateway.readyNodes);
      term.set({ gateway: name }, gateway.term);
      for (const value of PHASES) {
        phase.set({ gateway: name, phase: value }, gateway.phase === value ? 1 : 0);
      }
    }
    heartbeatsIgnored.set(plan.heartbeatsIgnored ? 1 : 0);
  }

  function countFailovers(plan: Plan, results: readonly ChangeResult[]): void {
    const written = new Set(
      results.filter(({ change, result }) =>
        change.kind === "EgressGateway" && result === "written"
      )
        .map(({ change }) => change.name),
    );
    for (const { name, decision, activeNodeName, previousNodeName } of plan.gateways) {
      const moved = MOVES.has(decision) && activeNodeName !== null &&
        activeNodeName !== previousNodeName;
      if (!moved || !written.has(name)) continue;
      failovers.inc({ gateway: name, reason: decision });
      counted.set(name, (counted.get(name) ?? new Set()).add(decision));
    }
    const present = new Set(plan.gateways.map((gateway) => gateway.name));
    for (const [gateway, reasons] of counted) {
      if (present.has(gateway)) continue;
      for (const reason of reasons) failovers.remove({ gateway, reason });
      counted.delete(gateway);
    }
  }

  return {
    recordTick({ plan, results, snapshot, durationMilliseconds }) {
      duration.observe(durationMilliseconds / 1000);
      ticks.inc({ result: hasFailed({ results }) ? "error" : "success" });
      if (!hasFailed({ results })) lastSuccess.set(now() / 1000);
      for (const { change: { kind, action }, result } of results) {
        changes.inc({ kind, action, result });
      }
      setGateways(plan);
      countFailovers(plan, results);
      invalidObjects.reset();
      for (const { kind } of snapshot.invalid) invalidObjects.inc({ kind });
    },
    recordFailedTick({ durationMilliseconds }) {
      duration.observe(durationMilliseconds / 1000);
      ticks.inc({ result: "error" });
    },
    recordRequest({ method, status }) {
      requests.inc({ method, status: String(status) });
    },
    text: () => registry.metrics(),
  };
}
