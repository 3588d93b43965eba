/** An agent's part in a takeover. */
import type { AgentEvent } from "../agent/agent_status.ts";
import type { Milliseconds } from "../core/types.ts";
import { childOf, takeoverContext } from "./ids.ts";
import type { Span } from "./span.ts";

/** What of an agent's events is a step of a takeover. */
const STEPS: Partial<Record<AgentEvent["event"], string>> = {
  Muted: "mute",
  Bound: "bind",
  BindFailed: "bind",
  Claimed: "claim",
  Speaking: "speak",
  Announced: "announce",
  Unbound: "unbind",
};

/** The span of an event; undefined where it belongs to no gateway's term. */
export function agentSpan(
  { event, ip, message, of, tookMilliseconds = 0 }: AgentEvent,
  { node, endedAt }: { readonly node: string; readonly endedAt: Milliseconds },
): Span | undefined {
  const name = STEPS[event];
  if (name === undefined || of === undefined) return undefined;
  const root = takeoverContext(of);
  return {
    name,
    context: childOf(root),
    parent: root,
    beganAt: endedAt - tookMilliseconds,
    endedAt,
    attributes: {
      "sallyport.gateway": of.gateway,
      "sallyport.term": of.term,
      "sallyport.node": node,
      "sallyport.ip": ip,
    },
    ...(event === "BindFailed" ? { error: message ?? "Cannot bind" } : {}),
  };
}
