/**
 * Builders of everything that a tick can observe. All of them default to a healthy object, so that a test states only
 * what it is about: `node("a", { ready: false })`.
 */
import { HOSTNAME_LABEL, PIN_ANNOTATION } from "../../src/core/names.ts";
import type {
  CiliumPolicy,
  Gateway,
  GatewaySpec,
  GatewayStatus,
  InvalidObject,
  Labels,
  Lease,
  Milliseconds,
  Node,
  Pod,
  Policy,
  PolicyRule,
  PolicyStatus,
  Report,
  ReportedAddress,
  Snapshot,
} from "../../src/core/types.ts";

/** When all tests take place: 2026-11-23T10:00:00Z. */
export const NOW: Milliseconds = Date.UTC(2026, 10, 23, 10);

/** When everything became ready, unless said otherwise: an hour before `NOW`. */
export const LONG_AGO: Milliseconds = NOW - 3_600_000;

/** The address of gateways in VirtualIPAddress mode, unless said otherwise. */
export const VIP = "172.18.18.242";

/** An RFC 3339 time so many seconds after `NOW`. */
export function at(seconds: number): string {
  return new Date(NOW + seconds * 1_000).toISOString().replace(".000Z", "Z");
}

export interface NodeOptions extends Partial<Omit<Node, "name" | "ready">> {
  readonly ready?: boolean | Node["ready"];
  /** Without the label by which Cilium finds it. */
  readonly noHostname?: boolean;
}

/** A node that is Ready; labels are added to its hostname label. */
export function node(
  name: string,
  { ready = true, labels, noHostname = false, ...rest }: NodeOptions = {},
): Node {
  return {
    name,
    resourceVersion: `node-${name}-1`,
    labels: { ...(noHostname ? {} : { [HOSTNAME_LABEL]: name }), ...labels },
    cordoned: false,
    deleting: false,
    ready: ready === true ? "True" : ready === false ? "False" : ready,
    readySince: LONG_AGO,
    internalIPs: [internalIP(name)],
    externalIPs: [],
    ...rest,
  };
}

/** An address in 10.0.0.0/8 that depends on the name alone. */
function internalIP(name: string): string {
  const sum = [...name].reduce((hash, char) => (hash * 31 + char.charCodeAt(0)) % 65_536, 7);
  return `10.0.${sum >> 8}.${sum & 255}`;
}

export type PodOptions = Partial<Omit<Pod, "nodeName">>;

/** Cilium's agent on a node, Ready. */
export function ciliumPod(nodeName: string, options: PodOptions = {}): Pod {
  return {
    namespace: "kube-system",
    name: `cilium-${nodeName}`,
    nodeName,
    ready: true,
    readySince: LONG_AGO,
    deleting: false,
    ...options,
  };
}

/** Our agent on a node, Ready. */
export function agentPod(nodeName: string, options: PodOptions = {}): Pod {
  return ciliumPod(nodeName, {
    namespace: "sallyport-system",
    name: `sallyport-agent-${nodeName}`,
    ...options,
  });
}

/** A report of interface eth1 up, Cilium healthy, and nothing bound. */
export function report(options: Partial<Report> = {}): Report {
  return {
    interfaces: [{ name: "eth1", up: true }],
    cilium: { ready: true },
    addresses: [],
    failures: [],
    uplinks: [],
    unreachable: [],
    heard: {},
    leaving: false,
    renewingSince: at(-3_600),
    ...options,
  };
}

/** The VIP of gateway "gw", bound and silent in term 1. */
export function address(options: Partial<ReportedAddress> = {}): ReportedAddress {
  const name = options.gateway ?? "gw";
  return {
    gateway: name,
    uid: `uid-${name}`,
    term: 1,
    ip: VIP,
    interface: "eth1",
    boundAt: "2026-11-23T09:00:00.000Z",
    speaking: false,
    ...options,
  };
}

export interface LeaseOptions extends Partial<Omit<Lease, "name" | "report" | "renewedAt">> {
  /** Seconds since the last renewal, before `now`; null: never renewed. */
  readonly ago?: number | null;
  readonly now?: Milliseconds;
  /** Null: no report. */
  readonly report?: Partial<Report> | null;
}

/** A Lease that was renewed at `now`. */
export function lease(
  name: string,
  { ago = 0, now = NOW, report: said = {}, ...rest }: LeaseOptions = {},
): Lease {
  return {
    name,
    resourceVersion: `lease-${name}-1`,
    ...(ago === null ? {} : { renewedAt: now - ago * 1_000 }),
    ...(said === null ? {} : { report: report(said) }),
    fence: {},
    ...rest,
  };
}

