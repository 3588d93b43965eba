/** What the API server of a small world stores, and how it is read: by the program's own decoders. */
import {
  AGENT_MANAGER,
  CONTROLLER_MANAGER,
  FENCE_ANNOTATION,
  NAMESPACE,
  REPORT_ANNOTATION,
} from "../../../src/core/names.ts";
import { equal } from "../../../src/core/merge_patch.ts";
import { rfc3339 } from "../../../src/core/time.ts";
import type { Gateway, JsonObject, Lease, Snapshot } from "../../../src/core/types.ts";
import {
  decodeCiliumPolicy,
  decodeGateway,
  decodeLease,
  decodeNode,
  decodePod,
  decodePolicy,
} from "../../../src/cluster/decoders/kinds.ts";
import { meta, object_ } from "../api_server.ts";
import { gatewayObject, nodeObject, podObject, policyObject } from "../objects.ts";
import { EPOCH } from "../virtual_time.ts";
import { NODES } from "./state.ts";
import type { NodeName, World } from "./state.ts";

export const VIP = "172.18.18.242";
export const UID = "uid-gw";

const START = rfc3339(EPOCH);

/** Nothing befalls these; they are as in a cluster that is well. */
export const SURROUNDINGS = {
  nodes: NODES.map((name, index) =>
    required(decodeNode(nodeObject(name, { ip: `172.18.18.1${index}`, time: START })))
  ),
  ciliumPods: NODES.map((node) => required(decodePod(pod(node, "kube-system")))),
  agentPods: NODES.map((node) => required(decodePod(pod(node, NAMESPACE)))),
  policies: [required(decodePolicy(policyObject("web", { gateways: ["gw"], time: START })))],
} satisfies Partial<Snapshot>;

export function newGateway(): JsonObject {
  const gateway = gatewayObject("gw", {
    vip: VIP,
    uid: UID,
    time: START,
    standbys: 1,
    // What is decided without a choice of moments only makes the world larger.
    failback: "Never",
    peers: false,
  });
  return { ...gateway, metadata: { ...meta(gateway), resourceVersion: "1", generation: 1 } };
}

/** The server's clock: whole seconds. */
export function serverClock({ now }: World): number {
  return EPOCH + Math.floor(now / 1_000) * 1_000;
}

export const gatewayOf = remembered((object) => required(decodeGateway(object)));
export const leaseOf = remembered((object): Lease => required(decodeLease(object)));
export const ciliumPolicyOf = remembered((object) => required(decodeCiliumPolicy(object)));

export function versionOf(object: JsonObject | undefined): string | undefined {
  const version = object && meta(object)["resourceVersion"];
  return typeof version === "string" ? version : undefined;
}

/** A Lease after a write of its agent, or with another fence. */
export function leaseAfter(
  before: JsonObject | undefined,
  { world, node, report, fence }: {
    readonly world: World;
    readonly node: NodeName;
    readonly report?: string;
    readonly fence?: JsonObject;
  },
): JsonObject {
  const version = world.version + 1;
  const known = meta(before ?? {});
  const annotations = {
    ...object_(known["annotations"] ?? {}),
    ...(report === undefined ? {} : { [REPORT_ANNOTATION]: report }),
    ...(fence === undefined ? {} : { [FENCE_ANNOTATION]: JSON.stringify(fence) }),
  };
  const manager = report === undefined ? CONTROLLER_MANAGER : AGENT_MANAGER;
  const fields = known["managedFields"];
  const others = (Array.isArray(fields) ? fields : []).map(object_).filter((entry) =>
    entry["manager"] !== manager
  );
  return {
    metadata: {
      name: node,
      namespace: NAMESPACE,
      uid: known["uid"] ?? `uid-${version}`,
      resourceVersion: String(version),
      annotations,
      managedFields: [...others, { manager, time: rfc3339(serverClock(world)) }],
    },
  };
}

/**
 * A status without what decides nothing (sentences, conditions, times of eligibility), so that worlds which differ in that
 * only are one.
 */
export function essential(status: JsonObject): JsonObject {
  const { conditions: _, history: __, candidates, lastFailover, ...rest } = status;
  return {
    ...rest,
    ...(Array.isArray(candidates)
      ? {
        candidates: candidates.map(object_).map(({ reasons, eligibleSince: _, ...candidate }) => ({
          ...candidate,
          reasons: (Array.isArray(reasons) ? reasons : []).map(object_).map((reason) => ({
            ...reason,
            message: "",
          })),
        })),
      }
      : {}),
    ...(lastFailover === undefined
      ? {}
      : { lastFailover: { ...withDuration(object_(lastFailover)), reason: "" } }),
  };
}

function withDuration(move: JsonObject): JsonObject {
  return move["durationMilliseconds"] === undefined ? move : { ...move, durationMilliseconds: 0 };
}

export function isSame(a: JsonObject, b: JsonObject): boolean {
  return equal(a, b);
}

export function statusOf(gateway: JsonObject): Gateway["status"] {
  return gatewayOf(gateway).status;
}

function pod(node: string, namespace: string): JsonObject {
  return podObject(`agent-${node}`, { node, namespace, ready: true, time: START });
}

function required<T>(decoded: { readonly object: T } | { readonly invalid: unknown }): T {
  if ("object" in decoded) return decoded.object;
  throw new Error(`Cannot read what a small world holds: ${JSON.stringify(decoded.invalid)}`);
}

function remembered<T>(read: (object: JsonObject) => T): (object: JsonObject) => T {
  const known = new WeakMap<JsonObject, T>();
  return (object) => {
    const found = known.get(object) ?? read(object);
    known.set(object, found);
    return found;
  };
}
