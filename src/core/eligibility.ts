/**
 * Why a candidate may not hold a gateway.
 *
 * An ordered list of small functions; each looks at one thing and returns a reason or null. No reason: eligible.
 */
import { isUnreadable } from "./facts.ts";
import type { Facts, NodeFacts } from "./facts.ts";
import { hasMissedRenewal, isAbandoned, isStale, trustInHeartbeats } from "./heartbeat.ts";
import { foreignMAC, freshReport, reportedAddress, virtualIPOf } from "./reports.ts";
import { parseTime, rfc3339 } from "./time.ts";
import { TIMINGS } from "./timings.ts";
import type { Candidate, Gateway, Milliseconds, Pod, Reason, ReasonType, Report } from "./types.ts";

/** One candidate with all that its reasons may look at. */
export interface Examination {
  readonly gateway: Gateway;
  readonly facts: Facts;
  readonly subject: NodeFacts;
  /** Heartbeats are believed; false while most of them are stale at once. */
  readonly trustHeartbeats: boolean;
  /** What the last status said of this candidate. */
  readonly last: Candidate | undefined;
}

type Check = (examination: Examination) => Reason | null;

const CHECKS: readonly Check[] = [
  nodeNotReady,
  nodeCordoned,
  nodeDeleting,
  ciliumAgentNotReady,
  agentNotReady,
  agentLeaving,
  heartbeatStale,
  unreachable,
  bindFailed,
  interfaceMissing,
  addressConflict,
];

/** The examinations of every candidate of a gateway are alike in all but the subject. */
export function examiner(gateway: Gateway, facts: Facts): (subject: NodeFacts) => Examination {
  const trustHeartbeats = trustInHeartbeats(gateway, facts.snapshot) === "Believed";
  const last = new Map(gateway.status.candidates?.map((candidate) => [candidate.node, candidate]));
  return (subject) => ({
    gateway,
    facts,
    subject,
    trustHeartbeats,
    last: last.get(subject.node.name),
  });
}

/** Everything that is known about a candidate, in the order of the checks; tolerated reasons included. */
export function reasonsAbout(examination: Examination): readonly Reason[] {
  return CHECKS.map((check) => check(examination)).filter((reason) => reason !== null);
}

/**
 * Tells whether a reason counts against the candidate now; a tolerated one does not until its time has come, and what
 * cannot be read takes no gateway from its holder. Nor does another host that answers for the VIP: the holder defends it,
 * and would leave it to that host if it went.
 */
export function countsAgainst(
  reason: Reason,
  { now, holds, serves }: {
    readonly now: Milliseconds;
    readonly holds: boolean;
    readonly serves: boolean;
  },
): boolean {
  if (reason.type === "Unreadable") return !holds;
  if (reason.type === "AddressConflict") return !serves;
  return reason.type !== "CiliumAgentNotReady" || reason.retryAfter === undefined ||
    (parseTime(reason.retryAfter) ?? 0) <= now;
}

function nodeNotReady({ subject: { node } }: Examination): Reason | null {
  if (node.ready === "True" || node.ready === "Missing") return null;
  if (node.ready === "Unreadable") {
    return reason("Unreadable", "Node condition Ready is none of True, False and Unknown");
  }
  const since = node.readySince === undefined ? "" : ` since ${rfc3339(node.readySince)}`;
  const said = node.readyMessage === undefined ? "" : `: ${node.readyMessage}`;
  return reason("NodeNotReady", `Node condition Ready is ${node.ready}${since}${said}`);
}

function nodeCordoned({ subject: { node } }: Examination): Reason | null {
  return node.cordoned
    ? reason(
      "NodeCordoned",
      "Node is cordoned (spec.unschedulable); kubectl uncordon brings it back",
    )
    : null;
}

function nodeDeleting({ subject: { node } }: Examination): Reason | null {
  return node.deleting ? reason("NodeDeleting", "Node object is being deleted") : null;
}

function ciliumAgentNotReady(examination: Examination): Reason | null {
  const { gateway, facts, subject, last } = examination;
  const said = believedReport(examination)?.cilium;
  const pods = podProblem(subject.ciliumPods, "cilium-agent");
  if (pods !== null && mayBeUnreadable(subject.ciliumPods, facts)) return unreadablePod(pods);
  const problem = pods ??
    (said?.ready === false
      ? { message: `Cilium's healthz on the node fails${said.message ? `: ${said.message}` : ""}` }
      : null);
  if (problem === null) return null;
  const grace = gateway.spec.failureDetection.ciliumAgentGraceSeconds * 1_000;
  if (grace === 0) return reason("CiliumAgentNotReady", problem.message);
  const seen = last?.reasons.find(({ type }) => type === "CiliumAgentNotReady")?.retryAfter;
  return {
    ...reason("CiliumAgentNotReady", problem.message),
    retryAfter: seen ?? rfc3339((problem.since ?? facts.snapshot.now) + grace),
  };
}

