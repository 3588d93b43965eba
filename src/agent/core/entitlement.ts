/**
 * When an agent may speak for a VIP: the agent's half of the takeover protocol.
 *
 * Speech is a kernel permission that expires by itself 3 s after the renewal that it rests on was *sent*. It needs all of
 *  1. duty: the gateway's status names this node, in phase Active, and this VIP;
 *  2. claim: a renewal that said "I speak, in this term" was answered; the elected node claims in advance. So a Lease
 *     that does not say so proves silence. And the gateway, read again after the first such answer, still names this node;
 *  3. no fence: that answer carries no fence above the term. So a controller that fenced the Lease, against the version
 *     that showed it silent or expired, knows that no later renewal leads to speech;
 *  4. freshness: the renewal was sent less than 3 s ago. Or, cut off from the API server, a look on the wire since then
 *     showed no other owner: agents fail static.
 *
 * A gateway's VIPs, one of each family, are spoken for together or not at all: there is one claim for them, and what takes the
 * right to speak for one takes it for the other.
 *
 * Another host that answers for the VIP ends nothing while the API server is heard: nobody else has the right to, so the
 * holder defends the address (RFC 5227, 2.4 c) and reports the conflict. Cut off, the node cannot ask who that is, and
 * takes it for its successor, unless it knows better.
 */
import { egressIPsOf } from "../../core/reports.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Gateway } from "../../core/types.ts";
import type { AgentView, Binding } from "./view.ts";

/** Tells whether a renewal has failed since the last one that was answered. */
export function isDisconnected({ renewal, failedAt }: AgentView): boolean {
  return failedAt !== undefined && failedAt > (renewal?.sentAt ?? -Infinity);
}

/**
 * Tells whether the gateway's status, as far as it is known here, gives this node the VIP to speak for (1 and 3).
 *
 * Cut off from the API server, a claim that was acknowledged before stands until another host is seen on the wire. Then
 * the node falls silent and its claim is gone for good; the address stays bound, so that nothing flaps.
 */
export function hasDuty(binding: Binding, view: AgentView): boolean {
  const gateway = view.gateways?.find(({ uid }) => uid === binding.uid);
  // Just started: what the kernel still lets an earlier process say may go on until it expires.
  if (view.gateways === undefined && !isDisconnected(view)) {
    return binding.claimedTerm !== undefined;
  }
  if (view.gateways === undefined) return standAlone(binding, view);
  const term = gateway && namedTerm(binding, { gateway, view });
  if (term === undefined || gateway?.status.phase !== "Active") return false;
  return !isDisconnected(view) || (binding.claimedTerm === term && standAlone(binding, view));
}

/**
 * Tells whether all of the gateway's VIPs are among these bindings: those of its status, or, before that is known, those that
 * are bound in its name.
 */
export function isWhole(
  { uid }: Binding,
  { among, view }: { readonly among: readonly Binding[]; readonly view: AgentView },
): boolean {
  const gateway = view.gateways?.find((other) => other.uid === uid);
  const ips = gateway === undefined
    ? view.bindings.filter((other) => other.uid === uid).map(({ ip }) => ip)
    : egressIPsOf(gateway.status);
  return ips.every((ip) => among.some((other) => other.uid === uid && other.ip === ip));
}

/** Those of the same gateway that are spoken for together with this one, itself among them. */
function togetherWith(binding: Binding, view: AgentView): readonly Binding[] {
  const gateway = view.gateways?.find(({ uid }) => uid === binding.uid);
  return view.bindings.filter(({ uid, ip, claimedTerm }) =>
    uid === binding.uid &&
    (gateway === undefined
      ? claimedTerm === binding.claimedTerm
      : egressIPsOf(gateway.status).includes(ip))
  );
}

function standAlone(binding: Binding, view: AgentView): boolean {
  return togetherWith(binding, view).every((each) => standsAlone(each, view));
}

