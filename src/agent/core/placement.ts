/** Where a VIP is to be bound on this node. Pure. */
import { noneOf } from "../../core/eligibility.ts";
import { familyOf } from "../../core/ip_family.ts";
import type { ReportedFailure } from "../../core/types.ts";
import { yieldsTo } from "./masquerading.ts";
import { subnetsOf } from "./subnets.ts";
import type { HostInterface, Placement } from "./view.ts";

/** What Cilium prefers the node's own address to. */
const HIGHER = "a higher address of the subnet";

export type Placed = Placement | Pick<ReportedFailure, "reason" | "message">;

/**
 * On the public interface when the VIP lies in its subnet and Cilium prefers another address there for masquerading; else on
 * `lo`, while ARP is spoken on the listed interfaces: on the interface itself it would be what other traffic of the node
 * is masqueraded with (measured on Cilium 1.20.2).
 *
 * Always as /32. With the subnet's prefix length it would be a secondary address, which the kernel promotes when the
 * node's own address is renewed (removed and added again): then the VIP is the source of the node's own traffic.
 *
 * IPv6: as /128, and always on an interface, as the kernel answers no solicitation for an address of `lo`; on one
 * alone, for the same reason; and only where another address of it is preferred for masquerading.
 *
 * @param listed the gateway's `interfaces`; those that this node has; empty: the interface whose subnet holds the VIP, else the default route's
 */
export function placementOf(
  ip: string,
  host: {
    readonly listed: readonly string[];
    readonly interfaces: readonly HostInterface[];
    readonly defaultRouteInterface: string | undefined;
    readonly defaultRouteInterface6?: string | undefined;
    readonly needed: ReadonlyMap<string, string>;
  },
): Placed {
  const { listed, interfaces, needed } = host;
  const family = familyOf(ip);
  const defaultRoute = family === 4 ? host.defaultRouteInterface : host.defaultRouteInterface6;
  const owner = interfaces.find(({ addresses }) =>
    addresses.some((address) => !address.ours && address.ip === ip)
  );
  if (owner !== undefined) {
    return {
      reason: "AddressConflict",
      message:
        `${ip} is this node's own address on '${owner.name}'; write an address that no host uses`,
    };
  }
  const what = needed.get(ip);
  if (what !== undefined) {
    return {
      reason: "AddressConflict",
      message: `${ip} is ${what}; write an address that no host uses`,
    };
  }
  const reserved = reservedAddress(ip, interfaces);
  if (reserved !== undefined) return { reason: "BindFailed", message: reserved };
  const inSubnet = interfaces.filter((link) => subnetsOf(link).some((subnet) => subnet.holds(ip)));
  const wanted = listed.length > 0
    ? listed
    : [inSubnet[0]?.name ?? defaultRoute].filter((name) => name !== undefined);
  if (wanted.length === 0) {
    return {
      reason: "InterfaceMissing",
      message:
        `No interface has ${ip} in its subnet and there is no default route; write virtualIPAddress.interfaces`,
    };
  }
  // What this node does not have is the name of another kind of hardware.
  const speakOn = wanted.filter((name) => interfaces.some((link) => link.name === name));
  if (speakOn.length === 0) return { reason: "InterfaceMissing", message: noneOf(wanted) };
  const down = interfaces.find(({ name, up }) => speakOn.includes(name) && !up);
  if (down !== undefined) {
    return {
      reason: "InterfaceMissing",
      message: `Interface '${down.name}' is down: its state is ${down.state}`,
    };
  }
  const home = inSubnet.find(({ name }) => speakOn.includes(name));
  if (family === 6) {
    return placeIPv6(ip, { home, links: interfaces.filter(({ name }) => speakOn.includes(name)) });
  }
  if (home !== undefined && yieldsTo(home, ip)) return { interface: home.name, speakOn };
  const mute = interfaces.find(({ name, arpIgnore = 0 }) =>
    speakOn.includes(name) && arpIgnore > 0
  );
  if (mute !== undefined) {
    return {
      reason: "BindFailed",
      message:
        `The kernel does not answer ARP on '${mute.name}' for an address on lo as its sysctl arp_ignore is ` +
        `${mute.arpIgnore} (kube-proxy's strictARP sets it); write ` +
        (home === undefined ? `an address of the subnet of '${mute.name}'` : HIGHER),
    };
  }
  return { interface: "lo", speakOn };
}

function placeIPv6(
  ip: string,
  { home, links }: {
    /** The interface whose subnet holds it, of those where it is to be spoken for: `links`. */
    readonly home: HostInterface | undefined;
    readonly links: readonly HostInterface[];
  },
): Placed {
  const there = (home === undefined ? links : [home]).find((link) => yieldsTo(link, ip));
  if (there !== undefined) return { interface: there.name, speakOn: [there.name] };
  if (home !== undefined) {
    return {
      reason: "BindFailed",
      message:
        `${ip} is lower than this node's addresses on '${home.name}', and other pods' traffic could leave with it, as Cilium ` +
        `prefers the lowest; write ${HIGHER}`,
    };
  }
  const names = links.map(({ name }) => `'${name}'`).join(", ");
  return {
    reason: "BindFailed",
    message:
      `${ip} lies in no subnet of ${names}, and other pods' traffic would leave with it, as Cilium prefers it to what is ` +
      "there; write an address of such a subnet",
  };
}

/** Why an address can belong to no host of a subnet of this node. */
function reservedAddress(ip: string, interfaces: readonly HostInterface[]): string | undefined {
  for (const link of interfaces) {
    for (const { cidr, reserved } of subnetsOf(link)) {
      const what = reserved.find((address) => address.ip === ip)?.what;
      if (what !== undefined) {
        return `${ip} is the ${what} of ${cidr} on '${link.name}'; write a host's address`;
      }
    }
  }
  return undefined;
}
