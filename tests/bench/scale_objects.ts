/** Gateways and policies of a large cluster, made from a fixed seed: the same in every run and on every machine. */
import type { KubeObject } from "../../src/build/kube_object.ts";
import { API_VERSION } from "../../src/core/names.ts";

export const SEED = 20_261_126;

/** Which group of gateway nodes a node belongs to. */
export const POOL_LABEL = "egress.example.com/pool";

/** Groups of gateway nodes; about a hundred nodes. */
const POOLS = 25;

/** Gateways of the second pool: they all have one holder, and move at once. */
export const CROWD = 50;

export interface Pool {
  readonly name: string;
  /** Indices of its nodes. */
  readonly nodes: readonly number[];
}

/** Pools of 3 to 5 nodes, from the first node on. */
export const POOL_LIST: readonly Pool[] = makePools();

export const GATEWAY_NODES = POOL_LIST.flatMap(({ nodes }) => nodes);

/** The pool of a node. */
export function poolOf(index: number): Pool | undefined {
  return POOL_LIST.find(({ nodes }) => nodes.includes(index));
}

export const gatewayName = (index: number): string => `egress-${String(index).padStart(3, "0")}`;

export const virtualIP = (index: number): string => `198.18.${index >> 8}.${index & 255}`;

export interface Kind {
  /** With a virtual IP each; else in primary-IP mode. */
  readonly virtual: boolean;
  /** One policy over all of them, at most 16; else 1 to 3 policies for each. */
  readonly spread: boolean;
}

/**
 * So many gateways, each with 3 to 5 candidates. The first has a pool of its own, the next 50 share one, the others are
 * spread over the rest.
 */
export function gatewaysAndPolicies(
  count: number,
  { virtual, spread }: Kind,
): { readonly gateways: readonly KubeObject[]; readonly policies: readonly KubeObject[] } {
  const random = randomFrom(SEED);
  const indices = Array.from({ length: count }, (_, index) => index);
  return {
    gateways: indices.map((index) => gatewayObject(index, { virtual })),
    policies: spread ? [spreadPolicy(indices)] : indices.flatMap((index) =>
      Array.from(
        { length: 1 + Math.floor(random() * 3) },
        (_, number) => policyObject(index, { number, random }),
      )
    ),
  };
}

function gatewayObject(index: number, { virtual }: Pick<Kind, "virtual">): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: "EgressGateway",
    metadata: { name: gatewayName(index) },
    spec: {
      nodeSelector: { [POOL_LABEL]: poolName(poolIndex(index)) },
      sourceIP: virtual
        ? {
          mode: "VirtualIPAddress",
          virtualIPAddress: { ip: virtualIP(index), interfaces: ["eth1"] },
        }
        : {
          mode: "PrimaryIPFromEgressGatewayNodeInterface",
          primaryIPFromEgressGatewayNodeInterface: { interfaceName: "eth1" },
        },
      // What a benchmark moves stays moved.
      failback: { mode: "Never" },
    },
  };
}

function policyObject(
  index: number,
  { number, random }: { readonly number: number; readonly random: () => number },
): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: "EgressGatewayPolicy",
    metadata: { name: `${gatewayName(index)}-${number}` },
    spec: {
      egressGatewayName: gatewayName(index),
      destinationCIDRs: random() < 0.5
        ? ["0.0.0.0/0"]
        : [`203.0.${Math.floor(random() * 256)}.0/24`, "192.0.2.0/24"],
      excludedCIDRs: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
      selectors: [{
        podSelector: {
          matchLabels: { app: `app-${number}`, "io.kubernetes.pod.namespace": `team-${index}` },
        },
      }],
    },
  };
}

function spreadPolicy(indices: readonly number[]): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: "EgressGatewayPolicy",
    metadata: { name: "spread" },
    spec: {
      egressGatewayNames: indices.map(gatewayName),
      destinationCIDRs: ["0.0.0.0/0"],
      selectors: [{ podSelector: { matchLabels: { app: "crawler" } } }],
    },
  };
}

function poolIndex(gateway: number): number {
  if (gateway === 0) return 0;
  if (gateway <= CROWD) return 1;
  return 2 + gateway % (POOLS - 2);
}

function poolName(index: number): string {
  return `pool-${String(index).padStart(2, "0")}`;
}

function makePools(): readonly Pool[] {
  const random = randomFrom(SEED);
  let next = 0;
  return Array.from({ length: POOLS }, (_, index) => {
    // The smallest cluster has a hundred nodes.
    const size = Math.min(3 + Math.floor(random() * 3), 100 - next - 3 * (POOLS - 1 - index));
    const nodes = Array.from({ length: size }, () => next++);
    return { name: poolName(index), nodes };
  });
}

/** mulberry32: 0 up to 1. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6D2B79F5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
