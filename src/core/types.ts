/**
 * The data of a tick: what was observed (`Snapshot`) and what is to be done (`Plan`).
 *
 * Both are plain JSON. Kubernetes objects appear here as the decoders of `kube/` leave them: only the fields that an
 * election needs, defaults filled in, times as milliseconds since the epoch by the API server's clock.
 */

/** Milliseconds since the epoch. */
export type Milliseconds = number;

/** A JSON value, for the parts of other projects' objects that are compared but not understood. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export type Labels = Readonly<Record<string, string>>;

// ---------------------------------------------------------------- observed

/** A node, as far as an election looks at it. */
export interface Node {
  readonly name: string;
  readonly resourceVersion: string;
  readonly labels: Labels;
  readonly cordoned: boolean;
  readonly deleting: boolean;
  /** Status of the Ready condition; a missing condition counts as ready. */
  readonly ready: "True" | "False" | "Unknown" | "Missing";
  /** When the Ready condition last changed. */
  readonly readySince?: Milliseconds;
  /** The kubelet's message beside the Ready condition. */
  readonly readyMessage?: string;
  /** Addresses of type InternalIP. */
  readonly internalIPs: readonly string[];
  /** Addresses of type ExternalIP, by which the node is reached from outside. */
  readonly externalIPs: readonly string[];
  /** What of the object is there and cannot be read; absent: everything could. */
  readonly unread?: string;
  /** Keys of labels that are there and cannot be read; `*`: of all. */
  readonly unreadLabels?: readonly string[];
}

/** A pod that a node must run to be eligible: Cilium's agent or ours. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  /** Empty: none yet, or it cannot be read. */
  readonly nodeName: string;
  readonly ready: boolean;
  /** When the Ready condition last changed. */
  readonly readySince?: Milliseconds;
  /** Its phase where that is `Failed` or `Succeeded`: nothing of it runs any more. */
  readonly ended?: "Failed" | "Succeeded";
  /** What of the object is there and cannot be read; absent: everything could. */
  readonly unread?: string;
  readonly deleting: boolean;
}

/** What an agent says about its node each second, in its Lease's annotation. */
export interface Report {
  readonly interfaces: readonly ReportedInterface[];
  /** Cilium's healthz as seen from the node; absent where the agent does not ask. */
  readonly cilium?: { readonly ready: boolean; readonly message?: string };
  readonly addresses: readonly ReportedAddress[];
  /** VIPs that the agent was told to bind and cannot. */
  readonly failures: readonly ReportedFailure[];
  /** Of gateways with `failureDetection.uplink`: which targets answer. */
  readonly uplinks: readonly ReportedUplink[];
  /** Nodes whose addresses missed three pings in a row. */
  readonly unreachable: readonly string[];
  /**
   * Gateway uid -> the term that the agent has read, of gateways that name its node as their holder or the one before and
   * for which it has no address to report: it will not speak for them in an older term.
   */
  readonly heard: Readonly<Record<string, number>>;
  /** The agent got SIGTERM and wants its gateways moved away. */
  readonly leaving: boolean;
  /**
   * RFC 3339 by the API server's clock: since when its renewals have been answered without a pause. Null: they begin just
   * now, for the first time or again.
   */
  readonly renewingSince: string | null;
}

export interface ReportedInterface {
  readonly name: string;
  readonly up: boolean;
  readonly mac?: string;
  /** Addresses of both families with prefix length, without VIPs of ours. */
  readonly addresses?: readonly string[];
}

/** A VIP that is bound on the reporting node. */
export interface ReportedAddress {
  readonly gateway: string;
  /** The gateway's uid: a gateway that was deleted and made anew starts with term 1 again. */
  readonly uid: string;
  /** The term of the gateway's status that the agent has read and obeys. */
  readonly term: number;
  readonly ip: string;
  readonly interface: string;
  readonly boundAt: string;
  /** True from before the first ARP packet until after the last one that the node may send for the VIP. */
  readonly speaking: boolean;
  /** MAC address of another host that answered for the VIP. */
  readonly conflict?: string;
}

export interface ReportedFailure {
  readonly gateway: string;
  /** Which of the gateway's VIPs; absent: it has one, or it is none of them in particular. */
  readonly ip?: string;
  readonly reason: "BindFailed" | "InterfaceMissing" | "AddressConflict";
  readonly message: string;
}

