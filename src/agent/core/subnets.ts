/** The subnets that a node's interfaces are in. Pure. */
import ipaddr from "ipaddr.js";
import { familyOf } from "../../core/ip_family.ts";
import type { HostInterface } from "./view.ts";

export interface Subnet {
  readonly cidr: string;
  /** Addresses of it that are no host's, and what each is. */
  readonly reserved: readonly { readonly ip: string; readonly what: string }[];
  holds(ip: string): boolean;
}

/** The subnets of an interface's own addresses. */
export function subnetsOf({ name, addresses }: HostInterface): readonly Subnet[] {
  if (name === "lo") return [];
  return addresses.flatMap(({ ip, prefixLength, ours }) => {
    const family = familyOf(ip);
    if (ours || prefixLength >= (family === 4 ? 32 : 128)) return [];
    const cidr = `${ip}/${prefixLength}`;
    const [network, length] = ipaddr.parseCIDR(cidr);
    return [{
      cidr,
      reserved: family === 4 ? reservedIPv4(cidr) : reservedIPv6(cidr),
      holds: (address) =>
        familyOf(address) === family && ipaddr.parse(address).match(network, length),
    }];
  });
}

/** A /31 has none. */
function reservedIPv4(cidr: string): Subnet["reserved"] {
  return ipaddr.IPv4.parseCIDR(cidr)[1] >= 31 ? [] : [
    { ip: ipaddr.IPv4.networkAddressFromCIDR(cidr).toString(), what: "network address" },
    { ip: ipaddr.IPv4.broadcastAddressFromCIDR(cidr).toString(), what: "broadcast address" },
  ];
}

/** A /127 has none (RFC 6164). */
function reservedIPv6(cidr: string): Subnet["reserved"] {
  return ipaddr.IPv6.parseCIDR(cidr)[1] >= 127 ? [] : [{
    ip: ipaddr.IPv6.networkAddressFromCIDR(cidr).toRFC5952String(),
    what: "anycast address of all routers",
  }];
}
