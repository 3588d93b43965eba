/** Which of an interface's addresses Cilium masquerades other pods' traffic with. Pure. */
import ipaddr from "ipaddr.js";
import { familyOf, hexOf } from "../../core/ip_family.ts";
import { remembered } from "../../core/once.ts";
import type { HostInterface } from "./view.ts";

/** Source: Cilium 1.20.2, `pkg/ip/ip.go`, `privateIPBlocks`; those that an address of an interface may lie in. */
const PRIVATE = [
  ...["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"],
  ...["192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"],
  ...["100::/64", "2001:2::/48", "2001:db8::/48", "fc00::/7"],
].map((cidr) => ipaddr.parseCIDR(cidr));

/**
 * Tells whether Cilium prefers one of the interface's own addresses to a VIP that is bound there: a public one to a private
 * one, then the node's own, then the lowest. That an IPv6 address is deprecated does not matter to Cilium.
 *
 * Source: Cilium 1.20.2, `pkg/datapath/tables/node_address.go`, `SortedAddresses` and `getAddressesFromDevice`; seen in
 * `tests/cilium/egress_test.ts`.
 */
export function yieldsTo({ addresses }: HostInterface, ip: string): boolean {
  const rank = rankOf({ ip });
  return addresses.some((address) =>
    !address.ours && familyOf(address.ip) === familyOf(ip) && address.ip !== ip &&
    rankOf(address) < rank
  );
}

/** As a text: the lower, the more preferred. */
function rankOf(
  { ip, ofNode = false }: { readonly ip: string; readonly ofNode?: boolean },
): string {
  return `${isPrivate(ip) ? 1 : 0}${ofNode ? 0 : 1}${hexOf(ip)}`;
}

const isPrivate = remembered((ip) => {
  const address = ipaddr.parse(ip);
  return PRIVATE.some(([network, length]) =>
    network.kind() === address.kind() && address.match(network, length)
  );
});
