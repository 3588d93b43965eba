/**
 * Passes answers on to the node that spoke for their VIP before: an nftables table of its own, `netdev sallyport`.
 *
 * Its hook is a device's ingress, behind Cilium's programs (tc): what reaches it is what these did not translate, and what this
 * node's kernel would drop. What goes to a port that servers have, first packets of TCP connections, pings and neighbour discovery are
 * not answers: they stay. So does what the other node sends, which may be passing on, too.
 *
 * As in the gate (`gate.ts`), elements expire with the permission that they belong to.
 */
import { familyOf, isIP } from "../../core/ip_family.ts";
import type { Passing } from "../hands.ts";
import { canQuote } from "./gate.ts";
import { checkedMac, duration } from "./gate_elements.ts";
import type { Nft } from "./nft.ts";

const TABLE = "netdev sallyport";

const FAMILIES = [
  { family: 4, ip: "ip", type: "ipv4_addr" },
  { family: 6, ip: "ip6", type: "ipv6_addr" },
] as const;

/** Of no connection that a pod began: those come from ports that the kernel, or Cilium, chose (`ip_local_port_range`). */
const STAYING = [
  "meta l4proto { tcp, udp } th dport < 32768",
  "tcp flags & (ack | rst) == 0",
  "icmp type echo-request",
  "icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, nd-redirect }",
];

/**
 * Hands on exactly these from now; none: takes the table away. Interfaces that nft cannot be told of are passed over.
 *
 * @throws CommandError when the kernel refuses, as one without `CONFIG_NFT_FWD_NETDEV` does
 */
export async function passOn(nft: Nft, entries: readonly Passing[]): Promise<void> {
  if (entries.length === 0) {
    await nft.apply([`add table ${TABLE}`, `delete table ${TABLE}`]);
    return;
  }
  const links = new Map(entries.flatMap(({ links }) => links.map(({ name, mac }) => [name, mac])));
  await nft.apply([
    `add table ${TABLE}`,
    ...FAMILIES.flatMap(({ family, type }) => [
      `add map ${TABLE} former${family} { type ${type} : ether_addr; flags timeout; }`,
      `add set ${TABLE} back${family} { type ${type} . ether_addr; flags timeout; }`,
      `flush map ${TABLE} former${family}`,
      `flush set ${TABLE} back${family}`,
    ]),
    ...entries.flatMap(elementsFor),
    ...[...links].filter(([name]) => canQuote(name)).flatMap(([name, mac]) => chainOn(name, mac)),
  ]);
}

function elementsFor({ ip, mac, milliseconds }: Passing): readonly string[] {
  if (isIP(ip) === 0) throw new TypeError(`Cannot pass on answers to '${ip}': it is no IP address`);
  const family = familyOf(ip);
  const timeout = `timeout ${duration(milliseconds)}`;
  return [
    `add element ${TABLE} former${family} { ${ip} ${timeout} : ${checkedMac(mac)} }`,
    `add element ${TABLE} back${family} { ${ip} . ${mac} ${timeout} }`,
  ];
}

function chainOn(name: string, mac: string): readonly string[] {
  const chain = `${TABLE} on_${
    [...name].map((letter) => letter.charCodeAt(0).toString(16)).join("")
  }`;
  return [
    `add chain ${chain} { type filter hook ingress device "${name}" priority 0; policy accept; }`,
    `flush chain ${chain}`,
    ...STAYING.map((packets) => `add rule ${chain} ${packets} accept`),
    // The switch must not learn that the sender is here.
    ...FAMILIES.map(({ family, ip }) =>
      `add rule ${chain} ${ip} daddr . ether saddr != @back${family} ` +
      `ether daddr set ${ip} daddr map @former${family} ether saddr set ${
        checkedMac(mac)
      } fwd to "${name}"`
    ),
  ];
}
