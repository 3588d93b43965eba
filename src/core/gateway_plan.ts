/** What becomes of one gateway in this tick: its holder, its phase, and the writes that get it there. */
import { candidatesOf, listedCandidates } from "./candidates.ts";
import { elect } from "./elect.ts";
import type { Election } from "./elect.ts";
import type { Facts } from "./facts.ts";
import { gatewayConditions } from "./gateway_conditions.ts";
import { refusalOf } from "./refusals.ts";
import type { Refusal } from "./refusals.ts";
import { virtualIPOf } from "./reports.ts";
import { boundAtOf, handover, moveStartedAt, servingNode } from "./takeover.ts";
import type { Fence, Handover } from "./takeover.ts";
import { parseTime, rfc3339Milliseconds } from "./time.ts";
import type { Candidate, Decision, Failover, Gateway, GatewayStatus, Phase } from "./types.ts";

/** How many standbys a gateway in primary-IP mode lists; it prepares none. */
const LISTED_STANDBYS = 2;

/** The node that the traffic leaves by. */
export interface Route {
  /** Undefined: no node, so that Cilium drops. */
  readonly node: string | undefined;
  /**
   * True while a handover waits: policies that exist go on naming the node that they name, with the address that they
   * have; only new ones are pointed at `node`.
   */
  readonly waiting: boolean;
  readonly term: number;
  /** When the VIP was bound on `node`, as its agent reports it; undefined where nobody says. */
  readonly boundAt: string | undefined;
}

/** The outcome for one gateway. `policies.ts` and `plan.ts` turn it into writes. */
export interface GatewayOutcome {
  readonly gateway: Gateway;
  readonly candidates: readonly Candidate[];
  readonly decision: Decision;
  readonly message: string;
  /** Where Cilium's policies are to send the traffic once this plan is applied. */
  readonly route: Route;
  /** Written first; equal to the stored status where nothing changes. */
  readonly statusBefore: GatewayStatus;
  readonly fences: readonly Fence[];
  /** Written after the policies; absent where `statusBefore` is the last word. */
  readonly statusAfter: GatewayStatus | undefined;
  readonly refusal: Refusal | null;
}

/** Decides one gateway from the snapshot alone. */
export function decideGateway(gateway: Gateway, facts: Facts): GatewayOutcome {
  const { now } = facts.snapshot;
  const candidates = candidatesOf(gateway, facts);
  const refusal = refusalOf(gateway, facts);
  const election: Election = refusal?.refused
    ? { holder: undefined, decision: "None", message: refusal.message }
    : elect(gateway, { candidates, now });
  const core = coreOf(gateway, { election, clock: facts.snapshot.clock ?? now });
  const move = moveOf(gateway, { election, core, candidates, facts });
  const done = move === undefined || move.state === "ready";
  const before = move === undefined ? core : { ...core, phase: "Preparing" as const };
  const after = move?.state === "ready" ? { ...core, phase: "Active" as const } : undefined;
  const finish = (part: Core, election: Election): GatewayStatus =>
    statusOf(gateway, { core: part, election, candidates, refusal, facts, wait: move });

  return {
    gateway,
    candidates,
    decision: election.decision === "Keep" && !done ? "Wait" : election.decision,
    message: done ? election.message : `${election.message}; ${move.message}`,
    route: routeOf(gateway, { core, move, facts }),
    statusBefore: finish(before, election),
    fences: move?.fences ?? [],
    statusAfter: after === undefined ? undefined : finish(after, election),
    refusal,
  };
}

/** Holder, term, phase and move: the part of the status that fencing rests on. */
export interface Core {
  readonly holder: string | undefined;
  readonly term: number;
  readonly phase: Phase;
  readonly lastFailover: Failover | undefined;
}

function coreOf(
  gateway: Gateway,
  { election, clock }: { election: Election; clock: number },
): Core {
  const { term = 0, lastFailover } = gateway.status;
  const { holder } = election;
  if (!begins(gateway, holder)) {
    return { holder, term, phase: gateway.status.phase ?? "Idle", lastFailover };
  }
  if (holder === undefined) return { holder, term: term + 1, phase: "Idle", lastFailover };
  const from = servingNode(gateway);
  return {
    holder,
    term: term + 1,
    phase: "Active",
    lastFailover: {
      ...(from === undefined ? {} : { from }),
      to: holder,
      reason: holder === gateway.status.activeNodeName ? whyAnew(gateway) : election.message,
      startTime: rfc3339Milliseconds(clock),
      ...(virtualIPOf(gateway) === undefined ? { durationMilliseconds: 0 } : {}),
    },
  };
}

