/** What an agent tells of itself. */
import type { Report } from "../core/types.ts";

/** Something worth a line in the log. */
export interface AgentEvent {
  readonly event:
    | "Bound"
    | "BindFailed"
    | "Unbound"
    | "Claimed"
    | "Speaking"
    | "Announced"
    | "Muted"
    | "Disconnected"
    | "Connected"
    | "Conflict"
    | "Failed";
  readonly ip?: string;
  readonly message?: string;
  /** Whose address it is, by the status that the agent obeys. */
  readonly of?: { readonly gateway: string; readonly uid: string; readonly term: number };
  /** How long it took, where that is known. */
  readonly tookMilliseconds?: number;
}

/** How the agent is doing; its readiness, and its metrics. */
export interface AgentStatus {
  /** Milliseconds since the last renewal that was answered; undefined: none yet. */
  readonly renewedAgoMilliseconds: number | undefined;
  readonly dutiesKnown: boolean;
  readonly failures: readonly string[];
  /** What is known of the targets of uplinks that this node looks after. */
  readonly uplinks: Report["uplinks"];
  readonly bound: readonly string[];
  readonly speaking: readonly string[];
  readonly announcements: number;
  /** Looks for other owners of a VIP. */
  readonly probes: number;
  readonly renewals: number;
  readonly failedRenewals: number;
  /** Requests to the API server; `status` 0: no answer. Absent where nobody counts them. */
  readonly requests?: readonly {
    readonly method: string;
    readonly status: number;
    readonly count: number;
  }[];
}

/** The status of an agent that is about to start. */
export const NOT_STARTED: AgentStatus = {
  renewedAgoMilliseconds: undefined,
  dutiesKnown: false,
  failures: [],
  uplinks: [],
  bound: [],
  speaking: [],
  announcements: 0,
  probes: 0,
  renewals: 0,
  failedRenewals: 0,
};