/** What a node hears of a gateway's uplink targets; in none of the lists are those that were asked too short a time ago. */
export interface ReportedUplink {
  readonly gateway: string;
  readonly uid: string;
  /** Targets as the gateway's spec has them. */
  readonly reached: readonly string[];
  /** They did not answer lately, and may be lost in a moment, or have answered again for a moment only. */
  readonly missing: readonly string[];
  /** They did not answer for `failures` intervals. */
  readonly lost: readonly string[];
  /** Why some of them are not asked. */
  readonly problem?: string;
}

/** How long ago a fence was written, by what was seen and not by the server's clock. */
export interface FenceAge {
  /** No less than this. */
  readonly forMilliseconds: Milliseconds;
  /** No more than this; absent where that was not seen. */
  readonly withinMilliseconds?: Milliseconds;
}

/** An agent's Lease, named as its node. */
export interface Lease {
  readonly name: string;
  readonly resourceVersion: string;
  /** Server time of the last write of field manager `agent` (whole seconds); absent: the agent never wrote. */
  readonly renewedAt?: Milliseconds;
  /**
   * A lower bound of the true time since the last renewal by another measure than the server's clock: how long a
   * resident observer has seen the Lease unchanged. Absent in a fresh process. Milliseconds.
   */
  readonly unchangedForMilliseconds?: Milliseconds;
  /** Why it is not known when the agent last renewed it; absent: it is known, or the agent never did. */
  readonly unread?: string;
  /** An upper bound of the same: it was different when a resident observer listed it so long ago. Milliseconds. */
  readonly renewedWithinMilliseconds?: Milliseconds;
  /**
   * A watch told of a renewal so long ago. No bound, for watches may be late; but one that goes on telling each second is worth
   * more than two servers' clocks. Milliseconds.
   */
  readonly heardWithinMilliseconds?: Milliseconds;
  /** Gateway uid -> what a resident observer knows of the age of the fence that the Lease carries. */
  readonly fenceAges?: Readonly<Record<string, FenceAge>>;
  /** Absent: no report. */
  readonly report?: Report;
  /** What of the report annotation could not be read; `report` has the rest. */
  readonly reportError?: string;
  /** Gateway uid -> term below which this agent must be silent. */
  readonly fence: Readonly<Record<string, number>>;
  /** Server time of the controller's last write to this Lease. */
  readonly fencedAt?: Milliseconds;
}

export type SourceIP =
  | { readonly mode: "PrimaryIPFromEgressGatewayNodeInterface"; readonly interfaceName: string }
  | {
    readonly mode: "VirtualIPAddress";
    /** One, or one of each family; in canonical text. They are one gateway's: they move together. */
    readonly ips: readonly string[];
    readonly interfaces: readonly string[];
    readonly standby: "Bound" | "Unbound";
    readonly standbys: number;
  };

/** EgressGateway.spec with its defaults filled in. */
export interface GatewaySpec {
  readonly nodeSelector: Labels;
  readonly sourceIP: SourceIP;
  readonly preferredNodes: readonly { readonly weight: number; readonly nodeSelector: Labels }[];
  readonly strategy: "Alphabetical" | "Hash" | "Balanced";
  readonly failback: { readonly mode: "Auto" | "Never"; readonly minReadySeconds: number };
  readonly failureDetection: {
    readonly heartbeat: "Required" | "IfPresent" | "Ignore";
    readonly timeoutSeconds: number;
    readonly peers: boolean;
    readonly ciliumAgentGraceSeconds: number;
    /** What a candidate must reach by its public interface; absent: nobody looks. */
    readonly uplink?: Uplink;
  };
  readonly whenNoneEligible: "Keep" | "Drop";
  /** Whose pods may use it; absent: all. */
  readonly allowedNamespaces?: AllowedNamespaces;
}

/** How a gateway's candidates look whether their way out works. */
export interface Uplink {
  /** `icmp:ADDRESS`, `tcp:ADDRESS:PORT` or `arp:ADDRESS`, an IPv6 address before a port in brackets. */
  readonly targets: readonly string[];
  /** Absent: where the gateway's address is. */
  readonly interface?: string;
  /** From one probe of a target to the next. */
  readonly intervalMilliseconds: number;
  /** A target that has not answered for so many intervals is lost. */
  readonly failures: number;
  /** `Any`: the way out works while one of the targets answers; `All`: while all of them do. */
  readonly require: "Any" | "All";
}

/** Namespaces that are named, and those that the selector selects. */
export interface AllowedNamespaces {
  readonly names: readonly string[];
  readonly selector?: LabelSelector;
}

