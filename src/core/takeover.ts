/**
 * The takeover of a virtual IP: when may the newly elected node take the traffic and speak for the VIP?
 *
 * Safety rests on two objects that are written with the resourceVersion they were read at:
 *  - the gateway's status: terms grow one at a time, and phase Active of a term is written only by who read that term;
 *  - the Lease of each node that might still speak. Before the new holder may, such a node has either acknowledged the
 *    new term in silence, or its Lease carries a fence. The fence is written against the resourceVersion that showed
 *    the node silent (or expired): a renewal in between makes the write fail, and every renewal after it brings the
 *    fence back to the agent in its response, before it may speak again.
 *
 * See ARCHITECTURE.md for the agent's half and the argument.
 */
import { isSpeechExpired } from "./heartbeat.ts";
import {
  areSameIPs,
  claimsSpeech,
  egressIPsOf,
  foreignHost,
  freshReport,
  isUnreachable,
  reportedAddresses,
  unreportedIPs,
  virtualIPsInWords,
  virtualIPsOf,
} from "./reports.ts";
import { sortedByName } from "./order.ts";
import { isCredible } from "./terms.ts";
import { parseTime, rfc3339 } from "./time.ts";
import { TIMINGS } from "./timings.ts";
import type { Facts } from "./facts.ts";
import type { Candidate, FencedNode, Gateway, Lease, Milliseconds } from "./types.ts";

/** An agent has a VIP in the name of one gateway or two; a fence need not grow with the names that somebody makes up. */
const MOST_NAMES = 8;

/** What stands between an elected node and its traffic. */
export type Handover =
  | { readonly state: "ready"; readonly fences: readonly Fence[] }
  | {
    readonly state: "waiting";
    readonly fences: readonly Fence[];
    /** Nodes that are seen to be fenced for this term, and when first. */
    readonly fenced: readonly FencedNode[];
    readonly message: string;
  };

/** A write to a Lease that forbids its agent to speak for gateways below a term. */
export interface Fence {
  readonly node: string;
  /** Absent: there is no such Lease, and the fence creates it. */
  readonly lease?: Lease;
  /** Gateway uid -> term. */
  readonly terms: Readonly<Record<string, number>>;
}

export interface Move {
  readonly gateway: Gateway;
  /** The elected node. */
  readonly to: string;
  /** The node that was last allowed to speak. */
  readonly from: string | undefined;
  /** The virtual IPs that it spoke for, where that is certain; else none. */
  readonly fromEgressIPs: readonly string[];
  /** Nodes that were seen to be fenced for this term, and when first. */
  readonly fenced: readonly FencedNode[];
  /** The term of the move. */
  readonly term: number;
  readonly startedAt: Milliseconds;
  readonly candidates: readonly Candidate[];
}

/** Tells whether the move may be completed now, which fences that needs, or what it waits for. */
export function handover(move: Move, facts: Facts): Handover {
  const unbound = whyNotBound(move, facts);
  const others = nodesThatMaySpeak(move, facts).map((node) => release(node, move, facts));
  const fences = others.flatMap(({ fence }) => fence === undefined ? [] : [fence]);
  const waiting = [
    ...(unbound === null ? [] : [unbound]),
    ...others.flatMap(({ message }) => message === undefined ? [] : [message]),
  ];
  if (waiting.length === 0) return { state: "ready", fences };
  // A fence that nothing waits for any more would only silence an agent early; it is written with the completion.
  const early = others.flatMap(({ fence, message }) =>
    fence !== undefined && message !== undefined ? [fence] : []
  );
  const fenced = others.flatMap(({ fenced }) => fenced === undefined ? [] : [fenced]);
  return { state: "waiting", fences: early, fenced, message: waiting.join("; ") };
}

/** VIP -> when it was bound on the node that now serves, as its agent reports it. */
export function boundAtOf(
  node: string,
  { gateway, facts }: { readonly gateway: Gateway; readonly facts: Facts },
): Readonly<Record<string, string>> {
  const reported = reportedAddresses(facts.leases.get(node), gateway);
  return Object.fromEntries(reported.map(({ ip, boundAt }) => [ip, boundAt]));
}