export interface GatewayOptions extends Partial<Omit<Gateway, "name" | "spec" | "status">> {
  /** Given: VirtualIPAddress mode. */
  readonly vip?: string | readonly string[];
  /** Interfaces of a VIP. */
  readonly interfaces?: readonly string[];
  /** Standbys of a VIP. */
  readonly standbys?: number;
  /** Interface of primary-IP mode. */
  readonly interfaceName?: string;
  readonly nodeSelector?: Labels;
  readonly preferredNodes?: GatewaySpec["preferredNodes"];
  readonly strategy?: GatewaySpec["strategy"];
  readonly failback?: Partial<GatewaySpec["failback"]>;
  readonly failureDetection?: Partial<GatewaySpec["failureDetection"]>;
  readonly whenNoneEligible?: GatewaySpec["whenNoneEligible"];
  readonly allowedNamespaces?: GatewaySpec["allowedNamespaces"];
  /** Value of the pin annotation. */
  readonly pin?: string;
  readonly status?: GatewayStatus;
}

/** A gateway whose candidates are all nodes, in primary-IP mode on eth1 unless a `vip` is given; never decided. */
export function gateway(name: string, options: GatewayOptions = {}): Gateway {
  const {
    vip,
    interfaces = [],
    standbys = 2,
    interfaceName = "eth1",
    nodeSelector = {},
    preferredNodes = [],
    strategy = "Alphabetical",
    failback,
    failureDetection,
    whenNoneEligible = "Keep",
    allowedNamespaces,
    pin,
    annotations = {},
    status = {},
    ...rest
  } = options;
  return {
    name,
    uid: `uid-${name}`,
    resourceVersion: `gateway-${name}-1`,
    generation: 1,
    createdAt: LONG_AGO,
    deleting: false,
    annotations: { ...annotations, ...(pin === undefined ? {} : { [PIN_ANNOTATION]: pin }) },
    spec: {
      nodeSelector,
      sourceIP: vip === undefined
        ? { mode: "PrimaryIPFromEgressGatewayNodeInterface", interfaceName }
        : { mode: "VirtualIPAddress", ips: [vip].flat(), interfaces, standby: "Bound", standbys },
      preferredNodes,
      strategy,
      failback: { mode: "Auto", minReadySeconds: 10, ...failback },
      failureDetection: {
        heartbeat: vip === undefined ? "IfPresent" : "Required",
        timeoutSeconds: 4,
        peers: true,
        ciliumAgentGraceSeconds: 0,
        ...failureDetection,
      },
      whenNoneEligible,
      ...(allowedNamespaces === undefined ? {} : { allowedNamespaces }),
    },
    status,
    ...rest,
  };
}

export interface PolicyOptions extends Partial<Omit<Policy, "name" | "spec">> {
  readonly gateway?: string;
  /** Instead of `gateway`: those over which the traffic is spread, all of weight 1. */
  readonly gateways?: readonly string[];
  /** Of some of the gateways. */
  readonly weights?: Readonly<Record<string, number>>;
  readonly fallback?: string;
  readonly destinationCIDRs?: readonly string[];
  readonly excludedCIDRs?: readonly string[];
  readonly selectors?: readonly PolicyRule[];
  readonly status?: PolicyStatus;
}

/** A policy that sends all pods labelled `app: NAME` through gateway "gw". */
export function policy(name: string, options: PolicyOptions = {}): Policy {
  const {
    gateway: only = "gw",
    gateways = [only],
    weights = {},
    fallback,
    destinationCIDRs = ["0.0.0.0/0"],
    excludedCIDRs = [],
    selectors = [{ podSelector: { matchLabels: { app: name } } }],
    ...rest
  } = options;
  return {
    name,
    uid: `uid-${name}`,
    resourceVersion: `policy-${name}-1`,
    generation: 1,
    createdAt: LONG_AGO,
    deleting: false,
    spec: {
      gateways: gateways.map((name) => ({ name, weight: weights[name] ?? 1 })),
      ...(fallback === undefined ? {} : { fallback }),
      destinationCIDRs,
      excludedCIDRs,
      selectors,
    },
    status: {},
    ...rest,
  };
}

/** A CiliumEgressGatewayPolicy that somebody else made. */
export function foreignCiliumPolicy(
  name: string,
  options: Partial<Omit<CiliumPolicy, "name">> = {},
): CiliumPolicy {
  return {
    name,
    uid: `uid-cegp-${name}`,
    resourceVersion: `cegp-${name}-1`,
    labels: {},
    annotations: {},
    ownerReferences: [],
    deleting: false,
    spec: {
      selectors: [{ podSelector: { matchLabels: { team: "theirs" } } }],
      destinationCIDRs: ["0.0.0.0/0"],
      egressGateway: { nodeSelector: { matchLabels: { team: "theirs" } } },
    },
    ...options,
  };
}