export type ReasonType =
  | "Unreadable"
  | "NodeNotReady"
  | "NodeCordoned"
  | "NodeDeleting"
  | "HostnameLabelMissing"
  | "HostnameLabelNotUnique"
  | "NoIPv4Address"
  | "CiliumNodeMissing"
  | "CiliumAgentNotReady"
  | "AgentNotReady"
  | "AgentLeaving"
  | "HeartbeatStale"
  | "Unreachable"
  | "BindFailed"
  | "InterfaceMissing"
  | "UplinkDown"
  | "AddressConflict";

/** Why a candidate is not eligible. */
export interface Reason {
  readonly type: ReasonType;
  readonly message: string;
  /** RFC 3339; a reason that is remembered in status (BindFailed) counts until then. */
  readonly retryAfter?: string;
}

/** A node whose labels match the gateway's nodeSelector. */
export interface Candidate {
  readonly node: string;
  readonly eligible: boolean;
  /** RFC 3339, whole seconds; absent when not eligible. */
  readonly eligibleSince?: string;
  /** Sum of the weights of the preferredNodes that match. */
  readonly rank: number;
  readonly reasons: readonly Reason[];
}

export type Condition = {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
};

/**
 * `Idle`: nobody holds the gateway. `Preparing`: a node is elected, the VIP's handover is under way. `Active`: it serves.
 * `phase.ts` decides it:
 *
 * | from | when | to |
 * |---|---|---|
 * | any | nobody is elected | Idle |
 * | any | a node is elected, and there is no address to hand over | Active |
 * | any | a term begins with an address to hand over | Preparing |
 * | Preparing | the term goes on, and what it waits for is not done | Preparing |
 * | Preparing | the VIP is bound, and no other node may speak for it | Active, once the policies are written |
 * | Active | the term goes on | Active |
 *
 * A term whose handover waits for nothing is Preparing and Active within one tick.
 */
export type Phase = "Preparing" | "Active" | "Idle";

/** A node whose Lease was seen to carry the fence of a move. */
export interface FencedNode {
  readonly node: string;
  /** RFC 3339, server time of the first tick that saw it. */
  readonly time: string;
}

export interface Failover {
  /** The node that served before; absent at the first election. */
  readonly from?: string;
  /** The virtual IP that it served with; absent where that is not known for certain. */
  readonly fromEgressIP?: string;
  /** All of them, where there was one of each family. */
  readonly fromEgressIPs?: readonly string[];
  readonly to: string;
  readonly reason: string;
  /** RFC 3339, server time of the decision. */
  readonly startTime: string;
  /** How many returns to nodes that came back followed each other, this move's included; absent: none. */
  readonly returns?: number;
  /** While the move is under way: nodes that were told to be silent, and when that was first seen. */
  readonly fenced?: readonly FencedNode[];
  /** From decision to phase Active, by the server's clock; absent while the move is under way. */
  readonly durationMilliseconds?: number;
}

/**
 * Why a term began. `Elected`: nobody held the gateway before. `FailedOver`: the holder could not go on. `Moved`: somebody asked
 * for it, by a pin, a cordon, a drain, other labels, an agent that is replaced. `FailedBack`: to a node that is ranked better.
 * `Renewed`: the holder stays, the address or the term is another. `Dropped`: nobody holds it any more.
 */
export type MoveReason =
  | "Elected"
  | "FailedOver"
  | "Moved"
  | "FailedBack"
  | "Renewed"
  | "Dropped";

/** A move as the status remembers it. */
export interface PastMove {
  readonly term: number;
  /** RFC 3339, server time of the decision. */
  readonly time: string;
  /** The node that served before; absent: none did. */
  readonly from?: string;
  /** Absent: nobody holds the gateway in this term. */
  readonly to?: string;
  /** A `MoveReason`, or one of a later version. */
  readonly reason: string;
  /** One sentence. */
  readonly message: string;
  /** Somebody asked for it, or the gateway went where it is to be; false: the holder could not go on. */
  readonly planned: boolean;
  /**
   * RFC 3339: since when clients went without, which is the last that was heard of a holder that is gone, else the decision.
   * Absent where that is not known, or where nothing was served before.
   */
  readonly outageSince?: string;
  /** From the decision until the new holder served; absent: the move is under way, or it was given up for the next one. */
  readonly durationMilliseconds?: number;
  /** From `outageSince` until the new holder served; absent where either is not known. */
  readonly outageMilliseconds?: number;
}

