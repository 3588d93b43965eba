/**
 * The gate: nftables tables that keep a node silent about its VIPs unless its agent says otherwise each second.
 *
 * ARP requests for, and the kernel's ARP packets from, an address in `owned` are dropped unless the address is in
 * `speaking`, whose elements are permissions: they expire. So are neighbour solicitations for, and solicitations and
 * advertisements of, an owned IPv6 address. A dead, frozen or stopped agent falls silent by itself: the gate needs nobody
 * alive. Every change is one transaction for both families, so there is no moment without the gate.
 *
 * What the gate does not hold back: packets of programs that write to the wire themselves, `arping` among them
 * (packet sockets pass by the output hook). Whoever announces must know that it may. `ndptool`, which announces IPv6
 * addresses, sends by way of the kernel: the gate holds it back like the kernel itself.
 *
 * Requests and answers for all other addresses pass, and duplicate-address probes (sender 0.0.0.0 or ::) too.
 *
 * Further rules keep the kernel from refusing, in the name of an owned VIP, packets of connections that it does not
 * know (TCP reset, ICMP port unreachable). They are pods' connections that another node translated until now: unrefused,
 * they go on as soon as their pods' packets come by here. Measured in docs/cilium.md. Forwarded packets, pods' own resets
 * among them, do not pass that hook.
 */

import ipaddr from "ipaddr.js";
import { canonicalIP, isIP } from "../../core/ip_family.ts";
import type { Family } from "../../core/ip_family.ts";
import { CommandError, type Commands, hostCommands } from "./command.ts";
import type { Nft } from "./nft.ts";

export interface OwnOptions {
  /**
   * The node's own addresses on each interface, at most one of each family. With it, a neighbour that traffic from a silent
   * VIP needs is asked for in the node's own name; else that request is dropped, and the traffic waits until the VIP may be
   * spoken for. Interfaces whose names nft cannot be told ({@linkcode canQuote}) are passed over.
   */
  readonly ownAddresses?: Readonly<Record<string, readonly string[]>>;
  /** False: the kernel has no IPv6 ({@linkcode knowsIPv6}); IPv6 addresses are then refused. Default true. */
  readonly ipv6?: boolean;
}

/** For how long from now the node may speak for an address. */
export interface Permission {
  readonly ip: string;
  readonly milliseconds: number;
}

/** The gate as the kernel has it. */
export interface Gate {
  readonly owned: readonly string[];
  readonly speaking: readonly { readonly ip: string; readonly expiresMilliseconds: number }[];
}

const ARP_TABLE = "arp sallyport";

/** Against refusals. */
const IP_TABLE = "ip sallyport";

/** Neighbour discovery, and refusals. */
const IP6_TABLE = "ip6 sallyport";

/**
 * The target address of a neighbour solicitation or advertisement, and the source address of an IPv6 packet. As raw bytes,
 * since nft 1.0.6 has no name for the first, and compares a raw expression only with a set of its own kind.
 */
const TARGET = "@th,64,128";
const SOURCE = "@nh,64,128";

/** Tells whether this kernel can hold back IPv6. Throws {@linkcode CommandError} when nft cannot be asked. */
export async function knowsIPv6(
  { commands = hostCommands, signal }: {
    readonly commands?: Commands;
    readonly signal?: AbortSignal;
  } = {},
): Promise<boolean> {
  try {
    await commands.run(["nft", "--check", "add", "table", ...IP6_TABLE.split(" ")], { signal });
    return true;
  } catch (error) {
    const isAbsent = error instanceof CommandError && /not supported/.test(error.stderr);
    if (isAbsent) return false;
    throw error;
  }
}

/**
 * Puts the gate in place, and makes the owned addresses exactly these. Idempotent; what is speaking goes on
 * speaking. Restores rules that somebody else has changed.
 */
export async function own(
  nft: Nft,
  ips: readonly string[],
  { ownAddresses = {}, ipv6 = true }: OwnOptions = {},
): Promise<void> {
  const isSix = (ip: string) => checkedFamily(ip) === 6;
  const refused = ipv6 ? undefined : ips.find(isSix);
  if (refused !== undefined) {
    throw new Error(`Cannot put ${refused} into the gate: this node's kernel has no IPv6`);
  }
  const names = Object.entries(ownAddresses).filter(([name]) => canQuote(name))
    .flatMap(([name, own]) => own.map((ip) => ({ name, ip })));
  await nft.apply([
    ...ownIPv4(ips.filter((ip) => !isSix(ip)), names.filter(({ ip }) => !isSix(ip))),
    ...ipv6 ? ownIPv6(ips.filter(isSix), names.filter(({ ip }) => isSix(ip))) : [],
  ]);
}

