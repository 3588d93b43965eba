/**
 * What an agent knows when it decides, and what it may decide to do. Plain data: an agent and its world can be
 * simulated.
 *
 * All `…At` and `until` members are milliseconds of the node's monotonic clock; wall clocks decide nothing.
 */
import type { Gateway, Report, ReportedFailure } from "../../core/types.ts";
import type { UplinkTarget } from "../../core/uplink_target.ts";

/** A network interface of the node. */
export interface HostInterface {
  readonly name: string;
  /** Administratively up, and with a carrier where it can have one. */
  readonly up: boolean;
  /** What the kernel calls its state: `up`, `down`, `lowerlayerdown`, … */
  readonly state: string;
  readonly mac?: string;
  /** The sysctl arp_ignore that is in force; other than 0, the kernel does not answer here for addresses of `lo`. */
  readonly arpIgnore?: number;
  readonly addresses: readonly HostAddress[];
}

export interface HostAddress {
  readonly ip: string;
  readonly prefixLength: number;
  /** Carries our mark: only such an address is ever removed. */
  readonly ours: boolean;
  /** It is the node's address in the cluster (InternalIP), as far as we were told that. */
  readonly ofNode?: boolean;
}

/** Where a VIP is bound, and where it is spoken for. */
export interface Placement {
  readonly interface: string;
  readonly speakOn: readonly string[];
}

/** A VIP that this agent bound. It outlives the process in a file, as the address does in the kernel. */
export interface Binding {
  readonly gateway: string;
  readonly uid: string;
  readonly ip: string;
  readonly interface: string;
  readonly speakOn: readonly string[];
  /** RFC 3339 by the node's clock; only ever compared for equality. */
  readonly boundAt: string;
  /** Bound, and no renewal that was sent since has been answered: the address may be one that this node needs. */
  readonly fresh?: true;
  /** The highest term for which the API server has acknowledged our claim to speak; absent: never, or given up since. */
  readonly claimedTerm?: number;
}

/** The last look on the wire for other owners of a VIP. */
export interface Probe {
  readonly startedAt: number;
  /** MAC address of the other owner. */
  readonly mac?: string;
  /** When the first look began of those without a break that showed this owner. */
  readonly answeredSince?: number;
}

/** The announcements that were sent since the agent began to speak. */
export interface Announcements {
  readonly count: number;
  readonly lastAt: number;
}

export interface BindFailure {
  readonly message: string;
  readonly at: number;
  /** It was bound, and taken back since the API server was not heard then; it is not tried again before this. */
  readonly retryAt?: number;
}

/** A renewal that the API server answered. */
export interface Renewal {
  readonly sentAt: number;
  /** The VIPs (by uid) and terms that it claimed, of gateways that gave them to this node once it had. */
  readonly claims: Readonly<Record<string, number>>;
  /** RFC 3339 by the API server's clock: the first of the renewals that were answered without a pause up to this one. */
  readonly since: string | undefined;
}

export interface AgentView {
  readonly nodeName: string;
  readonly now: number;
  /** Gateways as last read; undefined: never read since the start. */
  readonly gateways: readonly Gateway[] | undefined;
  /** VIP -> when a gateway was last known to be served with it. */
  readonly servedAt: ReadonlyMap<string, number>;
  /** Gateway uid -> term below which we must be silent, from the last renewal's answer. */
  readonly fence: Readonly<Record<string, number>>;
  readonly interfaces: readonly HostInterface[];
  /** Of IPv4. */
  readonly defaultRouteInterface: string | undefined;
  readonly defaultRouteInterface6?: string | undefined;
  /** Addresses that the node must reach, and what each is. */
  readonly needed: ReadonlyMap<string, string>;
  readonly bindings: readonly Binding[];
  /** VIPs that the kernel now lets us speak for, until when. */
  readonly speaking: ReadonlyMap<string, number>;
  /** The last renewal that the API server answered. */
  readonly renewal: Renewal | undefined;
  /** The first renewal that failed since the last one that was answered: when it was sent. */
  readonly failedAt: number | undefined;
  /** How many have failed since the last one that was answered. */
  readonly failedInARow: number;
  /** When each fresh binding was made, by VIP. */
  readonly freshSince: ReadonlyMap<string, number>;
  /** By VIP. */
  readonly probes: ReadonlyMap<string, Probe>;
  readonly announcements: ReadonlyMap<string, Announcements>;
  /** By VIP: what kept it from being bound at the last attempt. */
  readonly bindFailures: ReadonlyMap<string, BindFailure>;
  readonly cilium: Report["cilium"];
  /** Addresses that missed their pings. */
  readonly unreachable: ReadonlySet<string>;
  /** By `uplinkKey`. */
  readonly uplinks: ReadonlyMap<string, UplinkAnswers>;
  /** When SIGTERM came. */
  readonly leavingAt: number | undefined;
}

/** A look for other owners of a VIP. */
export interface Look {
  readonly ip: string;
  readonly interfaces: readonly string[];
  /** MAC address of a host that is known to answer: it is told only where nobody else does. */
  readonly besides?: string;
}

/** One target that is asked again and again by one way. */
export interface UplinkProbe extends UplinkTarget {
  readonly interface: string;
  /** An address of this node's own there; absent: the kernel chooses, as for link-local targets. */
  readonly source?: string;
  readonly intervalMilliseconds: number;
}

/** What is known of a probe. */
export interface UplinkAnswers {
  /** When its target last answered; until it does, when it was begun. */
  readonly heardAt: number;
  readonly answered: boolean;
  /** When it answered again after a silence in which somebody may have lost it; absent: there was none. */
  readonly backAt?: number;
  /** Why it is not asked; absent: it is. */
  readonly problem?: string;
}

/** Until when the kernel may speak for a VIP. */
export interface Grant {
  readonly ip: string;
  readonly until: number;
  /** Until when nobody else has the right to, whoever says so, and may be past; absent: that is not known. */
  readonly undisputedUntil?: number;
  /** MAC address of a host that says so without any right. */
  readonly stranger?: string;
}

/** Everything at once; the loop does it in this order. */
export interface AgentPlan {
  /** VIPs to silence now. */
  readonly mute: readonly string[];
  /** Claims that no longer stand: without the API server nothing may be spoken for on their strength. */
  readonly giveUp: readonly Binding[];
  /** VIPs that the gate must cover before anything is bound; empty: no gate is needed. */
  readonly own: readonly string[];
  readonly bind: readonly (Placement & {
    readonly gateway: string;
    readonly uid: string;
    readonly ip: string;
  })[];
  readonly unbind: readonly Binding[];
  /** Fresh bindings after which the API server was not heard: they go at once. */
  readonly takeBack: readonly Binding[];
  readonly speak: readonly Grant[];
  readonly announce: readonly { readonly ip: string; readonly interfaces: readonly string[] }[];
  readonly probe: readonly Look[];
  /** What the next renewal says; undefined before the duties are known. */
  readonly report: Report | undefined;
  /** The claims in that report: gateway uid -> term. */
  readonly claims: Readonly<Record<string, number>>;
  /** Node name -> its addresses: whom to ping. */
  readonly ping: Readonly<Record<string, readonly string[]>>;
  /** Uplink targets to ask, each once. */
  readonly uplinkProbes: readonly UplinkProbe[];
  /** When one of them will be called missing or lost unless it answers. */
  readonly uplinkNewsAt: number | undefined;
  /** Nothing is left to do before the process may end. */
  readonly mayExit: boolean;
  readonly failures: readonly ReportedFailure[];
}
