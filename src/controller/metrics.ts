import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { parseTime } from "../core/time.ts";
import type {
  Condition,
  Lease,
  Milliseconds,
  PastMove,
  Phase,
  Plan,
  Snapshot,
} from "../core/types.ts";
import { registerProcessMetrics } from "../metrics/process_metrics.ts";
import type { TickResult } from "./tick.ts";
import { hasFailed } from "./tick_summary.ts";

/** Seconds of an outage, a detection or a handover: what a connection, a request and a person notice. */
const OUTAGE_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 30, 60, 300];

const PHASES: readonly Phase[] = ["Preparing", "Active", "Idle"];

/** What the metrics look at in a tick. */
export type RecordedTick = Pick<TickResult, "plan" | "results" | "durationMilliseconds"> & {
  readonly snapshot: Pick<Snapshot, "invalid" | "gateways" | "leases" | "now">;
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
  const condition = new Gauge({
    name: "sallyport_gateway_condition",
    help: "1 for the status and the reason that a condition of a gateway has now",
    labelNames: ["gateway", "type", "status", "reason"],
    registers,
  });
  const policyCondition = new Gauge({
    name: "sallyport_policy_condition",
    help: "1 for the status and the reason that a condition of a policy has now",
    labelNames: ["policy", "type", "status", "reason"],
    registers,
  });
  const lastMove = new Gauge({
    name: "sallyport_gateway_last_move_timestamp_seconds",
    help: "When the last term of a gateway began, Unix time",
    labelNames: ["gateway"],
    registers,
  });
  const lastOutage = new Gauge({
    name: "sallyport_gateway_last_outage_seconds",
    help: "What clients of a gateway went without at its last move, detection included",
    labelNames: ["gateway", "planned"],
    registers,
  });
  const heartbeatAge = new Gauge({
    name: "sallyport_heartbeat_age_seconds",
    help: "Time since the last heartbeat of a candidate's agent, by the API server's clock",
    labelNames: ["node"],
    registers,
  });
  const uplinkDown = new Gauge({
    name: "sallyport_uplink_down",
    help: "1 for each candidate of a gateway that is not eligible since its uplink is down",
    labelNames: ["gateway", "node"],
    registers,
  });
  const fences = new Gauge({
    name: "sallyport_fences_unanswered",
    help: "Gateways that a node was told to be silent for, and has not been heard of since",
    labelNames: ["node"],
    registers,
  });
  const moves = new Counter({
    name: "sallyport_gateway_moves_total",
    help: "Terms that this replica began, by what decided it",
    labelNames: ["gateway", "reason", "planned"],
    registers,
  });
  const outage = new Histogram({
    name: "sallyport_outage_seconds",
    help: "What clients went without at moves that this replica finished, detection included",
    labelNames: ["planned"],
    buckets: OUTAGE_BUCKETS,
    registers,
  });
  const detection = new Histogram({
    name: "sallyport_detection_seconds",
    help:
      "From the last sign of life of a holder to the decision, at moves that this replica finished",
    buckets: OUTAGE_BUCKETS,
    registers,
  });
  const handover = new Histogram({
    name: "sallyport_handover_seconds",
    help: "From the decision until the new holder serves, at moves that this replica finished",
    labelNames: ["planned"],
    buckets: OUTAGE_BUCKETS,
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

  registerProcessMetrics(registry, "controller");

  /** Gateway -> labels of its series in `moves`. */
  const counted = new Map<string, Map<string, MoveLabels>>();

  function setGateways(plan: Plan, { gateways }: RecordedTick["snapshot"]): void {
    // Set anew as a whole, so that nothing stays of gateways and holders that are gone.
    for (const gauge of [active, readyNodes, term, phase, condition, lastMove, lastOutage]) {
      gauge.reset();
    }
    const histories = new Map(gateways.map(({ name, status }) => [name, status.history]));
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
      for (const each of gateway.conditions) {
        condition.set({ gateway: name, ...conditionLabels(each) }, 1);
      }
      const last = gateway.move ?? histories.get(name)?.[0];
      const began = parseTime(last?.time);
      if (began !== undefined) lastMove.set({ gateway: name }, began / 1000);
      if (last?.outageMilliseconds !== undefined) {
        const planned = String(last.planned);
        lastOutage.set({ gateway: name, planned }, last.outageMilliseconds / 1000);
      }
    }
    heartbeatsIgnored.set(plan.heartbeatsIgnored ? 1 : 0);
  }

  function setPolicies({ policies }: Plan): void {
    policyCondition.reset();
    for (const { name, conditions } of policies) {
      for (const each of conditions) {
        policyCondition.set({ policy: name, ...conditionLabels(each) }, 1);
      }
    }
  }

  /** Of candidates alone: the Lease of a machine that was taken away stays, and nobody waits for it. */
  function setNodes({ gateways }: Plan, { leases, now, ...snapshot }: RecordedTick["snapshot"]) {
    heartbeatAge.reset();
    fences.reset();
    uplinkDown.reset();
    for (const { name: gateway, candidates } of gateways) {
      for (const { node, reasons } of candidates) {
        const isDown = reasons.some(({ type, retryAfter }) =>
          type === "UplinkDown" && retryAfter === undefined
        );
        if (isDown) uplinkDown.set({ gateway, node }, 1);
      }
    }
    const candidates = new Set(gateways.flatMap((each) => each.candidates.map(({ node }) => node)));
    const uids = new Set(snapshot.gateways.map(({ uid }) => uid));
    for (const lease of leases) {
      const { name: node, renewedAt } = lease;
      if (!candidates.has(node)) continue;
      if (renewedAt !== undefined) {
        heartbeatAge.set({ node }, Math.max(0, now - renewedAt) / 1000);
      }
      fences.set({ node }, unansweredFences(lease, uids));
    }
  }

  function countMoves({ plan, results, snapshot }: RecordedTick): void {
    const before = new Map(snapshot.gateways.map(({ name, status }) => [name, status.term ?? 0]));
    const written = new Set(
      results.filter(({ change, result }) =>
        change.kind === "EgressGateway" && result === "written"
      )
        .map(({ change }) => change.name),
    );
    for (const { name, move } of plan.gateways) {
      if (move === undefined || !written.has(name)) continue;
      const planned = String(move.planned);
      if (move.term !== before.get(name)) {
        const labels = { gateway: name, reason: move.reason, planned };
        moves.inc(labels);
        const series = counted.get(name) ?? new Map<string, MoveLabels>();
        counted.set(name, series.set(Object.values(labels).join(), labels));
      }
      observeMove(move);
    }
    const present = new Set(plan.gateways.map((gateway) => gateway.name));
    for (const [gateway, series] of counted) {
      if (present.has(gateway)) continue;
      for (const labels of series.values()) moves.remove(labels);
      counted.delete(gateway);
    }
  }

  /** A move that is finished has a duration. */
  function observeMove(
    { planned, durationMilliseconds, outageMilliseconds, outageSince, time, from }: PastMove,
  ): void {
    if (durationMilliseconds === undefined || from === undefined) return;
    handover.observe({ planned: String(planned) }, durationMilliseconds / 1000);
    if (outageMilliseconds === undefined) return;
    outage.observe({ planned: String(planned) }, outageMilliseconds / 1000);
    const [began, since] = [parseTime(time), parseTime(outageSince)];
    if (planned || began === undefined || since === undefined) return;
    detection.observe(Math.max(0, began - since) / 1000);
  }

  return {
    recordTick({ plan, results, snapshot, durationMilliseconds }) {
      duration.observe(durationMilliseconds / 1000);
      ticks.inc({ result: hasFailed({ results }) ? "error" : "success" });
      if (!hasFailed({ results })) lastSuccess.set(now() / 1000);
      for (const { change: { kind, action }, result } of results) {
        changes.inc({ kind, action, result });
      }
      setGateways(plan, snapshot);
      setPolicies(plan);
      setNodes(plan, snapshot);
      countMoves({ plan, results, snapshot, durationMilliseconds });
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

interface MoveLabels {
  readonly [label: string]: string;
}

function conditionLabels({ type, status, reason }: Condition) {
  return { type, status, reason };
}

/** Each renewal is answered with the fence, so a node that has renewed since has been told. */
function unansweredFences(
  { fence, fencedAt, renewedAt }: Lease,
  gateways: ReadonlySet<string>,
): number {
  if (fencedAt === undefined || renewedAt !== undefined && renewedAt > fencedAt) return 0;
  return Object.keys(fence).filter((uid) => gateways.has(uid)).length;
}