interface OwnAddress {
  /** Of an interface. */
  readonly name: string;
  readonly ip: string;
}

function ownIPv4(ips: readonly string[], names: readonly OwnAddress[]): readonly string[] {
  const silent = (field: "saddr" | "daddr") =>
    `arp ${field} ip @owned arp ${field} ip != @speaking`;
  // The kernel asks for a neighbour in the name of the packet's source, here a VIP (sysctl arp_announce 0).
  const inOwnName = names.map(({ name, ip }) =>
    `oifname "${name}" arp operation request ${silent("saddr")} arp saddr ip set ${ip}`
  );
  return [
    `add table ${ARP_TABLE}`,
    `add set ${ARP_TABLE} owned { type ipv4_addr; }`,
    `add set ${ARP_TABLE} speaking { type ipv4_addr; flags timeout; }`,
    ...chainOf(ARP_TABLE, "input", [`arp operation request ${silent("daddr")} drop`]),
    ...chainOf(ARP_TABLE, "output", [...inOwnName, `${silent("saddr")} drop`]),
    ...elementsOf(ARP_TABLE, ips),
    `add table ${IP_TABLE}`,
    `add set ${IP_TABLE} owned { type ipv4_addr; }`,
    ...chainOf(IP_TABLE, "output", [
      "ip saddr @owned tcp flags & rst == rst drop",
      "ip saddr @owned icmp type destination-unreachable icmp code port-unreachable drop",
    ]),
    ...elementsOf(IP_TABLE, ips),
  ];
}

function ownIPv6(ips: readonly string[], names: readonly OwnAddress[]): readonly string[] {
  const silent = (field: string) => `${field} @owned ${field} != @speaking`;
  // The kernel asks in the name of the packet's source here, too, and neighbours learn from that.
  const inOwnName = names.map(({ name, ip }) =>
    `oifname "${name}" icmpv6 type nd-neighbor-solicit ${silent(SOURCE)} ip6 saddr set ${ip}`
  );
  return [
    `add table ${IP6_TABLE}`,
    `add set ${IP6_TABLE} owned { typeof ${TARGET}; }`,
    `add set ${IP6_TABLE} speaking { typeof ${TARGET}; flags timeout; }`,
    ...chainOf(IP6_TABLE, "input", [`icmpv6 type nd-neighbor-solicit ${silent(TARGET)} drop`]),
    ...chainOf(IP6_TABLE, "output", [
      ...inOwnName,
      `icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ${silent(SOURCE)} drop`,
      `icmpv6 type nd-neighbor-advert ${silent(TARGET)} drop`,
      `${SOURCE} @owned tcp flags & rst == rst drop`,
      `${SOURCE} @owned icmpv6 type destination-unreachable icmpv6 code port-unreachable drop`,
    ]),
    ...elementsOf(IP6_TABLE, ips),
  ];
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

/** Makes the owned addresses exactly these. */
function elementsOf(table: string, ips: readonly string[]): readonly string[] {
  const elements = ips.map((ip) => elementOf(ip).text).join(", ");
  return [
    `flush set ${table} owned`,
    ...ips.length === 0 ? [] : [`add element ${table} owned { ${elements} }`],
  ];
}

/**
 * Lets the node speak for addresses for exactly so long from now, longer or shorter than before.
 *
 * Throws {@linkcode CommandError} when {@linkcode own} has not put the gate in place.
 */
export async function speak(nft: Nft, entries: readonly Permission[]): Promise<void> {
  // The kernel keeps the old timeout of an element that is added again (before Linux 6.12), hence delete and add.
  await nft.apply(
    entries.flatMap(({ ip, milliseconds }) => {
      const { table, text } = elementOf(ip);
      return [
        ...removal(ip),
        `add element ${table} speaking { ${text} timeout ${duration(milliseconds)} }`,
      ];
    }),
  );
}

/** Silences addresses at once. Addresses that are silent already are left so. */
export async function mute(nft: Nft, ips: readonly string[]): Promise<void> {
  await nft.apply(ips.flatMap(removal));
}

/** What the kernel has, or undefined where there is no gate. */
export async function readGate(
  options: { readonly commands?: Commands; readonly signal?: AbortSignal } = {},
): Promise<Gate | undefined> {
  const parts = await Promise.all(
    [ARP_TABLE, IP6_TABLE].map((table) => readTable(table, options)),
  );
  const tables = parts.filter((part) => part !== undefined);
  if (tables.length === 0) return undefined;
  return {
    owned: tables.flatMap(({ owned }) => owned),
    speaking: tables.flatMap(({ speaking }) => speaking),
  };
}

async function readTable(
  table: string,
  { commands = hostCommands, signal }: Parameters<typeof readGate>[0] & object,
): Promise<Gate | undefined> {
  try {
    return parseGate(
      await commands.run(["nft", "list", "table", ...table.split(" ")], { signal }),
    );
  } catch (error) {
    const absent = error instanceof CommandError &&
      /No such file or directory|not supported/.test(error.stderr);
    if (absent) return undefined;
    throw error;
  }
}

/** Takes the gate away: the node then answers for whatever is bound. No gate is no error. */
export async function removeGate(
  nft: Nft,
  { ipv6 = true }: Pick<OwnOptions, "ipv6"> = {},
): Promise<void> {
  const tables = [ARP_TABLE, IP_TABLE, ...ipv6 ? [IP6_TABLE] : []];
  await nft.apply(tables.flatMap((table) => [`add table ${table}`, `delete table ${table}`]));
}

/** Reads nft's text, since its JSON (1.0.6) gives the remaining time in whole seconds only. */
function parseGate(text: string): Gate {
  const elements = (set: string): string[] => {
    const block = new RegExp(`set ${set} \\{[^}]*?elements = \\{([^}]*)\\}`).exec(text);
    return (block?.[1] ?? "").split(",").map((element) => element.trim()).filter(Boolean);
  };
  return {
    owned: elements("owned").map(addressOf),
    speaking: elements("speaking").map((element) => {
      const [ip = ""] = element.split(" ");
      const expires = /expires (\S+)/.exec(element)?.[1] ?? "";
      return { ip: addressOf(ip), expiresMilliseconds: milliseconds(expires) };
    }),
  };
}

const UNITS: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
};

