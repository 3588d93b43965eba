/** The cluster's objects as the API server stores them. */
import { API_VERSION, HOSTNAME_LABEL, NAMESPACE, PIN_ANNOTATION } from "../../src/core/names.ts";
import type { JsonObject } from "../../src/core/types.ts";

export const POOL_LABEL = "pool";

/** The policy that is spread over all gateways, where there are several. */
export const SPREAD = "spread";

export const CILIUM_PODS = "/api/v1/namespaces/kube-system/pods";
export const AGENT_PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;

/** A node of the pool `egress`. */
export function nodeObject(name: string, { ip, time }: { ip: string; time: string }): JsonObject {
  return {
    metadata: {
      name,
      uid: `uid-${name}`,
      labels: { [HOSTNAME_LABEL]: name, [POOL_LABEL]: "egress" },
    },
    spec: {},
    status: {
      conditions: [{ type: "Ready", status: "True", lastTransitionTime: time }],
      addresses: [{ type: "InternalIP", address: ip }],
    },
  };
}

export function podObject(
  name: string,
  { node, namespace, ready, time }: {
    readonly node: string;
    readonly namespace: string;
    readonly ready: boolean;
    readonly time: string;
  },
): JsonObject {
  const status = ready ? "True" : "False";
  return {
    metadata: { name, namespace },
    spec: { nodeName: node },
    status: { conditions: [{ type: "Ready", status, lastTransitionTime: time }] },
  };
}

/** What uplinks must reach. */
export const ROUTER = "icmp:172.18.18.1";

export interface GatewaySettings {
  readonly vip: string;
  /** A second address, of IPv6. */
  readonly vip6?: string | undefined;
  readonly standbys?: number;
  readonly standby?: "Bound" | "Unbound";
  readonly failback?: "Auto" | "Never";
  readonly minReadySeconds?: number;
  readonly whenNoneEligible?: "Keep" | "Drop";
  readonly peers?: boolean;
  /** Nodes are to reach the router. */
  readonly uplink?: boolean;
  readonly pin?: string;
  readonly strategy?: "Alphabetical" | "Hash" | "Balanced";
}

/** A gateway in VirtualIPAddress mode over the pool `egress`. */
export function gatewayObject(
  name: string,
  settings: GatewaySettings & { readonly uid: string; readonly time: string },
): JsonObject {
  const { vip, standbys = 2, standby = "Bound", failback = "Auto", minReadySeconds = 10 } =
    settings;
  const { vip6 } = settings;
  const { whenNoneEligible = "Keep", peers = true, pin, strategy, uid, time } = settings;
  const uplink = { targets: [ROUTER], intervalMilliseconds: 500, failures: 3 };
  return {
    apiVersion: API_VERSION,
    kind: "EgressGateway",
    metadata: {
      name,
      uid,
      creationTimestamp: time,
      annotations: pin === undefined ? {} : { [PIN_ANNOTATION]: pin },
    },
    spec: {
      nodeSelector: { [POOL_LABEL]: "egress" },
      sourceIP: {
        mode: "VirtualIPAddress",
        virtualIPAddress: { ips: ipsOf(vip, vip6), interfaces: ["eth0"], standbys, standby },
      },
      failback: { mode: failback, minReadySeconds },
      failureDetection: { peers, ...(settings.uplink === true ? { uplink } : {}) },
      whenNoneEligible,
      ...(strategy === undefined ? {} : { strategy }),
    },
    status: {},
  };
}

/** One address, or two. */
export function ipsOf(vip: string, vip6: string | undefined): string[] {
  return vip6 === undefined ? [vip] : [vip, vip6];
}

/** A policy of one gateway, or spread over several; of both families where it is said so. */
export function policyObject(
  name: string,
  { gateways, time, both = false }: {
    readonly gateways: readonly string[];
    readonly time: string;
    readonly both?: boolean;
  },
): JsonObject {
  const [egressGatewayName = ""] = gateways;
  return {
    apiVersion: API_VERSION,
    kind: "EgressGatewayPolicy",
    metadata: { name, uid: `uid-${name}`, creationTimestamp: time },
    spec: {
      ...(gateways.length === 1 ? { egressGatewayName } : { egressGatewayNames: gateways }),
      destinationCIDRs: both ? ["0.0.0.0/0", "::/0"] : ["0.0.0.0/0"],
      selectors: [{ podSelector: { matchLabels: { app: name } } }],
    },
    status: {},
  };
}