function agentNotReady({ gateway, facts, subject }: Examination): Reason | null {
  if (virtualIPOf(gateway) === undefined) return null;
  const problem = podProblem(subject.agentPods, "sallyport-agent");
  if (problem !== null && mayBeUnreadable(subject.agentPods, facts)) return unreadablePod(problem);
  if (problem !== null) return reason("AgentNotReady", problem.message);
  const error = subject.lease?.reportError;
  return error === undefined
    ? null
    : reason("Unreadable", `Cannot read the agent's report: ${error}`);
}

function agentLeaving(examination: Examination): Reason | null {
  return believedReport(examination)?.leaving
    ? reason("AgentLeaving", "The agent on this node is shutting down")
    : null;
}

function heartbeatStale(
  { gateway, facts, subject, trustHeartbeats, last }: Examination,
): Reason | null {
  if (!trustHeartbeats) return null;
  const { heartbeat, timeoutSeconds } = gateway.spec.failureDetection;
  const { lease, node } = subject;
  const { now } = facts.snapshot;
  const hasAgentPod = subject.agentPods.length > 0;
  const counts = heartbeat === "Required" || lease === undefined ||
    !isAbandoned(lease, { hasAgentPod, now });
  if (!counts) return null;
  if (lease === undefined && isUnreadable(facts, { kind: "Lease", name: node.name })) {
    return reason("Unreadable", `Cannot read Lease '${node.name}'`);
  }
  if (lease?.renewedAt === undefined) {
    return heartbeat === "Required" && virtualIPOf(gateway) !== undefined
      ? reason("HeartbeatStale", `The agent on this node has never renewed Lease '${node.name}'`)
      : null;
  }
  // A node that was silent is believed again only when it renews in time, else it would return for a tick or two.
  const wasSilent = last?.reasons.some(({ type }) =>
    type === "HeartbeatStale" || type === "Unreachable"
  );
  const stale = isStale(lease, now, timeoutSeconds) ||
    (wasSilent === true &&
      (hasMissedRenewal(lease, now) || lease.renewedAt <= lostAt(gateway, node.name)));
  return stale
    ? reason(
      "HeartbeatStale",
      `The agent's last heartbeat is of ${
        rfc3339(lease.renewedAt)
      }, timeoutSeconds is ${timeoutSeconds}`,
    )
    : null;
}

/**
 * When the role was taken from a node. Another observer of the same moment may not have missed its renewal yet, and
 * would give the role back to it (it may be pinned) without having heard from it since.
 */
function lostAt({ status: { lastFailover } }: Gateway, node: string): Milliseconds {
  return lastFailover?.from === node ? parseTime(lastFailover.startTime) ?? 0 : 0;
}

/**
 * The holder is gone for certain: all fresh standbys miss its pings, and it has missed a renewal too. It stays gone until
 * it renews: by then its standbys ping its successor.
 */
function unreachable({ gateway, facts, subject, last }: Examination): Reason | null {
  const { name } = subject.node;
  if (!gateway.spec.failureDetection.peers) return null;
  if (subject.lease === undefined || !hasMissedRenewal(subject.lease, facts.snapshot.now)) {
    return null;
  }
  const remembered = last?.reasons.find(({ type }) => type === "Unreachable");
  if (remembered !== undefined) return remembered;
  if (gateway.status.activeNodeName !== name) return null;
  const witnesses = (gateway.status.standbyNodeNames ?? []).filter((standby) => {
    const lease = facts.leases.get(standby);
    return lease?.report !== undefined && !hasMissedRenewal(lease, facts.snapshot.now);
  });
  const missing = witnesses.filter((standby) =>
    facts.leases.get(standby)?.report?.unreachable.includes(name)
  );
  return missing.length > 0 && missing.length === witnesses.length
    ? reason(
      "Unreachable",
      `Standbys ${missing.join(", ")} get no answer from this node, and it has missed a heartbeat`,
    )
    : null;
}