/** EgressGateway.status, as stored. */
export interface GatewayStatus {
  readonly observedGeneration?: number;
  readonly activeNodeName?: string;
  /** InternalIPs of the holder: what standbys ping. */
  readonly activeNodeAddresses?: readonly string[];
  readonly standbyNodeNames?: readonly string[];
  /** The virtual IP that the term is about, of two the first; absent in primary-IP mode. */
  readonly egressIP?: string;
  /** All of them, where there is one of each family. */
  readonly egressIPs?: readonly string[];
  readonly readyNodes?: number;
  readonly term?: number;
  readonly phase?: Phase;
  readonly candidates?: readonly Candidate[];
  readonly lastFailover?: Failover;
  /** The last moves, the latest first. */
  readonly history?: readonly PastMove[];
  readonly conditions?: readonly Condition[];
}

export interface Gateway {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly createdAt: Milliseconds;
  readonly deleting: boolean;
  readonly annotations: Labels;
  readonly spec: GatewaySpec;
  readonly status: GatewayStatus;
  /** When a controller last wrote the status, by the API server's clock; absent where nobody says. */
  readonly statusWrittenAt?: Milliseconds;
}

export type LabelRequirement = {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
};

/** A label selector as Kubernetes has it. */
export type LabelSelector = {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly LabelRequirement[];
};

export type PolicyRule = {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  /** The nodes whose pods are meant; absent: all. */
  readonly nodeSelector?: LabelSelector;
};

/** One of the gateways that a policy is spread over. */
export interface WeightedGateway {
  readonly name: string;
  /** A whole number of 1 or more: how many times as large a share as one of weight 1. */
  readonly weight: number;
}

/** How the traffic leaves that a policy gives to one of its gateways. */
export interface PolicyWay {
  readonly name: string;
  /** How many of the 256 shards of nodes are its own. */
  readonly shards: number;
  readonly activeNodeName?: string;
  readonly egressIP?: string;
  readonly egressIPs?: readonly string[];
  /** The gateway that stands in for it; absent: it serves itself. */
  readonly servedBy?: string;
}

/** EgressGatewayPolicy.status, as stored. */
export interface PolicyStatus {
  readonly observedGeneration?: number;
  /** Of a policy with one gateway. */
  readonly activeNodeName?: string;
  readonly egressIP?: string;
  readonly egressIPs?: readonly string[];
  /** Of a policy with several gateways, or with a fallback. */
  readonly gateways?: readonly PolicyWay[];
  readonly conditions?: readonly Condition[];
}

export interface Policy {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly createdAt: Milliseconds;
  readonly deleting: boolean;
  readonly spec: {
    /** One, or those over which the traffic is spread. */
    readonly gateways: readonly WeightedGateway[];
    /** Takes over what a gateway cannot serve since none of its candidates is eligible. */
    readonly fallback?: string;
    readonly destinationCIDRs: readonly string[];
    readonly excludedCIDRs: readonly string[];
    readonly selectors: readonly PolicyRule[];
  };
  readonly status: PolicyStatus;
  /** When a controller last wrote the status, by the API server's clock; absent where nobody says. */
  readonly statusWrittenAt?: Milliseconds;
}

/** A CiliumEgressGatewayPolicy; `spec` is compared as a whole. */
export interface CiliumPolicy {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly ownerReferences: readonly JsonObject[];
  readonly deleting: boolean;
  readonly spec: JsonObject;
}

/**
 * What Cilium knows of candidates: it takes a gateway's node from its own CiliumNodes, by their labels. A node that was not asked
 * for is not known to lack one.
 */
export interface CiliumNodes {
  /** Names of the nodes that were asked for. */
  readonly asked: readonly string[];
  /** All CiliumNodes that have the hostname label of one of these. */
  readonly found: readonly CiliumNode[];
}

/** A CiliumNode, as far as its metadata tells; it has its node's name. */
export interface CiliumNode {
  readonly name: string;
  /** Value of the hostname label, by which policies name a gateway's node; undefined: it has none. */
  readonly hostname: string | undefined;
}

/** An object that does not decode. It is reported by name, and what depends on it is left as it is. */
export interface InvalidObject {
  readonly kind:
    | "Node"
    | "Pod"
    | "Lease"
    | "EgressGateway"
    | "EgressGatewayPolicy"
    | "CiliumEgressGatewayPolicy";
  readonly name: string;
  readonly uid?: string;
  /** Names the field, the value found and what to write instead. */
  readonly message: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  /** When a controller last wrote the status, by the API server's clock; absent where nobody says. */
  readonly statusWrittenAt?: Milliseconds;
  /** Stored conditions where the object can hold one. */
  readonly conditions?: readonly Condition[];
}

