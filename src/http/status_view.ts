import { byName, byText } from "../core/order.ts";
import { hasMissedRenewal } from "../core/heartbeat.ts";
import { rfc3339 } from "../core/time.ts";
import type {
  Candidate,
  Condition,
  Decision,
  Failover,
  Gateway,
  GatewayPlan,
  PastMove,
  Phase,
  Pin,
  Plan,
  PolicyPlan,
  PolicyWay,
  Snapshot,
} from "../core/types.ts";

/** What the status page shows: the plan of the last tick beside what it was decided from. */
export interface StatusView {
  /** RFC 3339, the API server's clock at the last observation. */
  readonly now: string;
  /** Sorted by name. */
  readonly gateways: readonly GatewayView[];
  /** Sorted by name. */
  readonly policies: readonly PolicyView[];
  /** Candidates of any gateway, sorted by name. */
  readonly nodes: readonly NodeView[];
  /** Of all gateways, the latest first. */
  readonly moves: readonly MoveView[];
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
  readonly conditions: readonly Condition[];
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

export interface NodeView {
  readonly name: string;
  readonly cordoned: boolean;
  /** Absent: no agent was ever heard from it. A time is there only once a heartbeat is missing: RFC 3339, of the last one. */
  readonly heartbeat?: "Fresh" | { readonly last: string };
}

export interface MoveView extends PastMove {
  readonly gateway: string;
  /** It is what its gateway is doing now. */
  readonly underWay: boolean;
}

/** Moves that are remembered over all gateways. */
const MOST_MOVES = 20;

/** Pure: neither argument is changed, and equal arguments give equal views. */
export function statusView(plan: Plan, snapshot: Snapshot): StatusView {
  const gateways = new Map(snapshot.gateways.map((gateway) => [gateway.name, gateway]));
  const users = usersOf(plan.policies);
  return {
    now: new Date(snapshot.now).toISOString(),
    gateways: plan.gateways
      .map((planned) =>
        gatewayView(planned, {
          gateway: gateways.get(planned.name),
          policyNames: [...users.get(planned.name) ?? []].sort(byText),
        })
      )
      .sort(byName),
    policies: plan.policies
      .map(({ name, gateways, conditions }): PolicyView => ({ name, gateways, conditions }))
      .sort(byName),
    nodes: nodeViews(plan, snapshot),
    moves: plan.gateways
      .flatMap((planned) => movesOf(planned, gateways.get(planned.name)))
      .sort((a, b) => byText(b.time, a.time) || byText(a.gateway, b.gateway) || b.term - a.term)
      .slice(0, MOST_MOVES),
    // Objects that cannot be read are among them.
    warnings: plan.warnings,
    heartbeatsIgnored: plan.heartbeatsIgnored,
  };
}

/** Gateway -> policies that leave by it now, or name it. */
function usersOf(policies: readonly PolicyPlan[]): ReadonlyMap<string, ReadonlySet<string>> {
  const users = new Map<string, Set<string>>();
  for (const { name: policy, gateways } of policies) {
    for (const gateway of gateways.flatMap(({ name, servedBy = name }) => [name, servedBy])) {
      users.set(gateway, (users.get(gateway) ?? new Set()).add(policy));
    }
  }
  return users;
}

function gatewayView(
  planned: GatewayPlan,
  { gateway, policyNames }: {
    readonly gateway: Gateway | undefined;
    readonly policyNames: readonly string[];
  },
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
    conditions: planned.conditions,
    policyNames,
    ...(lastFailover === undefined ? {} : { lastFailover }),
    ...(planned.pin === undefined ? {} : { pin: planned.pin }),
  };
}

function nodeViews({ gateways }: Plan, { nodes, leases, now }: Snapshot): readonly NodeView[] {
  const cordoned = new Set(nodes.filter(({ cordoned }) => cordoned).map(({ name }) => name));
  const leaseOf = new Map(leases.map((lease) => [lease.name, lease]));
  const names = new Set(gateways.flatMap(({ candidates }) => candidates.map(({ node }) => node)));
  return [...names].sort(byText).map((name): NodeView => {
    const lease = leaseOf.get(name);
    const node = { name, cordoned: cordoned.has(name) };
    if (lease?.renewedAt === undefined) return node;
    const heartbeat = hasMissedRenewal(lease, now)
      ? { last: rfc3339(lease.renewedAt) }
      : "Fresh" as const;
    return { ...node, heartbeat };
  });
}

/** What the status remembers, with what this tick adds to it. */
function movesOf(
  { name, move, phase, term }: GatewayPlan,
  gateway: Gateway | undefined,
): readonly MoveView[] {
  const stored = gateway?.status.history ?? [];
  const moves = move === undefined
    ? stored
    : [move, ...stored.filter((other) => other.term !== move.term)];
  return moves.map((each) => ({
    ...each,
    gateway: name,
    underWay: phase === "Preparing" && each.term === term,
  }));
}

function describeSource(gateway: Gateway): string {
  const source = gateway.spec.sourceIP;
  if (source.mode === "VirtualIPAddress") return source.ips.join(", ");
  return `primary address of ${source.interfaceName}`;
}