function bindFailed(examination: Examination): Reason | null {
  const { gateway, facts: { snapshot }, subject: { node, lease }, last } = examination;
  if (virtualIPOf(gateway) === undefined) return null;
  const failure = believedReport(examination)?.failures.find((failed) =>
    failed.gateway === gateway.name && failed.reason === "BindFailed"
  );
  if (failure !== undefined) return reason("BindFailed", failure.message);
  if (reportedAddress(lease, gateway) !== undefined) return null;
  // The memory comes first: a holder that nobody can follow stays, and its retryAfter must not move with each tick.
  const remembered = last?.reasons.find(({ type }) => type === "BindFailed");
  if (remembered !== undefined && (parseTime(remembered.retryAfter) ?? 0) > snapshot.now) {
    return remembered;
  }
  const { status } = gateway;
  const elected = parseTime(status.lastFailover?.startTime);
  const overdue = status.phase === "Preparing" && status.activeNodeName === node.name &&
    elected !== undefined && snapshot.now - elected >= TIMINGS.bindTimeoutMilliseconds;
  if (!overdue) return null;
  const limit = `${TIMINGS.bindTimeoutMilliseconds / 1_000} s`;
  return {
    ...reason("BindFailed", `The agent did not report the virtual IP as bound within ${limit}`),
    retryAfter: rfc3339(snapshot.now + TIMINGS.bindRetryMilliseconds),
  };
}

function interfaceMissing(examination: Examination): Reason | null {
  const { gateway } = examination;
  const report = believedReport(examination);
  if (report === undefined) return null;
  const failure = report.failures.find((failed) =>
    failed.gateway === gateway.name && failed.reason === "InterfaceMissing"
  );
  if (failure !== undefined) return reason("InterfaceMissing", failure.message);
  const { sourceIP } = gateway.spec;
  const wanted = sourceIP.mode === "VirtualIPAddress"
    ? sourceIP.interfaces
    : [sourceIP.interfaceName];
  if (wanted.length === 0) return null;
  // Nodes of several kinds of hardware name theirs differently: what a node does not have is another's.
  const there = report.interfaces.filter(({ name }) => wanted.includes(name));
  if (there.length === 0) return reason("InterfaceMissing", noneOf(wanted));
  const down = there.find(({ up }) => !up);
  return down === undefined ? null : reason("InterfaceMissing", `Interface '${down.name}' is down`);
}

/** That a node has none of these interfaces, in words. */
export function noneOf(names: readonly string[]): string {
  const [first = ""] = names;
  return names.length === 1
    ? `Interface '${first}' is not on this node`
    : `None of the interfaces ${names.map((name) => `'${name}'`).join(", ")} is on this node`;
}

function addressConflict(examination: Examination): Reason | null {
  const { gateway, facts, subject, last } = examination;
  const { now } = facts.snapshot;
  const ip = virtualIPOf(gateway);
  const report = believedReport(examination);
  if (ip === undefined || report === undefined) return null;
  // Of two hosts that answer, each look hears one or the other. The memory comes first, as that of BindFailed.
  const remembered = last?.reasons.find(({ type }) => type === "AddressConflict");
  if (remembered !== undefined && (parseTime(remembered.retryAfter) ?? 0) > now) return remembered;
  const failure = report.failures.find((failed) =>
    failed.gateway === gateway.name && failed.reason === "AddressConflict"
  );
  const mac = foreignMAC(subject.node.name, { gateway, facts });
  if (failure === undefined && mac === undefined) return null;
  return {
    ...reason(
      "AddressConflict",
      failure?.message ??
        `Another host (${mac}) answers for ${ip}; take the address from that host`,
    ),
    retryAfter: rfc3339(now + TIMINGS.conflictMilliseconds),
  };
}

/** The agent's report where heartbeats count for this gateway and this one is fresh. */
function believedReport(
  { gateway, facts, subject, trustHeartbeats }: Examination,
): Report | undefined {
  return trustHeartbeats
    ? freshReport(subject.lease, { gateway, snapshot: facts.snapshot })
    : undefined;
}

/** A pod that cannot be read tells no node, so it may be the one that is missed. */
function mayBeUnreadable(pods: readonly Pod[], facts: Facts): boolean {
  return pods.length === 0 && facts.snapshot.invalid.some(({ kind }) => kind === "Pod");
}

function unreadablePod({ message }: { readonly message: string }): Reason {
  return reason("Unreadable", `${message}, and there are pods that cannot be read`);
}

/** What is wrong with the pods of one kind on a node; null where one of them is ready and stays. */
function podProblem(
  pods: readonly Pod[],
  what: string,
): { readonly message: string; readonly since?: Milliseconds } | null {
  if (pods.some((pod) => pod.ready && !pod.deleting)) return null;
  const [pod] = pods;
  if (pod === undefined) return { message: `No ${what} pod runs on this node` };
  const name = `${pod.namespace}/${pod.name}`;
  if (pod.deleting) return { message: `Pod ${name} is being deleted` };
  if (pod.ended !== undefined) return { message: `Pod ${name} has phase ${pod.ended}` };
  return {
    message: `Pod ${name} is not Ready`,
    ...(pod.readySince === undefined ? {} : { since: pod.readySince }),
  };
}

function reason(type: ReasonType, message: string): Reason {
  return { type, message };
}