/** Everything that a tick decides from. Lists may be in any order. */
export interface Snapshot {
  /** The API server's clock, whole seconds. */
  readonly now: Milliseconds;
  /** The best estimate of that clock to the millisecond; only for durations that are shown. Default: `now`. */
  readonly clock?: Milliseconds;
  readonly nodes: readonly Node[];
  readonly ciliumPods: readonly Pod[];
  readonly agentPods: readonly Pod[];
  readonly leases: readonly Lease[];
  readonly gateways: readonly Gateway[];
  readonly policies: readonly Policy[];
  readonly ciliumPolicies: readonly CiliumPolicy[];
  /** Absent: not known, as where there is no such kind, or it may not be read. */
  readonly ciliumNodes?: CiliumNodes | undefined;
  readonly invalid: readonly InvalidObject[];
}

// ---------------------------------------------------------------- planned

export type Decision = "Keep" | "Elect" | "FailOver" | "FailBack" | "Move" | "Wait" | "None";

export interface GatewayPlan {
  readonly name: string;
  /** Null: nobody holds it. */
  readonly activeNodeName: string | null;
  readonly previousNodeName: string | null;
  readonly standbyNodeNames: readonly string[];
  readonly readyNodes: number;
  readonly term: number;
  readonly phase: Phase;
  readonly decision: Decision;
  /** One sentence: why this node. */
  readonly message: string;
  readonly candidates: readonly Candidate[];
  readonly conditions: readonly Condition[];
  /** The move that this plan begins or finishes; finished where it has a duration. */
  readonly move?: PastMove;
  /** What becomes of the pin; absent: there is none. */
  readonly pin?: Pin;
}

/** What becomes of a pin, the annotation that names the node which is to hold a gateway. */
export interface Pin {
  readonly node: string;
  /** `Obeyed`: that node holds the gateway, or is about to. The others: the election goes on as if there were no pin. */
  readonly state: "Obeyed" | "NotEligible" | "NoCandidate";
  /** One sentence without its full stop. */
  readonly message: string;
}

export interface PolicyPlan {
  readonly name: string;
  /** As the policy names them. */
  readonly gateways: readonly PolicyWay[];
  readonly conditions: readonly Condition[];
}

/** One write. `body` is a JSON merge patch, a whole object to create, or delete options. */
export interface Change {
  readonly action: "create" | "patch" | "delete";
  readonly kind:
    | "Node"
    | "Lease"
    | "EgressGateway"
    | "EgressGatewayPolicy"
    | "CiliumEgressGatewayPolicy";
  readonly name: string;
  readonly subresource?: "status";
  readonly body: JsonObject;
  /**
   * Changes of one group are written in order, and when one of them fails the rest of the group is left to the next
   * tick; groups are independent. A gateway's name, or "" for what depends on nothing.
   */
  readonly group: string;
  /** Within a group, changes of one stage may be written at the same time: the burst of a move. */
  readonly stage: number;
}

/** What Events are counted by. */
export type EventReason =
  // Moves of a gateway; only FailedOver is a warning.
  | "Elected"
  | "FailedOver"
  | "FailedBack"
  | "Moved"
  | "Renewed"
  | "VirtualIPBound"
  // Its troubles, and their end.
  | "AddressConflict"
  | "NoEligibleNode"
  | "PinNotObeyed"
  | "Recovered"
  // A policy's.
  | "Active"
  | "ActiveNodeNotEligible"
  | "EverythingExcluded"
  | "GatewayNotFound"
  | "NameClash"
  | "NamespaceNotAllowed"
  | "FamilyNotServed"
  | "NoActiveNode"
  | "SameTraffic";

/** A Kubernetes Event to be recorded once the changes that it tells of are written. */
export interface PlannedEvent {
  readonly kind: "EgressGateway" | "EgressGatewayPolicy";
  readonly name: string;
  readonly uid: string;
  /** Of the changes. */
  readonly group: string;
  readonly type: "Normal" | "Warning";
  readonly reason: EventReason;
  readonly message: string;
}

export interface Plan {
  readonly gateways: readonly GatewayPlan[];
  readonly policies: readonly PolicyPlan[];
  readonly changes: readonly Change[];
  readonly events: readonly PlannedEvent[];
  /** Sentences about objects that were left out and why: bad input, a name clash, mass staleness. */
  readonly warnings: readonly string[];
  /** Heartbeats were ignored, since most of them were stale at once. */
  readonly heartbeatsIgnored: boolean;
}
