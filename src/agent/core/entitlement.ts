/**
 * When an agent may speak for a VIP: the agent's half of the takeover protocol.
 *
 * Speech is a kernel permission that expires by itself 3 s after the renewal that it rests on was *sent*. It needs all of
 *  1. duty: the gateway's status names this node, in phase Active, and this VIP;
 *  2. claim: a renewal that said "I speak, in this term" was answered. So a Lease that does not say so proves silence;
 *  3. no fence: that answer carries no fence above the term. So a controller that fenced the Lease, against the version
 *     that showed it silent or expired, knows that no later renewal leads to speech;
 *  4. freshness: the renewal was sent less than 3 s ago. Or, cut off from the API server, a look on the wire since then
 *     showed no other owner: agents fail static.
 */
import { SPEECH_MILLISECONDS } from "../../core/heartbeat.ts";
import { virtualIPOf } from "../../core/reports.ts";
import type { AgentView, Binding } from "./view.ts";

/** Cut off from the API server, the wire is looked at this often. */
export const DISCONNECTED_PROBE_MILLISECONDS = 1_000;

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
  if (view.gateways === undefined) return standsAlone(binding, view);
  if (gateway === undefined) return false;
  // The VIP of the term is that of the status; the one in spec may be newer, and its term has then not begun.
  const { activeNodeName, phase, term = 0, egressIP = virtualIPOf(gateway) } = gateway.status;
  if (egressIP !== binding.ip) return false;
  if (activeNodeName !== view.nodeName || phase !== "Active" || term <= 0) return false;
  if ((view.fence[gateway.uid] ?? 0) > term) return false;
  return !isDisconnected(view) || (binding.claimedTerm === term && standsAlone(binding, view));
}

/** What was seen on the wire before the API server was lost says nothing: a standby hears the holder there. */
function standsAlone({ ip, claimedTerm }: Binding, view: AgentView): boolean {
  const { failedAt, probes } = view;
  if (failedAt === undefined || claimedTerm === undefined || !isDisconnected(view)) return false;
  const probe = probes.get(ip);
  return probe?.mac === undefined || probe.startedAt < failedAt;
}

/** Until when the kernel may be told to speak; undefined: not at all. */
export function speechUntil(binding: Binding, view: AgentView): number | undefined {
  if (!hasDuty(binding, view)) return undefined;
  if (isDisconnected(view)) {
    const probe = view.probes.get(binding.ip);
    if (probe === undefined || probe.mac !== undefined) return undefined;
    return future(probe.startedAt + SPEECH_MILLISECONDS, view.now);
  }
  const term = view.gateways?.find(({ uid }) => uid === binding.uid)?.status.term;
  const { renewal } = view;
  if (renewal === undefined || term === undefined || renewal.claims[binding.uid] !== term) {
    return undefined;
  }
  return future(renewal.sentAt + SPEECH_MILLISECONDS, view.now);
}

function future(time: number, now: number): number | undefined {
  return time > now ? time : undefined;
}
