/**
 * Why a candidate may not hold a gateway.
 *
 * An ordered list of small functions; each looks at one thing and returns a reason or null. No reason: eligible.
 */
import type { Facts, NodeFacts } from "./facts.ts";
import { hasMissedRenewal, isAbandoned, isStale, trustInHeartbeats } from "./heartbeat.ts";
import { HOSTNAME_LABEL } from "./names.ts";
import { familyOf } from "./ip_family.ts";
import {
  foreignHost,
  freshReport,
  unreportedIPs,
  virtualIPOf,
  virtualIPsInWords,
} from "./reports.ts";
import { isUnread } from "./selectors.ts";
import { parseTime, rfc3339 } from "./time.ts";
import { TIMINGS } from "./timings.ts";
import { ignoredTargets, uplinkReason } from "./uplinks.ts";
import type {
  Candidate,
  Gateway,
  Milliseconds,
  Node,
  Pod,
  Reason,
  ReasonType,
  Report,
} from "./types.ts";

/** One candidate with all that its reasons may look at. */
export interface Examination {
  readonly gateway: Gateway;
  readonly facts: Facts;
  readonly subject: NodeFacts;
  /** Heartbeats are believed; false while most of them are stale at once. */
  readonly trustHeartbeats: boolean;
  /** Uplink targets that do not count. */
  readonly ignoredTargets: readonly string[];
  /** What the last status said of this candidate. */
  readonly last: Candidate | undefined;
}

type Check = (examination: Examination) => Reason | null;

const CHECKS: readonly Check[] = [
  unreadable,
  nodeNotReady,
  nodeCordoned,
  nodeDeleting,
  hostnameLabel,
  noIPv4Address,
  ciliumNode,
  ciliumAgentNotReady,
  agentNotReady,
  agentLeaving,
  heartbeatStale,
  unreachable,
  bindFailed,
  interfaceMissing,
  uplinkDown,
  addressConflict,
];

/** The examinations of every candidate of a gateway are alike in all but the subject. */
export function examiner(gateway: Gateway, facts: Facts): (subject: NodeFacts) => Examination {
  const trustHeartbeats = trustInHeartbeats(gateway, facts) === "Believed";
  const ignored = ignoredTargets(gateway, facts);
  const last = new Map(gateway.status.candidates?.map((candidate) => [candidate.node, candidate]));
  return (subject) => ({
    gateway,
    facts,
    subject,
    trustHeartbeats,
    ignoredTargets: ignored,
    last: last.get(subject.node.name),
  });
}

/** Everything that is known about a candidate, in the order of the checks; tolerated reasons included. */
export function reasonsAbout(examination: Examination): readonly Reason[] {
  const reasons: Reason[] = [];
  for (const check of CHECKS) {
    const reason = check(examination);
    if (reason !== null) reasons.push(reason);
  }
  return reasons;
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
  if (reason.type === "UplinkDown") return reason.retryAfter === undefined;
  return reason.type !== "CiliumAgentNotReady" || reason.retryAfter === undefined ||
    (parseTime(reason.retryAfter) ?? 0) <= now;
}

/** What is there about the node and cannot be read. Absent is another thing: it has a meaning of its own. */
function unreadable({ gateway, facts, subject }: Examination): Reason | null {
  const { node, lease } = subject;
  const isVirtual = virtualIPOf(gateway) !== undefined;
  const heard = gateway.spec.failureDetection.heartbeat !== "Ignore";
  const unread = [
    ...told("Node", node.unread),
    ...told("Node", labelsUnread(node, gateway)),
    ...podsUnread(subject.ciliumPods, facts.unread.ciliumPods),
    ...(isVirtual ? podsUnread(subject.agentPods, facts.unread.agentPods) : []),
    ...(heard ? told("Lease", lease?.unread ?? facts.unread.leases.get(node.name)) : []),
    ...(isVirtual ? told("the agent's report", lease?.reportError) : []),
  ];
  return unread.length === 0 ? null : reason("Unreadable", `Cannot read ${unread.join("; ")}`);
}

function told(what: string, why: string | undefined): readonly string[] {
  return why === undefined ? [] : [`${what}: ${why}`];
}

