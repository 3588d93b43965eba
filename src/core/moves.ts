/** What is remembered of a gateway's moves: one entry of `status.history` for each term, and what clients went without. */
import type { Election } from "./elect.ts";
import type { Facts } from "./facts.ts";
import { fitText } from "./fit.ts";
import { hasMissedRenewal, isAbandoned, trustInHeartbeats } from "./heartbeat.ts";
import { lastSpeaker } from "./takeover.ts";
import { parseTime, rfc3339Milliseconds } from "./time.ts";
import { TIMINGS } from "./timings.ts";
import type { Tenure } from "./tenure.ts";
import type {
  Candidate,
  Failover,
  Gateway,
  Lease,
  Milliseconds,
  MoveReason,
  PastMove,
  ReasonType,
} from "./types.ts";

/** How many moves a status remembers, as its CRD accepts. */
export const REMEMBERED_MOVES = 20;

/** What somebody asked for: a node that is taken away in order. */
const ASKED_FOR: ReadonlySet<ReasonType> = new Set([
  "NodeCordoned",
  "NodeDeleting",
  "AgentLeaving",
]);

/** What says nothing else about a node that is taken away: its agent is about to end, or to begin anew. */
const ALONG: ReadonlySet<ReasonType> = new Set(["AgentNotReady", "Unreadable"]);

const REASONS: Partial<Record<Election["decision"], MoveReason>> = {
  Elect: "Elected",
  FailOver: "FailedOver",
  FailBack: "FailedBack",
  Move: "Moved",
};

/**
 * The election, in which a gateway that leaves a node since somebody asked for it is a move and no failover: the node was
 * cordoned or drained, its agent is being replaced, or it is no candidate any more.
 */
export function namedByCause(
  election: Election,
  { gateway, candidates, facts }: Scene,
): Election {
  const { activeNodeName } = gateway.status;
  return election.decision === "FailOver" &&
      isAskedFor(activeNodeName, { gateway, candidates, facts })
    ? { ...election, decision: "Move" }
    : election;
}

interface Scene {
  readonly gateway: Gateway;
  readonly candidates: readonly Candidate[];
  readonly facts: Facts;
}

function isAskedFor(holder: string | undefined, { gateway, candidates, facts }: Scene): boolean {
  if (holder === undefined) return false;
  // What is dead was not handed over, whatever was asked for before or since.
  if (silentLease(holder, { gateway, facts }) !== undefined) return false;
  const candidate = candidates.find(({ node }) => node === holder);
  if (candidate === undefined) return facts.byNode.has(holder);
  const types = candidate.reasons.map(({ type }) => type);
  return types.some((type) => ASKED_FOR.has(type)) &&
    types.every((type) => ASKED_FOR.has(type) || ALONG.has(type));
}

/** The gateway's moves once this status is written, the latest first. */
export function historyOf(
  gateway: Gateway,
  context: {
    readonly begins: boolean;
    readonly tenure: Tenure;
    /** The term's move, with its duration where it is done. */
    readonly move: Failover | undefined;
    readonly election: Election;
    readonly candidates: readonly Candidate[];
    readonly facts: Facts;
  },
): readonly PastMove[] {
  const { begins, tenure, move } = context;
  const stored = gateway.status.history ?? [];
  const [head, ...rest] = begins
    ? [begun(gateway, context), ...stored.slice(0, REMEMBERED_MOVES - 1)]
    : stored;
  // A term of a version that remembers no moves has no entry. What is stored was fit to be written.
  return head === undefined || head.term !== tenure.term ? stored : [finished(head, move), ...rest];
}

function finished(entry: PastMove, move: Failover | undefined): PastMove {
  const duration = move?.durationMilliseconds;
  if (
    duration === undefined || entry.to === undefined || entry.durationMilliseconds !== undefined
  ) {
    return entry;
  }
  const [began, since] = [parseTime(entry.time), parseTime(entry.outageSince)];
  return {
    ...entry,
    durationMilliseconds: duration,
    ...(began === undefined || since === undefined
      ? {}
      : { outageMilliseconds: Math.max(0, began - since) + duration }),
  };
}

