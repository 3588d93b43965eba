/** What the agent's loop does to its node; the real ones are made of ip, nft, arping and fping. */
import type { HostInterface, UplinkProbe } from "./core/view.ts";

export interface Hands {
  interfaces(): Promise<readonly HostInterface[]>;
  /** Of IPv4. */
  defaultRouteInterface(): Promise<string | undefined>;
  defaultRouteInterface6?(): Promise<string | undefined>;
  /** Addresses that the node must reach, and what each is: a VIP that is one of them would cut it off. */
  needed?(): Promise<ReadonlyMap<string, string>>;
  /** Clocks that may go on while this machine stands still. */
  clocks?(): Promise<readonly Reading[]>;
  /** Calls back when an interface or an address changes. */
  watch?(onChange: () => void, signal: AbortSignal): Watch;
  /** Binds an address as /32 or /128 with our mark; one that is there already is a success. */
  bind(address: { readonly ip: string; readonly interface: string }): Promise<void>;
  /** Removes exactly that address, and only where it carries our mark. */
  unbind(address: { readonly ip: string; readonly interface: string }): Promise<void>;
  /** Makes the gate cover exactly these VIPs; none: takes the gate away. */
  own(ips: readonly string[]): Promise<void>;
  /** Lets the kernel speak for these VIPs, for that long from now. */
  speak(entries: readonly Permission[]): Promise<void>;
  mute(ips: readonly string[]): Promise<void>;
  /** What the kernel lets us speak for at this moment. */
  speaking(): Promise<readonly { readonly ip: string; readonly milliseconds: number }[]>;
  /**
   * Sends one gratuitous ARP packet in each form, or one unsolicited neighbour advertisement, on each interface; one that is
   * not out yet is lost on abort.
   */
  announce(ip: string, interfaces: readonly string[], signal: AbortSignal): Promise<void>;
  /**
   * The MAC address of another owner of the VIP, if one answers in time.
   *
   * @param besides MAC address of one that is known to answer; given only where nobody else does
   */
  probe(
    ip: string,
    interfaces: readonly string[],
    besides?: string,
  ): Promise<string | undefined>;
  /** Passes answers for exactly these VIPs on to who spoke for them before; none: ends that. */
  passOn?(entries: readonly Passing[]): Promise<void>;
  /** Asks uplink targets, until the signal. */
  probeUplinks?(listener: UplinkListener, signal: AbortSignal): UplinkProber;
}

/** Until when the kernel may speak for a VIP. */
export interface Permission {
  readonly ip: string;
  /** From now. */
  readonly milliseconds: number;
  /**
   * For so long from now nobody else has the right to, whoever says so, or has said so before. After it, or where it is absent,
   * another host that says so silences the kernel.
   */
  readonly undisputedMilliseconds?: number;
  /** MAC address of a host that says so without any right. */
  readonly stranger?: string;
}

/** A VIP whose answers are passed on where this node knows no connection that they belong to. */
export interface Passing {
  readonly ip: string;
  /** MAC address of the node that spoke for it before. */
  readonly mac: string;
  /** From now. */
  readonly milliseconds: number;
  /** Where they come in, and go out again; `mac` is this node's own there. */
  readonly links: readonly { readonly name: string; readonly mac: string }[];
}

/** Told of uplink probes, by `uplinkKey`. */
export interface UplinkListener {
  /** The target answered, so many milliseconds ago. */
  readonly onAnswer: (key: string, agoMilliseconds: number) => void;
  /** It is asked, for the first time or again. */
  readonly onBegin: (key: string) => void;
  /** It cannot be asked. */
  readonly onProblem: (key: string, message: string) => void;
}

export interface UplinkProber {
  /** Asks exactly these from now on. */
  readonly set: (probes: readonly UplinkProbe[]) => void;
}

export interface Watch {
  /** False: changes may go unnoticed, so look often. */
  readonly works: () => boolean;
}

/** A clock that may go on while the machine does not. */
export interface Reading {
  readonly name: string;
  readonly milliseconds: number;
  /** How finely it tells the time. */
  readonly grainMilliseconds: number;
}