/** Labels that the gateway selects by and that cannot be read. */
function labelsUnread({ unreadLabels = [] }: Node, { spec }: Gateway): string | undefined {
  const wanted = Object.keys(spec.nodeSelector).filter((key) => isUnread(key, unreadLabels));
  return wanted.length === 0 ? undefined : `metadata.labels: ${wanted.join(", ")}`;
}

/** Pods of a node that cannot be read, where none is known to be ready, and those of which it is not known where they are. */
function podsUnread(pods: readonly Pod[], astray: readonly string[]): readonly string[] {
  if (pods.some(isReady)) return [];
  const here = pods.flatMap(({ namespace, name, unread }) =>
    told(`Pod ${namespace}/${name}`, unread)
  );
  return here.length > 0 || pods.some(({ ended }) => ended === undefined) ? here : astray;
}

function nodeNotReady({ subject: { node } }: Examination): Reason | null {
  if (node.ready === "True" || node.ready === "Missing") return null;
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

/** Cilium is told the node by its hostname label. Without one it drops the traffic, and of several nodes it takes the first. */
function hostnameLabel({ facts, subject: { node } }: Examination): Reason | null {
  const { name, labels, unreadLabels = [] } = node;
  const hostname = labels[HOSTNAME_LABEL];
  if (hostname === undefined) {
    return isUnread(HOSTNAME_LABEL, unreadLabels) ? null : reason(
      "HostnameLabelMissing",
      `Node has no label ${HOSTNAME_LABEL}, by which Cilium finds it: kubectl label node ${name} ${HOSTNAME_LABEL}=${name}`,
    );
  }
  const first = facts.byHostname.get(hostname) ?? name;
  return first === name ? null : reason(
    "HostnameLabelNotUnique",
    `Node ${first} has the same label ${HOSTNAME_LABEL}=${hostname}, and Cilium would send the traffic there`,
  );
}

/**
 * Cilium sends a gateway its traffic by the node's IPv4 address, whichever family that traffic is of (1.18 to 1.20,
 * `GetNodeIP(false)` in pkg/egressgateway). A node that lists no address at all says nothing.
 */
function noIPv4Address({ facts, subject: { node } }: Examination): Reason | null {
  const own = [...node.internalIPs, ...node.externalIPs].filter((ip) => !facts.virtualIPs.has(ip));
  return own.length === 0 || own.some((ip) => familyOf(ip) === 4) ? null : reason(
    "NoIPv4Address",
    `Node has no IPv4 address (its addresses are ${
      own.join(", ")
    }), and Cilium sends a gateway its traffic by ` +
      "that, of IPv6 too; give the node one, or take it out of nodeSelector",
  );
}

/**
 * Cilium takes the node of a gateway from its own CiliumNodes, not from Nodes (1.18 to 1.20, `handleNodeEvent` in
 * pkg/egressgateway/manager.go). What it finds none for it drops.
 */
function ciliumNode({ facts, subject: { node: { name, labels } } }: Examination): Reason | null {
  if (!facts.ciliumNodes.has(name)) return null;
  const label = `${HOSTNAME_LABEL}=${labels[HOSTNAME_LABEL]}`;
  const taken = facts.ciliumNodes.get(name);
  if (taken === name) return null;
  return taken === undefined
    ? reason(
      "CiliumNodeMissing",
      `No CiliumNode '${name}' with label ${label} is there, so that Cilium would drop what is sent to Node '${name}'; ` +
        "restart Cilium's agent on it, which writes its CiliumNode anew",
    )
    : reason(
      "HostnameLabelNotUnique",
      `CiliumNode '${taken}' has the label ${label} of Node '${name}', and Cilium would send the traffic there`,
    );
}

function ciliumAgentNotReady(examination: Examination): Reason | null {
  const { gateway, facts, subject, last } = examination;
  const said = believedReport(examination)?.cilium;
  const problem = podProblem(subject.ciliumPods, {
    what: "cilium-agent",
    astray: facts.unread.ciliumPods,
  }) ??
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
  const problem = podProblem(subject.agentPods, {
    what: "sallyport-agent",
    astray: facts.unread.agentPods,
  });
  return problem === null ? null : reason("AgentNotReady", problem.message);
}

function agentLeaving(examination: Examination): Reason | null {
  return believedReport(examination)?.leaving
    ? reason("AgentLeaving", "The agent on this node is shutting down")
    : null;
}

/** Tells whether a gateway goes by a node's heartbeats: not by a Lease that an agent left behind, unless it requires one. */
export function doesHeartbeatCount(
  { spec }: Gateway,
  { subject: { lease, agentPods }, facts: { snapshot: { now } } }: {
    readonly subject: NodeFacts;
    readonly facts: Facts;
  },
): boolean {
  return spec.failureDetection.heartbeat === "Required" || lease === undefined ||
    !isAbandoned(lease, { hasAgentPod: agentPods.length > 0, now });
}

function heartbeatStale(
  { gateway, facts, subject, trustHeartbeats, last }: Examination,
): Reason | null {
  if (!trustHeartbeats) return null;
  if (!doesHeartbeatCount(gateway, { subject, facts })) return null;
  const { heartbeat, timeoutSeconds } = gateway.spec.failureDetection;
  const { lease, node } = subject;
  const { now } = facts.snapshot;
  if (lease?.renewedAt === undefined) {
    if (lease?.unread !== undefined || facts.unread.leases.has(node.name)) return null;
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
    return lease?.report !== undefined && lease.unread === undefined &&
      !hasMissedRenewal(lease, facts.snapshot.now);
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
  const unbound = unreportedIPs(lease, gateway);
  if (unbound.length === 0) return null;
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
  const what = virtualIPsInWords(unbound, gateway);
  const limit = `${TIMINGS.bindTimeoutMilliseconds / 1_000} s`;
  return {
    ...reason("BindFailed", `The agent did not report ${what} as bound within ${limit}`),
    retryAfter: rfc3339(snapshot.now + TIMINGS.bindRetryMilliseconds),
  };
}

function interfaceMissing(examination: Examination): Reason | null {
  const { gateway, subject } = examination;
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
  if (there.length === 0) {
    // Of a report that cannot be read as a whole, it may be the part that is missing.
    return subject.lease?.reportError === undefined
      ? reason("InterfaceMissing", noneOf(wanted))
      : null;
  }
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

function uplinkDown(examination: Examination): Reason | null {
  const { gateway, facts: { snapshot: { now } }, ignoredTargets: ignored, last } = examination;
  return uplinkReason(gateway, { report: believedReport(examination), ignored, last, now });
}

function addressConflict(examination: Examination): Reason | null {
  const { gateway, facts, subject, last } = examination;
  const { now } = facts.snapshot;
  const report = believedReport(examination);
  if (virtualIPOf(gateway) === undefined || report === undefined) return null;
  // Of two hosts that answer, each look hears one or the other. The memory comes first, as that of BindFailed.
  const remembered = last?.reasons.find(({ type }) => type === "AddressConflict");
  if (remembered !== undefined && (parseTime(remembered.retryAfter) ?? 0) > now) return remembered;
  const failure = report.failures.find((failed) =>
    failed.gateway === gateway.name && failed.reason === "AddressConflict"
  );
  const foreign = foreignHost(subject.node.name, { gateway, facts });
  if (failure === undefined && foreign === undefined) return null;
  return {
    ...reason(
      "AddressConflict",
      failure?.message ??
        `Another host (${foreign?.mac}) answers for ${foreign?.ip}; take the address from that host`,
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

/** What is wrong with the pods of one kind on a node; null where one of them is ready and stays, or may be. */
function podProblem(
  pods: readonly Pod[],
  { what, astray }: { readonly what: string; readonly astray: readonly string[] },
): { readonly message: string; readonly since?: Milliseconds } | null {
  if (pods.some(isReady) || podsUnread(pods, astray).length > 0) return null;
  const pod = pods.find(({ ended }) => ended === undefined) ?? pods[0];
  if (pod === undefined) return { message: `No ${what} pod runs on this node` };
  const name = `${pod.namespace}/${pod.name}`;
  if (pod.ended !== undefined) {
    return { message: `Pod ${name} has phase ${pod.ended}` };
  }
  if (pod.deleting) return { message: `Pod ${name} is being deleted` };
  return {
    message: `Pod ${name} is not Ready`,
    ...(pod.readySince === undefined ? {} : { since: pod.readySince }),
  };
}

function isReady(pod: Pod): boolean {
  return pod.ready && !pod.deleting;
}

function reason(type: ReasonType, message: string): Reason {
  return { type, message };
}