/** Reads nft's way to write a time: `1m2s340ms`. */
function milliseconds(text: string): number {
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[dhms])/g)) {
    sum += Number(count) * (UNITS[unit ?? ""] ?? 0);
  }
  return sum;
}

function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds) || milliseconds < 1) {
    throw new RangeError(`Cannot speak for ${milliseconds} ms: at least 1 ms is needed`);
  }
  return `${Math.round(milliseconds)}ms`;
}

/** Adding first makes the removal of an absent element no error. */
function removal(ip: string): string[] {
  const { table, text } = elementOf(ip);
  const element = `${table} speaking { ${text} }`;
  return [`add element ${element}`, `delete element ${element}`];
}

/** The table that an address belongs to, and how its sets write it. */
function elementOf(ip: string): { readonly table: string; readonly text: string } {
  if (checkedFamily(ip) === 4) return { table: ARP_TABLE, text: ip };
  const digits = ipaddr.parse(ip).toByteArray().map((byte) => byte.toString(16).padStart(2, "0"));
  return { table: IP6_TABLE, text: `0x${digits.join("")}` };
}

/** Reads an element of a set. */
function addressOf(text: string): string {
  const digits = /^0x([0-9a-f]{1,32})$/.exec(text)?.[1]?.padStart(32, "0");
  if (digits === undefined) return text;
  const groups = digits.match(/..../g)?.join(":") ?? "";
  return canonicalIP(groups) ?? groups;
}

/** The addresses become part of a script, so nothing but addresses may pass. */
function checkedFamily(ip: string): Family {
  const family = isIP(ip);
  if (family === 0) throw new TypeError(`Cannot put '${ip}' into the gate: it is no IP address`);
  return family;
}

/**
 * Tells whether nft can be told of an interface. The kernel takes any name without white space, slash and colon. A quoted
 * one is taken as it is, but it cannot hold a quote, a star at its end would mean all names that begin so, and what is no
 * ASCII is lost on the way into an nft that reads a terminal's lines.
 */
export function canQuote(name: string): boolean {
  return /^[\x21-\x7e]{1,15}$/.test(name) && !/"|[*\\]$/.test(name);
}
