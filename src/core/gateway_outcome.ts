/** What becomes of one gateway in this tick: its holder, its phase, and the writes that get it there. */
import { hasFallenSilent } from "./candidates.ts";
import { elect } from "./elect.ts";
import type { Election } from "./elect.ts";
import type { Facts } from "./facts.ts";
import { statusOf } from "./gateway_status.ts";
import { namedByCause } from "./moves.ts";
import { phasesOf } from "./phase.ts";
import type { Phases } from "./phase.ts";
import { pinOf } from "./pin.ts";
import { refusalOf } from "./refusals.ts";
import type { Refusal } from "./refusals.ts";
import { virtualIPOf } from "./reports.ts";
import {
  boundAtOf,
  fencesBeside,
  handover,
  lastSpeaker,
  mendedFence,
  moveStartedAt,
  reminder,
  servingNode,
} from "./takeover.ts";
import type { Fence, Handover } from "./takeover.ts";
import { begins, fromEgressIPsOf, tenureOf } from "./tenure.ts";
import type { Tenure } from "./tenure.ts";
import type { Candidate, Decision, Gateway, GatewayStatus, PastMove, Phase, Pin } from "./types.ts";

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
  /** VIP -> when it was bound on `node`, as its agent reports it. */
  readonly boundAt: Readonly<Record<string, string>>;
}

/** The outcome for one gateway. `changes.ts` turns it into writes. */
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
  /** Fences that nothing waits for. */
  readonly asides: readonly Fence[];
  /** Written after the policies; absent where `statusBefore` is the last word. */
  readonly statusAfter: GatewayStatus | undefined;
  readonly refusal: Refusal | null;
  readonly pin: Pin | undefined;
  /** The move that begins or is finished now. */
  readonly past: PastMove | undefined;
}

/**
 * Decides one gateway from the snapshot and its candidates, which come best-ranked first; `preferred`: in another order for the
 * election.
 */
export function decideGateway(
  gateway: Gateway,
  { candidates, preferred = candidates, facts }: {
    readonly candidates: readonly Candidate[];
    readonly preferred?: readonly Candidate[] | undefined;
    readonly facts: Facts;
  },
): GatewayOutcome {
  const { now } = facts.snapshot;
  const pin = pinOf(gateway, candidates);
  const refusal = refusalOf(gateway, facts);
  const isLate = (node: string) => hasFallenSilent(gateway, node, facts);
  const election: Election = refusal?.refused
    ? { holder: undefined, decision: "None", message: refusal.message }
    : namedByCause(elect(gateway, { candidates: preferred, isLate, now }), {
      gateway,
      candidates,
      facts,
    });
  const begun = tenureOf(gateway, { election, clock: facts.snapshot.clock ?? now, facts });
  const move = moveOf(gateway, { election, tenure: begun, candidates, facts });
  const tenure = withFenced(begun, move);
  const done = move === undefined || move.state === "ready";
  const phases = phasesOf({ holder: tenure.holder, handover: move?.state });
  const statusIn = (phase: Phase): GatewayStatus =>
    statusOf(gateway, { tenure, phase, election, candidates, refusal, facts, wait: move });
  const statusBefore = statusIn(phases.first);
  const statusAfter = phases.first === phases.last ? undefined : statusIn(phases.last);

  return {
    gateway,
    candidates,
    decision: election.decision === "Keep" && !done ? "Wait" : election.decision,
    message: [
      election.message,
      ...done ? [] : [move.message],
      ...pin === undefined || pin.state === "Obeyed" ? [] : [pin.message],
    ].join("; "),
    route: routeOf(gateway, { tenure, move, facts }),
    statusBefore,
    fences: move?.fences ?? [],
    asides: asidesOf(gateway, { tenure, phases, facts }),
    statusAfter,
    refusal,
    pin,
    past: newsOf(gateway, statusAfter ?? statusBefore),
  };
}

/** The latest move where the status tells something new of it. */
function newsOf(gateway: Gateway, { history }: GatewayStatus): PastMove | undefined {
  const [before] = gateway.status.history ?? [];
  const [move] = history ?? [];
  return move?.term === before?.term && move?.durationMilliseconds === before?.durationMilliseconds
    ? undefined
    : move;
}

/** The handover of a VIP that this tick begins or goes on with; undefined where nothing is to be handed over. */
function moveOf(
  gateway: Gateway,
  context: { election: Election; tenure: Tenure; candidates: readonly Candidate[]; facts: Facts },
): Handover | undefined {
  const { election: { holder }, tenure, candidates, facts } = context;
  if (virtualIPOf(gateway) === undefined || holder === undefined) return undefined;
  const changed = begins(gateway, { holder, facts });
  if (!changed && gateway.status.phase === "Active") return undefined;
  return handover({
    gateway,
    to: holder,
    from: lastSpeaker(gateway),
    fromEgressIPs: fromEgressIPsOf(tenure.lastFailover),
    fenced: changed ? [] : gateway.status.lastFailover?.fenced ?? [],
    term: tenure.term,
    startedAt: changed ? facts.snapshot.now : moveStartedAt(gateway) ?? facts.snapshot.now,
    candidates,
  }, facts);
}

/** Remembers in status which nodes were first seen fenced, and when, until the move is done. */
function withFenced(tenure: Tenure, move: Handover | undefined): Tenure {
  if (tenure.lastFailover === undefined) return tenure;
  const { fenced: _, ...lastFailover } = tenure.lastFailover;
  const fenced = move?.state === "waiting" ? move.fenced : [];
  return {
    ...tenure,
    lastFailover: { ...lastFailover, ...(fenced.length === 0 ? {} : { fenced }) },
  };
}

function asidesOf(
  gateway: Gateway,
  { tenure, phases, facts }: { tenure: Tenure; phases: Phases; facts: Facts },
): readonly Fence[] {
  const { holder, term } = tenure;
  if (holder === undefined || virtualIPOf(gateway) === undefined) return [];
  return [
    ...mendedFence(gateway, { holder, term, facts }),
    ...(phases.first === phases.last && !begins(gateway, { holder, facts })
      ? [...reminder(gateway, facts), ...fencesBeside(gateway, facts)]
      : []),
  ];
}

function routeOf(
  gateway: Gateway,
  { tenure, move, facts }: { tenure: Tenure; move: Handover | undefined; facts: Facts },
): Route {
  const waiting = move?.state === "waiting";
  const node = waiting ? servingNode(gateway) : tenure.holder;
  const boundAt = node === undefined ? {} : boundAtOf(node, { gateway, facts });
  return { node, waiting, term: tenure.term, boundAt };
}
