/** Which of an interface's addresses Cilium masquerades other pods' traffic with. Pure. */
import ipaddr from "ipaddr.js";
import { familyOf } from "../../core/ip_family.ts";
import type { HostInterface } from "./view.ts";

/** Source: Cilium 1.20.2, `pkg/ip/ip.go`, `privateIPBlocks`; those that an address of an interface may lie in. */
const PRIVATE = ["100::/64", "2001:2::/48", "2001:db8::/48", "fc00::/7"]
  .map((cidr) => ipaddr.IPv6.parseCIDR(cidr));

/**
 * Tells whether Cilium prefers one of the interface's own addresses to an IPv6 address that is bound there: a public one to a
 * private one, then the lower one. That it is deprecated does not matter to Cilium.
 *
 * Source: Cilium 1.20.2, `pkg/datapath/tables/node_address.go`, `SortedAddresses` and `getAddressesFromDevice`.
 */
export function yieldsTo({ addresses }: HostInterface, ip: string): boolean {
  const rank = rankOf(ip);
  return addresses.some((address) =>
    !address.ours && familyOf(address.ip) === 6 && address.ip !== ip && rankOf(address.ip) < rank
  );
}

/** As a text: the lower, the more preferred. */
function rankOf(ip: string): string {
  const address = ipaddr.IPv6.parse(ip);
  const isPrivate = PRIVATE.some(([network, length]) => address.match(network, length));
  const bytes = address.toByteArray().map((byte) => byte.toString(16).padStart(2, "0"));
  return `${isPrivate ? 1 : 0}${bytes.join("")}`;
}