/** Why the elected node cannot be relied on to have all VIPs bound; null where it can. */
function whyNotBound({ gateway, to, term }: Move, facts: Facts): string | null {
  const lease = facts.leases.get(to);
  const report = freshReport(lease, { gateway, snapshot: facts.snapshot });
  const unbound = report === undefined ? virtualIPsOf(gateway) : unreportedIPs(lease, gateway);
  if (unbound.length > 0) {
    return `${to} has not yet reported ${virtualIPsInWords(unbound, gateway)} as bound`;
  }
  const foreign = foreignHost(to, { gateway, facts });
  if (foreign !== undefined) {
    return `${to} sees another host (${foreign.mac}) that answers for ${
      virtualIPsInWords([foreign.ip], gateway)
    }`;
  }
  // A node that was told neither to stand by nor to hold may be about to remove the address.
  const { standbyNodeNames, activeNodeName, lastFailover } = gateway.status;
  const told = [...(standbyNodeNames ?? []), activeNodeName, lastFailover?.from].includes(to);
  const hasTerm = reportedAddresses(lease, gateway).every((address) => address.term >= term);
  return told || hasTerm ? null : `${to} has not yet acknowledged term ${term}`;
}

/**
 * The last node that was allowed to speak. Where it is certain that it spoke for this very VIP, all others were silent or
 * fenced when it began, and whoever claims the VIP since was elected and given up, or lies. Else also every node whose Lease says
 * that it speaks, and those whose Leases say nothing, but that were elected and given up, or spoke for another gateway which has
 * this VIP, or had it until a move that is not finished.
 */
function nodesThatMaySpeak(move: Move, facts: Facts): readonly string[] {
  const { gateway, from, to } = move;
  const ips = virtualIPsOf(gateway);
  if (isVIPKnown(move)) {
    const claiming = givenUp(move).filter((node) => renewsClaim(node, gateway, facts));
    const nodes = new Set(from === undefined ? claiming : [from, ...claiming]);
    return [...nodes].filter((node) => node !== to);
  }
  const claiming = claimants(gateway, facts).map(({ name }) => name);
  const others = facts.snapshot.gateways.filter(({ uid, status }) =>
    uid !== gateway.uid &&
    (egressIPsOf(status).some((ip) => ips.includes(ip)) || status.phase === "Preparing")
  );
  const unheard = [...others.map(lastSpeaker), ...givenUp(move)].filter((node) =>
    node !== undefined && facts.leases.get(node)?.renewedAt === undefined
  );
  const nodes = new Set([from, ...claiming, ...unheard].filter((node) => node !== undefined));
  return [...nodes].filter((node) => node !== to).sort();
}

/**
 * Nodes that were elected since somebody served, and given up. By the status none of them may speak; but one of a backup has lost it
 * where one did, and one that was made anew does not know what they said in an older one's name.
 */
function givenUp({ gateway, term }: Move): readonly string[] {
  const earlier = (gateway.status.history ?? []).filter((move) => move.term < term);
  const served = earlier.findIndex((move) => move.durationMilliseconds !== undefined);
  return earlier.slice(0, served < 0 ? earlier.length : served).flatMap(({ to }) => to ?? []);
}

/** Tells whether an agent goes on to renew a claim of the gateway's VIP. */
function renewsClaim(node: string, gateway: Gateway, facts: Facts): boolean {
  const lease = facts.leases.get(node);
  return freshReport(lease, { gateway, snapshot: facts.snapshot }) !== undefined &&
    reportedAddresses(lease, gateway).some(({ speaking }) => speaking);
}

/** Tells whether the gateway had these VIPs before the move, so that only the last speaker may speak for it. */
function isVIPKnown({ gateway, from, fromEgressIPs }: Move): boolean {
  return from !== undefined && areSameIPs(fromEgressIPs, virtualIPsOf(gateway));
}

/** Leases whose last report claims one of the gateway's VIPs, by name. */
function claimants(gateway: Gateway, facts: Facts): readonly Lease[] {
  const ips = virtualIPsOf(gateway);
  return sortedByName([...facts.leases.values()].filter((lease) => claimsSpeech(lease, ips)));
}

function isFenced(lease: Lease, terms: Fence["terms"]): boolean {
  return Object.entries(terms).every(([uid, least]) => (lease.fence[uid] ?? 0) >= least);
}

/** Tells whether a Lease carries the fence of a gateway's term, and not a number that nobody of ours wrote. */
function isFencedFor(lease: Lease, gateway: Gateway, term: number): boolean {
  const fence = lease.fence[gateway.uid] ?? 0;
  return fence >= term && isCredible(fence, gateway);
}

