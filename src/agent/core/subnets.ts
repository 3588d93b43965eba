/** The subnets that a node's interfaces are in. Pure. */
import ipaddr from "ipaddr.js";
import { familyOf } from "../../core/ip_family.ts";
import { remembered } from "../../core/once.ts";
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
  return addresses.flatMap(({ ip, prefixLength, ours }) =>
    ours || prefixLength >= (familyOf(ip) === 4 ? 32 : 128)
      ? []
      : [subnetOf(`${ip}/${prefixLength}`)]
  );
}

const subnetOf = remembered((cidr): Subnet => {
  const family = familyOf(cidr);
  const [network, length] = ipaddr.parseCIDR(cidr);
  return {
    cidr,
    reserved: family === 4 ? reservedIPv4(cidr) : reservedIPv6(cidr),
    holds: (address) => familyOf(address) === family && parsedIP(address).match(network, length),
  };
});

const parsedIP = remembered(ipaddr.parse);

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
