/** What an agent knows that has begun a moment ago, on a node of one interface: tests add what they are about. */
import type { AgentView } from "../../src/agent/core/view.ts";

/** `now` of the view, milliseconds of the node's monotonic clock. */
export const NOW = 100_000;

export const QUIET: AgentView = {
  nodeName: "a",
  now: NOW,
  gateways: [],
  servedAt: new Map(),
  fence: {},
  interfaces: [],
  defaultRouteInterface: "eth1",
  needed: new Map(),
  bindings: [],
  freshSince: new Map(),
  speaking: new Map(),
  renewal: undefined,
  failedAt: undefined,
  failedInARow: 0,
  probes: new Map(),
  announcements: new Map(),
  bindFailures: new Map(),
  cilium: undefined,
  unreachable: new Set(),
  uplinks: new Map(),
  leavingAt: undefined,
};
