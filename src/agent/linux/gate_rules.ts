/** The gate's tables, chains and rules (`gate.ts` says what they are for). */
import { TIMINGS } from "../../core/timings.ts";
import { ARP_TABLE, duration, elementOf, elementsOf, IP6_TABLE } from "./gate_elements.ts";

/** Against refusals. */
export const IP_TABLE = "ip sallyport";

/**
 * The target address of a neighbour solicitation or advertisement, and the source address of an IPv6 packet. As raw bytes,
 * since nft 1.0.6 has no name for the first, and compares a raw expression only with a set of its own kind.
 */
const TARGET = "@th,64,128";
const SOURCE = "@nh,64,128";

export interface OwnAddress {
  /** Of an interface. */
  readonly name: string;
  readonly ip: string;
}

export function ownIPv4(ips: readonly string[], names: readonly OwnAddress[]): readonly string[] {
  const silent = (field: "saddr" | "daddr") =>
    `arp ${field} ip @owned arp ${field} ip != @speaking`;
  const disputed = (field: "saddr" | "daddr") => `arp ${field} ip @disputed`;
  // The kernel asks for a neighbour in the name of the packet's source, here a VIP (sysctl arp_announce 0).
  const inOwnName = names.flatMap(({ name, ip }) =>
    [silent, disputed].map((which) =>
      `oifname "${name}" arp operation request ${which("saddr")} arp saddr ip set ${ip}`
    )
  );
  return [
    `add table ${ARP_TABLE}`,
    `add set ${ARP_TABLE} owned { type ipv4_addr; }`,
    `add set ${ARP_TABLE} speaking { type ipv4_addr; flags timeout; }`,
    ...disputesIn(ARP_TABLE, "type ipv4_addr"),
    ...chainOf(ARP_TABLE, "input", [
      disputing("arp saddr ip", "arp saddr ether"),
      `arp operation request ${silent("daddr")} drop`,
      `arp operation request ${disputed("daddr")} drop`,
    ]),
    ...chainOf(ARP_TABLE, "output", [
      ...inOwnName,
      `${silent("saddr")} drop`,
      `${disputed("saddr")} drop`,
    ]),
    ...elementsOf(ARP_TABLE, "owned", ips),
    `add table ${IP_TABLE}`,
    `add set ${IP_TABLE} owned { type ipv4_addr; }`,
    ...chainOf(IP_TABLE, "output", [
      "ip saddr @owned tcp flags & rst == rst drop",
      "ip saddr @owned icmp type destination-unreachable icmp code port-unreachable drop",
    ]),
    ...elementsOf(IP_TABLE, "owned", ips),
  ];
}

export function ownIPv6(ips: readonly string[], names: readonly OwnAddress[]): readonly string[] {
  const silent = (field: string) => `${field} @owned ${field} != @speaking`;
  const disputed = (field: string) => `${field} @disputed`;
  // The kernel asks in the name of the packet's source here, too, and neighbours learn from that.
  const inOwnName = names.flatMap(({ name, ip }) =>
    [silent, disputed].map((which) =>
      `oifname "${name}" icmpv6 type nd-neighbor-solicit ${which(SOURCE)} ip6 saddr set ${ip}`
    )
  );
  return [
    `add table ${IP6_TABLE}`,
    `add set ${IP6_TABLE} owned { typeof ${TARGET}; }`,
    `add set ${IP6_TABLE} speaking { typeof ${TARGET}; flags timeout; }`,
    ...disputesIn(IP6_TABLE, `typeof ${TARGET}`),
    ...chainOf(IP6_TABLE, "input", [
      `icmpv6 type nd-neighbor-advert ${disputing(TARGET, "ether saddr")}`,
      `icmpv6 type nd-neighbor-solicit ${silent(TARGET)} drop`,
      `icmpv6 type nd-neighbor-solicit ${disputed(TARGET)} drop`,
    ]),
    ...chainOf(IP6_TABLE, "output", [
      ...inOwnName,
      ...[silent, disputed].flatMap((which) => [
        `icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ${which(SOURCE)} drop`,
        `icmpv6 type nd-neighbor-advert ${which(TARGET)} drop`,
      ]),
      `${SOURCE} @owned tcp flags & rst == rst drop`,
      `${SOURCE} @owned icmpv6 type destination-unreachable icmpv6 code port-unreachable drop`,
    ]),
    ...elementsOf(IP6_TABLE, "owned", ips.map((ip) => elementOf(ip).text)),
  ];
}

/** What another host's claim to an owned address does, and whose claims do nothing. */
function disputesIn(table: string, type: string): readonly string[] {
  return [
    `add set ${table} undisputed { ${type}; flags timeout; }`,
    `add set ${table} disputed { ${type}; size 1024; flags dynamic,timeout; }`,
    `add set ${table} ours { type ether_addr; }`,
    `add set ${table} strangers { type ether_addr; flags timeout; }`,
  ];
}

/** A rule for packets that say of an address that their sender has it. */
function disputing(address: string, mac: string): string {
  return `${address} @owned ${address} != @undisputed ${mac} != @ours ${mac} != @strangers ` +
    `add @disputed { ${address} timeout ${duration(TIMINGS.disputeMilliseconds)} }`;
}

/** Makes a chain's rules exactly these. */
function chainOf(
  table: string,
  hook: "input" | "output",
  rules: readonly string[],
): readonly string[] {
  return [
    `add chain ${table} ${hook} { type filter hook ${hook} priority 0; policy accept; }`,
    `flush chain ${table} ${hook}`,
    ...rules.map((rule) => `add rule ${table} ${hook} ${rule}`),
  ];
}