/** Tells whether a new term begins: another holder, another virtual IP, or a status that is not of our making. */
function begins(gateway: Gateway, holder: string | undefined): boolean {
  const { activeNodeName, egressIP, phase } = gateway.status;
  if (holder !== activeNodeName) return true;
  return holder !== undefined && (phase === undefined || egressIP !== virtualIPOf(gateway));
}

/** Why a term begins though the holder stays. */
function whyAnew(gateway: Gateway): string {
  const { phase, egressIP = "the node's own" } = gateway.status;
  return phase === undefined
    ? "The holder is taken over from a status without phase"
    : `The source address changed from ${egressIP} to ${virtualIPOf(gateway) ?? "the node's own"}`;
}

/** The handover of a VIP that this tick begins or goes on with; undefined where nothing is to be handed over. */
function moveOf(
  gateway: Gateway,
  context: { election: Election; core: Core; candidates: readonly Candidate[]; facts: Facts },
): Handover | undefined {
  const { election: { holder }, core, candidates, facts } = context;
  if (virtualIPOf(gateway) === undefined || holder === undefined) return undefined;
  const changed = begins(gateway, holder);
  if (!changed && gateway.status.phase === "Active") return undefined;
  return handover({
    gateway,
    to: holder,
    from: servingNode(gateway),
    term: core.term,
    startedAt: changed ? facts.snapshot.now : moveStartedAt(gateway) ?? facts.snapshot.now,
    candidates,
  }, facts);
}

function routeOf(
  gateway: Gateway,
  { core, move, facts }: { core: Core; move: Handover | undefined; facts: Facts },
): Route {
  const waiting = move?.state === "waiting";
  const node = waiting ? servingNode(gateway) : core.holder;
  const boundAt = node === undefined ? undefined : boundAtOf(node, { gateway, facts });
  return { node, waiting, term: core.term, boundAt };
}

function statusOf(
  gateway: Gateway,
  context: {
    core: Core;
    election: Election;
    candidates: readonly Candidate[];
    refusal: Refusal | null;
    facts: Facts;
    wait: Handover | undefined;
  },
): GatewayStatus {
  const { core, candidates, facts } = context;
  const addresses = core.holder === undefined
    ? undefined
    : facts.byNode.get(core.holder)?.node.internalIPs;
  const virtualIP = virtualIPOf(gateway);
  const standbys = standbysOf(gateway, { candidates, holder: core.holder });
  const { now, clock = now } = facts.snapshot;
  const move = core.lastFailover;
  const completed =
    core.phase === "Active" && move !== undefined && move.durationMilliseconds === undefined
      ? {
        ...move,
        durationMilliseconds: Math.max(0, clock - (parseTime(move.startTime) ?? clock)),
      }
      : move;
  return {
    observedGeneration: gateway.generation,
    ...(core.holder === undefined ? {} : { activeNodeName: core.holder }),
    ...(addresses === undefined || addresses.length === 0
      ? {}
      : { activeNodeAddresses: addresses }),
    standbyNodeNames: standbys,
    ...(virtualIP === undefined || core.holder === undefined ? {} : { egressIP: virtualIP }),
    readyNodes: candidates.filter(({ eligible }) => eligible).length,
    term: core.term,
    phase: core.phase,
    candidates: listedCandidates(candidates, core.holder),
    ...(completed === undefined ? {} : { lastFailover: completed }),
    conditions: gatewayConditions(gateway, { ...context, standbys }),
  };
}

/** The best-ranked eligible candidates beside the holder. */
function standbysOf(
  gateway: Gateway,
  { candidates, holder }: { candidates: readonly Candidate[]; holder: string | undefined },
): readonly string[] {
  if (holder === undefined) return [];
  const { sourceIP } = gateway.spec;
  const count = sourceIP.mode === "VirtualIPAddress" ? sourceIP.standbys : LISTED_STANDBYS;
  return candidates.filter(({ eligible, node }) => eligible && node !== holder).slice(0, count)
    .map(({ node }) => node);
}
