import type {
  Candidate,
  Condition,
  Decision,
  Failover,
  Gateway,
  GatewayPlan,
  Phase,
  Pin,
  Plan,
  PolicyPlan,
  PolicyWay,
  Snapshot,
} from "../core/types.ts";
import { byName } from "../core/order.ts";

/** What the status page shows: the plan of the last tick beside what it was decided from. */
export interface StatusView {
  /** RFC 3339, the API server's clock at the last observation. */
  readonly now: string;
  /** Sorted by name. */
  readonly gateways: readonly GatewayView[];
  /** Sorted by name. */
  readonly policies: readonly PolicyView[];
  readonly warnings: readonly string[];
  readonly heartbeatsIgnored: boolean;
}

export interface GatewayView {
  readonly name: string;
  /** The source address that its policies leave by, as a person would say it. */
  readonly source: string;
  readonly activeNodeName: string | null;
  readonly standbyNodeNames: readonly string[];
  readonly phase: Phase;
  readonly decision: Decision;
  /** One sentence: why this node. */
  readonly message: string;
  readonly term: number;
  readonly readyNodes: number;
  readonly candidates: readonly Candidate[];
  readonly policyNames: readonly string[];
  readonly lastFailover?: Failover;
  /** What becomes of the pin; absent: there is none. */
  readonly pin?: Pin;
}

export interface PolicyView {
  readonly name: string;
  readonly gateways: readonly PolicyWay[];
  readonly conditions: readonly Condition[];
}

/** Pure: neither argument is changed, and equal arguments give equal views. */
export function statusView(plan: Plan, snapshot: Snapshot): StatusView {
  const gateways = new Map(snapshot.gateways.map((gateway) => [gateway.name, gateway]));
  return {
    now: new Date(snapshot.now).toISOString(),
    gateways: plan.gateways
      .map((planned) => gatewayView(planned, gateways.get(planned.name), plan.policies))
      .sort(byName),
    policies: plan.policies
      .map(({ name, gateways, conditions }): PolicyView => ({ name, gateways, conditions }))
      .sort(byName),
    // Objects that cannot be read are among them.
    warnings: plan.warnings,
    heartbeatsIgnored: plan.heartbeatsIgnored,
  };
}

function gatewayView(
  planned: GatewayPlan,
  gateway: Gateway | undefined,
  policies: readonly PolicyPlan[],
): GatewayView {
  const lastFailover = gateway?.status.lastFailover;
  return {
    name: planned.name,
    source: gateway === undefined ? "unknown" : describeSource(gateway),
    activeNodeName: planned.activeNodeName,
    standbyNodeNames: planned.standbyNodeNames,
    phase: planned.phase,
    decision: planned.decision,
    message: planned.message,
    term: planned.term,
    readyNodes: planned.readyNodes,
    candidates: planned.candidates,
    policyNames: policies.filter(({ gateways }) =>
      gateways.some(({ name, servedBy }) => name === planned.name || servedBy === planned.name)
    ).map((policy) => policy.name).sort(),
    ...(lastFailover === undefined ? {} : { lastFailover }),
    ...(planned.pin === undefined ? {} : { pin: planned.pin }),
  };
}

function describeSource(gateway: Gateway): string {
  const source = gateway.spec.sourceIP;
  if (source.mode === "VirtualIPAddress") return source.ips.join(", ");
  return `primary address of ${source.interfaceName}`;
}
