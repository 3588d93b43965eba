import { TIMINGS } from "../../core/timings.ts";

/** How the agent paces itself. */
export interface Pace {
  /** Announcements after a takeover, and how far apart. */
  readonly announcements: number;
  readonly announceMilliseconds: number;
  /** Then one of each form this often, for good. */
  readonly refreshMilliseconds: number;
  /** How often a bound VIP's wire is looked at for other owners. */
  readonly probeMilliseconds: number;
  /** How long a leaving agent waits for its gateways to be moved. */
  readonly leaveMilliseconds: number;
}

export const DEFAULT_PACE: Pace = {
  announcements: 5,
  announceMilliseconds: TIMINGS.announceMilliseconds,
  refreshMilliseconds: TIMINGS.announceRefreshMilliseconds,
  probeMilliseconds: TIMINGS.probeMilliseconds,
  leaveMilliseconds: TIMINGS.leaveMilliseconds,
};
