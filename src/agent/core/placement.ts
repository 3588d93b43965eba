/** Where a VIP is to be bound on this node. Pure. */
import ipaddr from "ipaddr.js";
import { noneOf } from "../../core/eligibility.ts";
import type { ReportedFailure } from "../../core/types.ts";
import type { HostInterface, Placement } from "./view.ts";

export type Placed = Placement | Pick<ReportedFailure, "reason" | "message">;

/**
 * On the public interface when the VIP lies in its subnet, else on `lo`, while ARP is spoken on the listed interfaces: an
 * address of another class on the interface itself would become the one that other traffic of the node is masqueraded
 * with (measured on Cilium 1.20.2).
 *
 * Always as /32. With the subnet's prefix length it would be a secondary address, which the kernel promotes when the
 * node's own address is renewed (removed and added again): then the VIP is the source of the node's own traffic.
 *
 * @param listed the gateway's `interfaces`; those that this node has; empty: the interface whose subnet holds the VIP, else the default route's
 */
export function placementOf(
  ip: string,
  host: {
    readonly listed: readonly string[];
    readonly interfaces: readonly HostInterface[];
    readonly defaultRouteInterface: string | undefined;
    readonly needed: ReadonlyMap<string, string>;
  },
): Placed {
  const { listed, interfaces, defaultRouteInterface, needed } = host;
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
    : [inSubnet[0]?.name ?? defaultRouteInterface].filter((name) => name !== undefined);
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
  if (home !== undefined) return { interface: home.name, speakOn };
  const mute = interfaces.find(({ name, arpIgnore = 0 }) =>
    speakOn.includes(name) && arpIgnore > 0
  );
  if (mute !== undefined) {
    return {
      reason: "BindFailed",
      message:
        `The kernel does not answer ARP on '${mute.name}' for an address on lo as its sysctl arp_ignore is ` +
        `${mute.arpIgnore} (kube-proxy's strictARP sets it); write an address of the subnet of '${mute.name}'`,
    };
  }
  return { interface: "lo", speakOn };
}

/** Why an address can belong to no host of a subnet of this node. */
function reservedAddress(ip: string, interfaces: readonly HostInterface[]): string | undefined {
  for (const link of interfaces) {
    for (const { first, last, cidr } of subnetsOf(link)) {
      if (ip === first) {
        return `${ip} is the network address of ${cidr} on '${link.name}'; write a host's address`;
      }
      if (ip === last) {
        return `${ip} is the broadcast address of ${cidr} on '${link.name}'; write a host's address`;
      }
    }
  }
  return undefined;
}

interface Subnet {
  readonly cidr: string;
  /** Network and broadcast address; a /31 has none. */
  readonly first: string | undefined;
  readonly last: string | undefined;
  holds(ip: string): boolean;
}

/** The subnets of an interface's own addresses. */
function subnetsOf({ name, addresses }: HostInterface): readonly Subnet[] {
  if (name === "lo") return [];
  return addresses.filter(({ ours, prefixLength }) => !ours && prefixLength < 32).map(
    ({ ip, prefixLength }) => {
      const cidr = `${ip}/${prefixLength}`;
      const [network, length] = ipaddr.IPv4.parseCIDR(cidr);
      const reserves = prefixLength < 31;
      return {
        cidr,
        first: reserves ? ipaddr.IPv4.networkAddressFromCIDR(cidr).toString() : undefined,
        last: reserves ? ipaddr.IPv4.broadcastAddressFromCIDR(cidr).toString() : undefined,
        holds: (address) => ipaddr.IPv4.parse(address).match(network, length),
      };
    },
  );
}
