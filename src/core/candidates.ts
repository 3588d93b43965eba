/** The candidates of a gateway: who could hold it, who may, and in which order they are preferred. */
import { countsAgainst, doesHeartbeatCount, examiner, reasonsAbout } from "./eligibility.ts";
import type { Examination } from "./eligibility.ts";
import { nodesMatching } from "./facts.ts";
import type { Facts, NodeFacts } from "./facts.ts";
import { isLate, trustInHeartbeats } from "./heartbeat.ts";
import { sortedByName } from "./order.ts";
import { byPreference, rankOf } from "./rank.ts";
import { virtualIPOf } from "./reports.ts";
import { parseTime, rfc3339 } from "./time.ts";
import type { Candidate, Gateway, Milliseconds, Node } from "./types.ts";

/** How many candidates a status lists, as its CRD accepts. */
export const LISTED_CANDIDATES = 32;

/** All candidates of a gateway, best-ranked first. */
export function candidatesOf(gateway: Gateway, facts: Facts): readonly Candidate[] {
  const examine = examiner(gateway, facts);
  return [
    ...nodesMatching(facts, gateway.spec.nodeSelector).map((subject) => judge(examine(subject))),
    ...unreadHolder(gateway, facts),
  ].sort(byPreference(gateway));
}

/**
 * The holder, where its Node cannot be read at all: it goes on, since nothing is known against it. Its heartbeat still
 * counts.
 */
function unreadHolder(gateway: Gateway, facts: Facts): readonly Candidate[] {
  const name = gateway.status.activeNodeName;
  const why = name === undefined ? undefined : facts.unread.nodes.get(name);
  if (name === undefined || why === undefined || facts.byNode.has(name)) return [];
  const last = gateway.status.candidates?.find(({ node }) => node === name);
  const lease = facts.leases.get(name);
  const node: Node = {
    name,
    resourceVersion: "",
    labels: {},
    cordoned: false,
    deleting: false,
    ready: "Missing",
    internalIPs: [],
    externalIPs: [],
    unread: why,
    unreadLabels: ["*"],
  };
  const subject: NodeFacts = {
    node,
    ciliumPods: sortedByName(facts.snapshot.ciliumPods.filter((pod) => pod.nodeName === name)),
    agentPods: sortedByName(facts.snapshot.agentPods.filter((pod) => pod.nodeName === name)),
    ...(lease === undefined ? {} : { lease }),
  };
  return [{ ...judge(examiner(gateway, facts)(subject)), rank: last?.rank ?? 0 }];
}

/** The candidates that a status has room for: the holder, the excluded ones and the best-ranked, in order. */
export function listedCandidates(
  candidates: readonly Candidate[],
  holder: string | undefined,
): readonly Candidate[] {
  if (candidates.length <= LISTED_CANDIDATES) return candidates;
  const best = candidates.filter(({ eligible }) => eligible).slice(0, LISTED_CANDIDATES / 2);
  const urgency = (candidate: Candidate): number =>
    candidate.node === holder ? 0 : best.includes(candidate) ? 1 : candidate.eligible ? 3 : 2;
  const chosen = new Set(
    [...candidates].sort((a, b) => urgency(a) - urgency(b)).slice(0, LISTED_CANDIDATES),
  );
  return candidates.filter((candidate) => chosen.has(candidate));
}

/** Tells whether a node has missed a renewal a moment ago, where that counts. */
export function hasFallenSilent(gateway: Gateway, node: string, facts: Facts): boolean {
  const subject = facts.byNode.get(node);
  return subject?.lease?.renewedAt !== undefined && isLate(subject.lease, facts.snapshot.now) &&
    trustInHeartbeats(gateway, facts) === "Believed" &&
    doesHeartbeatCount(gateway, { subject, facts });
}

function judge(examination: Examination): Candidate {
  const { gateway, facts: { snapshot }, subject: { node } } = examination;
  const known = reasonsAbout(examination);
  const holds = gateway.status.activeNodeName === node.name;
  const serves = holds && gateway.status.phase === "Active";
  const against = known.filter((reason) =>
    countsAgainst(reason, { now: snapshot.now, holds, serves })
  );
  const eligible = against.length === 0;
  return {
    node: node.name,
    eligible,
    ...(eligible ? { eligibleSince: rfc3339(eligibleSince(examination)) } : {}),
    rank: rankOf(node.labels, gateway.spec),
    // Tolerated ones last: the first reason of an excluded candidate is shown as the cause.
    reasons: [...against, ...known.filter((reason) => !against.includes(reason))],
  };
}

/**
 * Since when a candidate is eligible. Memory lives in status: one that the last status did not list as eligible is
 * eligible since now; where no status was ever written, the objects' own transition times tell. These are of the node's
 * clock: one that lies ahead of the API server's tells nothing. A memory from the future is of before that was set back, and
 * gives way; not where the objects' times are from the future as well, for another API server wrote these.
 */
function eligibleSince({ gateway, facts: { snapshot }, subject, last }: Examination): Milliseconds {
  const { now } = snapshot;
  const pods = [
    ...subject.ciliumPods,
    ...(virtualIPOf(gateway) === undefined ? [] : subject.agentPods),
  ]
    .filter((pod) => pod.ready && !pod.deleting);
  const told = [subject.node.readySince, ...pods.map((pod) => pod.readySince)]
    .filter((time) => time !== undefined);
  const times = told.filter((time) => time <= now);
  const transition = times.length === 0 ? undefined : Math.max(...times);
  if (gateway.status.candidates === undefined) return transition ?? now;
  const remembered = last?.eligible ? parseTime(last.eligibleSince) : undefined;
  if (remembered === undefined) return now;
  if (remembered > now) return times.length < told.length ? remembered : now;
  return Math.max(remembered, transition ?? remembered);
}