/**
 * The term for which this node is to claim the VIP; undefined: none. The elected node claims it while the handover is
 * still under way, so that its first packet need not wait for a renewal once it may speak.
 */
export function claimableTerm(binding: Binding, view: AgentView): number | undefined {
  const gateway = view.gateways?.find(({ uid }) => uid === binding.uid);
  if (gateway === undefined) return undefined;
  if (!hasDuty(binding, view) && (isDisconnected(view) || gateway.status.phase !== "Preparing")) {
    return undefined;
  }
  return namedTerm(binding, { gateway, view });
}

/** The term in which the gateway's status names this node and this VIP, unless a fence forbids it. */
function namedTerm(
  binding: Binding,
  { gateway, view }: { readonly gateway: Gateway; readonly view: AgentView },
): number | undefined {
  // The VIP of the term is that of the status; the one in spec may be newer, and its term has then not begun.
  const { activeNodeName, term = 0 } = gateway.status;
  const isOfTerm = egressIPsOf(gateway.status).includes(binding.ip);
  if (!isOfTerm || activeNodeName !== view.nodeName || term <= 0) return undefined;
  return (view.fence[gateway.uid] ?? 0) > term ? undefined : term;
}

/** What was seen on the wire before the API server was lost says nothing: a standby hears the holder there. */
function standsAlone({ ip, claimedTerm }: Binding, view: AgentView): boolean {
  const { failedAt, probes } = view;
  if (failedAt === undefined || claimedTerm === undefined || !isDisconnected(view)) return false;
  const probe = probes.get(ip);
  return probe?.mac === undefined || probe.startedAt < failedAt ||
    probe.mac === knownStranger(ip, view);
}

/**
 * The MAC address of a host that is no successor, though it answers for a VIP that this node speaks for, cut off from the API
 * server or soon to be: it answered before, while the API server let nobody else speak, for longer than a node that lost the VIP may go
 * on to; and it has answered each look since. A node that is elected is silent first, for several looks: it was a standby.
 */
export function knownStranger(ip: string, view: AgentView): string | undefined {
  const { mac, answeredSince } = view.probes.get(ip) ?? {};
  if (answeredSince === undefined) return undefined;
  const asked = view.failedAt ?? view.now;
  return asked - answeredSince >= TIMINGS.fenceMilliseconds ? mac : undefined;
}

/**
 * Until when nobody else has the right to speak for what this node speaks for, by the API server's word; undefined: cut off,
 * that is not known. From then on another host that says it has the VIP is the successor, unless it is known to be a stranger.
 */
export function undisputedUntil(view: AgentView): number | undefined {
  const { renewal } = view;
  return renewal === undefined || isDisconnected(view)
    ? undefined
    : renewal.sentAt + TIMINGS.missedRenewalMilliseconds;
}

/** Until when the kernel may be told to speak; undefined: not at all. */
export function speechUntil(binding: Binding, view: AgentView): number | undefined {
  if (!hasDuty(binding, view)) return undefined;
  if (isDisconnected(view)) {
    const looks = togetherWith(binding, view).map(({ ip }) => lonelyLook(ip, view));
    const oldest = Math.min(...looks.map((startedAt) => startedAt ?? -Infinity));
    return future(oldest + TIMINGS.speechMilliseconds, view.now);
  }
  const term = view.gateways?.find(({ uid }) => uid === binding.uid)?.status.term;
  const { renewal } = view;
  if (renewal === undefined || term === undefined || renewal.claims[binding.uid] !== term) {
    return undefined;
  }
  return future(renewal.sentAt + TIMINGS.speechMilliseconds, view.now);
}

/** When the last look began, if it showed nobody but a known stranger. */
function lonelyLook(ip: string, view: AgentView): number | undefined {
  const { startedAt, mac } = view.probes.get(ip) ?? {};
  return mac === undefined || mac === knownStranger(ip, view) ? startedAt : undefined;
}

function future(time: number, now: number): number | undefined {
  return time > now ? time : undefined;
}