interface Release {
  readonly fence?: Fence;
  readonly fenced?: FencedNode;
  /** What is waited for; absent: this node will not speak again in an older term. */
  readonly message?: string;
}

function release(node: string, move: Move, facts: Facts): Release {
  const { gateway, term, startedAt, candidates } = move;
  const { now } = facts.snapshot;
  const lease = facts.leases.get(node);
  const own = { [gateway.uid]: Math.max(term, claimedTerm(lease, gateway) + 1) };
  const terms = isVIPKnown(move) ? own : { ...foreignClaims(lease, gateway), ...own };
  const fence: Fence = { node, terms, ...(lease === undefined ? {} : { lease }) };
  // What was seen in the future was seen before the server's clock was set back.
  const first = move.fenced.find(({ node: name, time }) =>
    name === node && (parseTime(time) ?? Infinity) - now <= TIMINGS.clockGrainMilliseconds
  );
  const seen = first === undefined ? {} : { fenced: first };
  // Somebody deleted its Lease, and it may have been renewed a moment before.
  if (lease === undefined) return { ...seen, fence, message: `${node} has no Lease` };
  // From the first fence on: what a node says anew, takes away, or writes as somebody else, puts nothing off.
  if (hasPassed(parseTime(first?.time), { lease, gateway, now })) return {};

  const claims = claimsSpeech(lease, virtualIPsOf(gateway)) || lease.reportError !== undefined;
  if (!claims && hasRead(lease, { gateway, term })) return {};

  const gone = isSpeechExpired(lease, now) || isUnreachable(node, candidates);
  const isOurs = isFencedFor(lease, gateway, term);
  const complete = isOurs && isFenced(lease, terms);
  if (gone) return complete ? {} : { fence };
  // Silence in an older term proves nothing: that renewal may have been held up on its way and overtaken by a claim.
  if (isOurs) {
    if (hasPassed(lease.fencedAt, { lease, gateway, now })) return {};
    const state = claims ? "still reports that it speaks" : "has not answered";
    return {
      fenced: first ?? { node, time: rfc3339(now) },
      message: `${node} was told to fall silent and ${state}`,
      ...(complete ? {} : { fence }),
    };
  }
  const state = claims ? "still speaks for the virtual IP" : `has not yet answered term ${term}`;
  const mayBeFenced = now - startedAt >= TIMINGS.yieldMilliseconds ||
    startedAt - now > TIMINGS.clockGrainMilliseconds;
  return {
    ...seen,
    message: `${node} ${state}`,
    ...(mayBeFenced || lease.renewedAt === undefined ? { fence } : {}),
  };
}

/**
 * Tells whether all speech from before a fence has expired: by the server's clock, which may have been set, and no sooner
 * than was seen; or by what was seen alone.
 */
function hasPassed(
  fencedAt: Milliseconds | undefined,
  { lease, gateway, now }: {
    readonly lease: Lease;
    readonly gateway: Gateway;
    readonly now: Milliseconds;
  },
): boolean {
  if (fencedAt === undefined) return false;
  const { forMilliseconds = 0, withinMilliseconds = Infinity } = lease.fenceAges?.[gateway.uid] ??
    {};
  return Math.min(now - fencedAt, withinMilliseconds) >= TIMINGS.fenceMilliseconds ||
    forMilliseconds > TIMINGS.fenceMilliseconds;
}

/** The highest credible term in which a Lease claims a VIP in the gateway's own name. */
function claimedTerm(lease: Lease | undefined, gateway: Gateway): number {
  const terms = reportedAddresses(lease, gateway).flatMap(({ speaking, term }) =>
    speaking && isCredible(term, gateway) ? [term] : []
  );
  return Math.max(0, ...terms);
}

/**
 * A fence that forbids nothing: the holder's agent renews its Lease, but has not read the term that it holds, since its
 * watch hangs. An agent that is fenced at a term which it does not know lists the gateways anew.
 */
