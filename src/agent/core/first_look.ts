/**
 * What is asked before a VIP is bound for the first time, and what becomes of a binding that does harm.
 *
 * A VIP may be typed wrongly, and be the address of the router, of a name server, of the API server. A node that binds it
 * talks to itself from then on, and hears nobody who could tell it to stop. So
 *  1. what this node needs is refused by name (placement.ts);
 *  2. a VIP that nobody serves is looked for on the wire first, and not bound as long as another host answers;
 *  3. a fresh binding after which the API server is not heard is taken back.
 */
import { TIMINGS } from "../../core/timings.ts";
import type { Gateway } from "../../core/types.ts";
import { isDisconnected } from "./entitlement.ts";
import type { AgentView, Binding } from "./view.ts";

/**
 * Tells whether a VIP that is not bound here may be bound now, by the last look on the wire. One that is served somewhere
 * was looked for then, and its holder answers; so may the holder before, in a move from one node to another, or when
 * the gateway was made anew and it has not heard that.
 */
export function mayBind(gateway: Gateway, { ip, view }: { ip: string; view: AgentView }): boolean {
  if (wasServed(ip, view) || isMarked(ip, view)) return true;
  const look = view.probes.get(ip);
  // Not a look of long ago: another host may have come since.
  if (look === undefined || view.now - look.startedAt >= TIMINGS.speechMilliseconds) return false;
  return look.mac === undefined || isMove(gateway);
}

/** Tells whether it is time for such a look. */
export function isFirstLookDue(ip: string, { probes, now }: AgentView): boolean {
  const look = probes.get(ip);
  if (look === undefined) return true;
  return now - look.startedAt >=
    (strangerAt(ip, { probes }) === undefined
      ? TIMINGS.disconnectedProbeMilliseconds
      : TIMINGS.probeMilliseconds);
}

/**
 * The MAC address of another host that has answered for a VIP for longer than a node that lost it may go on to.
 */
export function strangerAt(ip: string, { probes }: Pick<AgentView, "probes">): string | undefined {
  const { startedAt = 0, answeredSince = startedAt, mac } = probes.get(ip) ?? {};
  return startedAt - answeredSince >= TIMINGS.speechMilliseconds ? mac : undefined;
}

/** Tells whether a binding is to be taken back; one failed renewal may have been on its way when this process was stopped. */
export function isHarmful({ ip, fresh }: Binding, view: AgentView): boolean {
  const since = view.freshSince.get(ip);
  return fresh === true && since !== undefined && !view.speaking.has(ip) &&
    isDisconnected(view) && view.failedInARow >= 2 &&
    view.now - since >= TIMINGS.takeBackMilliseconds;
}

function wasServed(ip: string, { servedAt, now }: AgentView): boolean {
  return now - (servedAt.get(ip) ?? -Infinity) < TIMINGS.abandonedMilliseconds;
}

/** An earlier process of ours has bound it. */
function isMarked(ip: string, { interfaces }: AgentView): boolean {
  return interfaces.some(({ addresses }) =>
    addresses.some((address) => address.ours && address.ip === ip)
  );
}

function isMove({ status: { phase, lastFailover } }: Gateway): boolean {
  return phase === "Preparing" && lastFailover?.from !== undefined &&
    lastFailover.from !== lastFailover.to;
}