function begun(
  gateway: Gateway,
  { tenure, move, election, candidates, facts }: Parameters<typeof historyOf>[1],
): PastMove {
  const { holder, term } = tenure;
  const { now, clock = now } = facts.snapshot;
  const from = lastSpeaker(gateway);
  const reason = holder === undefined ? "Dropped" : REASONS[election.decision] ?? "Renewed";
  const since = outageSince(gateway, { from, clock, facts });
  return {
    term,
    time: holder === undefined
      ? rfc3339Milliseconds(clock)
      : move?.startTime ?? rfc3339Milliseconds(clock),
    ...(from === undefined ? {} : { from }),
    ...(holder === undefined ? {} : { to: holder }),
    reason,
    message: fitText(holder === undefined ? election.message : move?.reason ?? election.message),
    planned: isPlanned(reason, { gateway, candidates, facts }),
    ...(since === undefined ? {} : { outageSince: rfc3339Milliseconds(since) }),
  };
}

function isPlanned(
  reason: MoveReason,
  { gateway, candidates, facts }: Scene,
): boolean {
  const { activeNodeName, history } = gateway.status;
  switch (reason) {
    case "Elected":
      // Whatever left the gateway without a node ends here.
      return lastOf(gateway)?.reason === "Dropped" ? history?.[0]?.planned ?? true : true;
    case "Dropped":
      return isAskedFor(activeNodeName, { gateway, candidates, facts });
    case "FailedOver":
      return false;
    default:
      return true;
  }
}

/** The entry of the term that the status is of. */
function lastOf({ status: { history, term } }: Gateway): PastMove | undefined {
  const [head] = history ?? [];
  return head?.term === term ? head : undefined;
}

/**
 * Since when clients go without, by the API server's clock; undefined where that is not known, or where nothing was served
 * before.
 *
 * An agent that is not heard any more may be gone since its last renewal that was answered: its node's right to speak rests on
 * that. A node whose agent is heard serves until it is told otherwise, which is now. A move that was given up goes on with
 * what it began.
 */
function outageSince(
  gateway: Gateway,
  { from, clock, facts }: {
    readonly from: string | undefined;
    readonly clock: Milliseconds;
    readonly facts: Facts;
  },
): Milliseconds | undefined {
  const { phase } = gateway.status;
  if (from === undefined) return undefined;
  if (phase === "Preparing" || phase === "Idle") return parseTime(lastOf(gateway)?.outageSince);
  const silent = silentLease(from, { gateway, facts });
  if (silent !== undefined) return lastHeardAt(silent, clock);
  if (facts.leases.get(from)?.renewedAt !== undefined) return clock;
  // Without an agent there is only Kubernetes' word.
  const node = facts.byNode.get(from)?.node;
  return node?.ready === "False" || node?.ready === "Unknown" ? node.readySince : node && clock;
}

/** A node's Lease where its agent is not heard any more, and that means something. */
function silentLease(
  node: string,
  { gateway, facts }: Pick<Scene, "gateway" | "facts">,
): Lease | undefined {
  const { snapshot: { now }, byNode } = facts;
  const lease = facts.leases.get(node);
  if (lease?.renewedAt === undefined || !hasMissedRenewal(lease, now)) return undefined;
  const hasAgentPod = (byNode.get(node)?.agentPods.length ?? 0) > 0;
  // An agent that was taken away is not dead; but a node that is gone takes its agent with it.
  if (byNode.has(node) && isAbandoned(lease, { hasAgentPod, now })) return undefined;
  return trustInHeartbeats(gateway, facts) === "Believed" ? lease : undefined;
}

/** When a Lease was last renewed: by the server's whole seconds, and within these by what was seen of it. */
function lastHeardAt(
  { renewedAt = 0, unchangedForMilliseconds }: Lease,
  clock: Milliseconds,
): Milliseconds {
  if (unchangedForMilliseconds === undefined) return Math.min(renewedAt, clock);
  const seen = clock - unchangedForMilliseconds;
  const latest = renewedAt + TIMINGS.clockGrainMilliseconds - 1;
  return Math.min(Math.max(seen, renewedAt), latest, clock);
}
