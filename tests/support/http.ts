import type { Gateway, GatewayPlan, Plan, PolicyPlan, Snapshot } from "../../src/core/types.ts";
import { type AppDeps, createApp } from "../../src/http/app.ts";
import { Ticker } from "../../src/controller/ticker.ts";
import { StatusRenderer } from "../../src/http/rendered_status.ts";
import type { TickOutcome } from "../../src/controller/tick_summary.ts";

export const NOON = Date.parse("2026-11-23T12:00:00Z");

export function gatewayPlan(name: string, fields: Partial<GatewayPlan> = {}): GatewayPlan {
  return {
    name,
    activeNodeName: "node-a",
    previousNodeName: "node-a",
    standbyNodeNames: ["node-b"],
    readyNodes: 2,
    term: 3,
    phase: "Active",
    decision: "Keep",
    message: "node-a is eligible",
    candidates: [
      {
        node: "node-a",
        eligible: true,
        eligibleSince: "2026-11-23T11:00:00Z",
        rank: 10,
        reasons: [],
      },
      {
        node: "node-c",
        eligible: false,
        rank: 0,
        reasons: [{ type: "NodeNotReady", message: "Kubelet stopped posting node status" }],
      },
    ],
    conditions: [],
    ...fields,
  };
}

export function policyPlan(
  name: string,
  gateway: string,
  way: Partial<PolicyPlan["gateways"][number]> = {},
): PolicyPlan {
  return { name, gateways: [{ name: gateway, shards: 256, ...way }], conditions: [] };
}

export function plan(fields: Partial<Plan> = {}): Plan {
  return {
    gateways: [gatewayPlan("web")],
    policies: [policyPlan("shop", "web")],
    changes: [],
    events: [],
    warnings: [],
    heartbeatsIgnored: false,
    ...fields,
  };
}

export function gateway(name: string, fields: Partial<Gateway> = {}): Gateway {
  return {
    name,
    uid: `uid-${name}`,
    resourceVersion: "1",
    generation: 1,
    createdAt: NOON,
    deleting: false,
    annotations: {},
    spec: {
      nodeSelector: {},
      sourceIP: {
        mode: "VirtualIPAddress",
        ips: ["172.18.18.242"],
        interfaces: ["eth1"],
        standby: "Bound",
        standbys: 2,
      },
      preferredNodes: [],
      strategy: "Alphabetical",
      failback: { mode: "Auto", minReadySeconds: 10 },
      failureDetection: {
        heartbeat: "Required",
        timeoutSeconds: 4,
        peers: true,
        ciliumAgentGraceSeconds: 0,
      },
      whenNoneEligible: "Keep",
    },
    status: {},
    ...fields,
  };
}

export function snapshot(fields: Partial<Snapshot> = {}): Snapshot {
  return {
    now: NOON,
    nodes: [],
    ciliumPods: [],
    agentPods: [],
    leases: [],
    gateways: [gateway("web")],
    policies: [],
    ciliumPolicies: [],
    invalid: [],
    ...fields,
  };
}

export function outcome(fields: Partial<TickOutcome> = {}): TickOutcome {
  return { plan: plan(), results: [], problems: [], settled: true, ...fields };
}

/** An app on loopback whose ticks succeed at once. */
export function app(fields: Partial<AppDeps> = {}) {
  return createApp({
    ticker: new Ticker(() => Promise.resolve(outcome()), { now: () => NOON }),
    status: () => new StatusRenderer().render({ plan: plan(), snapshot: snapshot() }),
    metrics: () => Promise.resolve("sallyport_up 1\n"),
    loopback: true,
    now: () => NOON,
    ...fields,
  });
}