export function reminder(gateway: Gateway, facts: Facts): readonly Fence[] {
  if (virtualIPsOf(gateway).length === 0) return [];
  const { activeNodeName: node, term = 0, lastFailover } = gateway.status;
  const lease = node === undefined ? undefined : facts.leases.get(node);
  const { now } = facts.snapshot;
  const began = parseTime(lastFailover?.startTime) ?? now;
  const report = freshReport(lease, { gateway, snapshot: facts.snapshot });
  if (node === undefined || lease === undefined || report === undefined) return [];
  if (now - began < TIMINGS.hearMilliseconds || (lease.fence[gateway.uid] ?? 0) >= term) return [];
  const knows = hasRead(lease, { gateway, term });
  return knows ? [] : [{ node, lease, terms: { [gateway.uid]: term } }];
}

/**
 * Fences for nodes that claim the VIP which another node serves with. There are none, but for a claim that was hidden from
 * the handover: in an older gateway's name, by a renewal that was held up on its way and arrived after it.
 */
export function fencesBeside(gateway: Gateway, facts: Facts): readonly Fence[] {
  const { activeNodeName, phase, term = 0 } = gateway.status;
  if (phase !== "Active" || activeNodeName === undefined) return [];
  return claimants(gateway, facts).filter(({ name }) => name !== activeNodeName).flatMap(
    (lease) => {
      const own = Math.max(term, claimedTerm(lease, gateway) + 1);
      const terms = { ...foreignClaims(lease, gateway), [gateway.uid]: own };
      return isFenced(lease, terms) ? [] : [{ node: lease.name, lease, terms }];
    },
  );
}

/** A fence on the holder that nobody of ours wrote, and that would keep it silent for good, is set to its term. */
export function mendedFence(
  gateway: Gateway,
  { holder, term, facts }: {
    readonly holder: string;
    readonly term: number;
    readonly facts: Facts;
  },
): readonly Fence[] {
  const lease = facts.leases.get(holder);
  const fence = lease?.fence[gateway.uid] ?? 0;
  if (lease === undefined || fence <= term || isCredible(fence, gateway)) return [];
  return [{ node: holder, lease, terms: { [gateway.uid]: term } }];
}

/** Tells whether a report is of an agent that has read the gateway's term, whichever VIP of it, or none, is bound there. */
function hasRead(
  lease: Lease,
  { gateway, term }: { readonly gateway: Gateway; readonly term: number },
): boolean {
  const { addresses = [], heard = {} } = lease.report ?? {};
  return (heard[gateway.uid] ?? 0) >= term ||
    addresses.some((address) => address.uid === gateway.uid && address.term >= term);
}

/**
 * What ends an agent's speech for the VIP in another gateway's name: one that was deleted, or that had the VIP before.
 * The agent may not know yet, and a fence of this gateway would say nothing to it.
 */
function foreignClaims(
  lease: Lease | undefined,
  gateway: Gateway,
): Readonly<Record<string, number>> {
  const ips = virtualIPsOf(gateway);
  const claims = lease?.report?.addresses.filter(({ speaking, ip }) =>
    speaking && ips.includes(ip)
  );
  return Object.fromEntries(
    (claims ?? []).filter(({ uid, term }) => uid !== gateway.uid && Number.isSafeInteger(term + 1))
      .slice(0, MOST_NAMES).map(({ uid, term }) => [uid, term + 1]),
  );
}

/** The node that was last allowed to speak; it may not have heard yet that nobody holds the gateway. */
export function lastSpeaker(gateway: Gateway): string | undefined {
  const { phase, lastFailover } = gateway.status;
  if (phase !== "Idle") return servingNode(gateway);
  // A move that was broken off made no speaker.
  return lastFailover?.durationMilliseconds === undefined ? lastFailover?.from : lastFailover.to;
}

/** Tells whether a node holds a gateway, or hands it over in a move that is under way. */
export function isInvolved({ status }: Gateway, node: string): boolean {
  const { activeNodeName, phase, lastFailover } = status;
  return activeNodeName === node || (phase === "Preparing" && lastFailover?.from === node);
}

/** Where a move that is under way began; for a gateway that serves, the holder itself. */
export function servingNode(gateway: Gateway): string | undefined {
  const { phase, activeNodeName, lastFailover } = gateway.status;
  return phase === "Active"
    ? activeNodeName
    : phase === "Preparing"
    ? lastFailover?.from
    : undefined;
}

/** When the move that is under way was decided. */
export function moveStartedAt(gateway: Gateway): Milliseconds | undefined {
  return gateway.status.phase === "Preparing"
    ? parseTime(gateway.status.lastFailover?.startTime)
    : undefined;
}