/** An object that did not decode. */
export function invalid(
  kind: InvalidObject["kind"],
  name: string,
  options: Partial<InvalidObject> = {},
): InvalidObject {
  return { kind, name, message: "spec.destinationCIDRs: expected an array", ...options };
}

/** A snapshot of exactly what is given. */
export function snapshot(parts: Partial<Snapshot> = {}): Snapshot {
  return {
    now: NOW,
    nodes: [],
    ciliumPods: [],
    agentPods: [],
    leases: [],
    gateways: [],
    policies: [],
    ciliumPolicies: [],
    invalid: [],
    ...parts,
  };
}

/** A node and what runs on it; null leaves a part out. */
export interface Machine {
  readonly node?: NodeOptions;
  readonly cilium?: PodOptions | null;
  readonly agent?: PodOptions | null;
  readonly lease?: LeaseOptions | null;
}

export interface ClusterOptions
  extends Partial<Omit<Snapshot, "nodes" | "ciliumPods" | "agentPods" | "leases">> {
  /** Nodes by name; `{}` is a healthy one with Cilium, our agent and a fresh Lease. */
  readonly nodes: Readonly<Record<string, Machine>>;
}

/** A cluster of whole machines. */
export function cluster({ nodes, now = NOW, ...rest }: ClusterOptions): Snapshot {
  const machines = Object.entries(nodes);
  return snapshot({
    now,
    nodes: machines.map(([name, machine]) => node(name, machine.node)),
    ciliumPods: machines.flatMap(([name, { cilium }]) =>
      cilium === null ? [] : [ciliumPod(name, cilium)]
    ),
    agentPods: machines.flatMap(([name, { agent }]) =>
      agent === null ? [] : [agentPod(name, agent)]
    ),
    leases: machines.flatMap(([name, machine]) =>
      machine.lease === null ? [] : [lease(name, { now, ...machine.lease })]
    ),
    ...rest,
  });
}

/** Edits by name; pods go by the name of their node. Null removes. */
export interface Edits {
  readonly nodes?: Edit<Node>;
  readonly ciliumPods?: Edit<Pod>;
  readonly agentPods?: Edit<Pod>;
  readonly leases?: Edit<Lease>;
  readonly gateways?: Edit<Gateway>;
  readonly policies?: Edit<Policy>;
  readonly ciliumPolicies?: Edit<CiliumPolicy>;
}

type Edit<T> = Readonly<Record<string, Partial<T> | null>>;

/** A copy of a snapshot in which the named objects have other fields, or are gone. */
export function edit(before: Snapshot, edits: Edits): Snapshot {
  const byName = ({ name }: { readonly name: string }) => name;
  const byNode = ({ nodeName }: Pod) => nodeName;
  return {
    ...before,
    nodes: edited(before.nodes, edits.nodes, byName),
    ciliumPods: edited(before.ciliumPods, edits.ciliumPods, byNode),
    agentPods: edited(before.agentPods, edits.agentPods, byNode),
    leases: edited(before.leases, edits.leases, byName),
    gateways: edited(before.gateways, edits.gateways, byName),
    policies: edited(before.policies, edits.policies, byName),
    ciliumPolicies: edited(before.ciliumPolicies, edits.ciliumPolicies, byName),
  };
}

function edited<T>(
  items: readonly T[],
  edits: Edit<T> | undefined,
  nameOf: (item: T) => string,
): readonly T[] {
  return items.flatMap((item) => {
    const change = edits?.[nameOf(item)];
    return change === null ? [] : [{ ...item, ...change }];
  });
}

/** A copy of a snapshot without a node and all that ran on it. */
export function withoutMachine(before: Snapshot, name: string): Snapshot {
  const gone = { [name]: null };
  return edit(before, { nodes: gone, ciliumPods: gone, agentPods: gone, leases: gone });
}

/** All Leases of these nodes were last renewed so many seconds before `now`. */
export function lastRenewed(
  before: Snapshot,
  ages: Readonly<Record<string, number>>,
): Snapshot {
  const leases = Object.entries(ages).map(([name, seconds]) => [
    name,
    { renewedAt: before.now - seconds * 1_000 },
  ]);
  return edit(before, { leases: Object.fromEntries(leases) });
}
