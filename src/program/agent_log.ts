/** What an agent tells of itself, each thing once: whatever is wrong on a node is wrong at each look, and there is one each second. */
import type { AgentEvent } from "../agent/agent_status.ts";
import type { Logger } from "./log.ts";

export interface AgentLog {
  event(event: AgentEvent): void;
  /** Something that a tool or a probe of the agent met with. */
  warn(error: Error): void;
}

/** What goes on is told again this often, so that a log that was rotated still says it. */
const AGAIN_MILLISECONDS = 600_000;

/** More different troubles are told again. */
const MOST_TOLD = 100;

/** Steps between others that are told. */
const STEPS: ReadonlySet<AgentEvent["event"]> = new Set(["Claimed", "Announced"]);

const TROUBLE: ReadonlySet<AgentEvent["event"]> = new Set([
  "BindFailed",
  "Conflict",
  "Disconnected",
  "Failed",
]);

/** What ends which troubles of its address; without an address, of all. */
const ENDS: Partial<Record<AgentEvent["event"], readonly AgentEvent["event"][]>> = {
  Bound: ["BindFailed"],
  Unbound: ["BindFailed", "Conflict", "Failed"],
  Connected: ["Disconnected", "Failed"],
};

/** @param now milliseconds of a monotonic clock */
export function createAgentLog(
  logger: Logger,
  { now = () => performance.now() }: { readonly now?: () => number } = {},
): AgentLog {
  const told = new Map<string, number>();

  function isNew(key: string): boolean {
    const at = told.get(key);
    if (at !== undefined && now() - at < AGAIN_MILLISECONDS) return false;
    if (told.size >= MOST_TOLD) told.clear();
    told.set(key, now());
    return true;
  }

  function forget({ event, ip }: AgentEvent): void {
    for (const ended of ENDS[event] ?? []) {
      for (const key of told.keys()) {
        if (key.startsWith(ip === undefined ? `${ended} ` : `${ended} ${ip} `)) told.delete(key);
      }
    }
  }

  return {
    event(event) {
      const { ip = "", message = "" } = event;
      forget(event);
      const said = { event: event.event, ip, message };
      if (STEPS.has(event.event)) {
        logger.debug("{event} {gateway} {ip}", { ...said, gateway: event.of?.gateway ?? "" });
      } else if (!TROUBLE.has(event.event)) logger.info("{event} {ip} {message}", said);
      else if (isNew(`${event.event} ${ip} ${message}`)) {
        logger.warn("{event} {ip} {message}", said);
      }
    },
    warn({ message }) {
      if (isNew(`warn ${message}`)) logger.warn("{message}", { message });
    },
  };
}
