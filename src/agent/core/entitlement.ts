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
import type { Gateway } from "../../core/types.ts";
import type { AgentView, Binding } from "./view.ts";

/** Cut off from the API server, the wire is looked at this often. */
export const DISCONNECTED_PROBE_MILLISECONDS = 1_000;

/** Tells whether the last renewal that was tried failed. */
export function isDisconnected({ renewal, failedAt }: AgentView): boolean {
  return failedAt !== undefined && failedAt > (renewal?.sentAt ?? -Infinity);
}

/** Tells whether the gateway's status, as far as it is known here, gives this node the VIP to speak for (1 and 3). */
export function hasDuty(binding: Binding, view: AgentView): boolean {
  const gateway = view.gateways?.find(({ uid }) => uid === binding.uid);
  if (view.gateways === undefined) {
    // Restarted while the API server cannot be reached: what was acknowledged before still stands.
    return isDisconnected(view) && binding.claimedTerm !== undefined &&
      !mustLetGo(binding, view);
  }
  if (gateway === undefined || virtualIPOf(gateway) !== binding.ip) return false;
  const { activeNodeName, phase, term = 0 } = gateway.status;
  return activeNodeName === view.nodeName && phase === "Active" && isUnfenced(gateway, view) &&
    term > 0 &&
    !mustLetGo(binding, view);
}

/** Until when the kernel may be told to speak; undefined: not at all. */
export function speechUntil(binding: Binding, view: AgentView): number | undefined {
  if (!hasDuty(binding, view)) return undefined;
  const term = view.gateways?.find(({ uid }) => uid === binding.uid)?.status.term ??
    binding.claimedTerm ?? 0;
  if (isDisconnected(view)) {
    const probe = view.probes.get(binding.ip);
    if (binding.claimedTerm !== term || probe === undefined) return undefined;
    return future(probe.startedAt + SPEECH_MILLISECONDS, view.now);
  }
  if (view.renewal?.claims[binding.uid] !== term) return undefined;
  return future(view.renewal.sentAt + SPEECH_MILLISECONDS, view.now);
}

function future(time: number, now: number): number | undefined {
  return time > now ? time : undefined;
}

/**
 * Tells whether a VIP that this node spoke for is another's now: cut off from the API server, the wire is all there is
 * to go by. A standby hears the holder there, and lets nothing go.
 */
export function mustLetGo(binding: Binding, view: AgentView): boolean {
  return isDisconnected(view) && binding.claimedTerm !== undefined &&
    view.probes.get(binding.ip)?.mac !== undefined;
}

function isUnfenced(gateway: Gateway, view: AgentView): boolean {
  return (view.fence[gateway.uid] ?? 0) <= (gateway.status.term ?? 0);
}
