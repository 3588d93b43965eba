/**
 * The gate: an nftables table that keeps a node silent about its VIPs unless its agent says otherwise each second.
 *
 * ARP requests for, and the kernel's ARP packets from, an address in `owned` are dropped unless the address is in
 * `speaking`, whose elements are permissions: they expire. A dead, frozen or stopped agent falls silent by itself: the gate
 * needs nobody alive. Every change is one transaction, so there is no moment without the gate.
 *
 * What the gate does not hold back: packets of programs that write to the wire themselves, `arping` among them
 * (packet sockets pass by the output hook). Whoever announces must know that it may.
 *
 * Requests and answers for all other addresses pass, and duplicate-address probes (sender 0.0.0.0) too.
 *
 * A second table keeps the kernel from refusing, in the name of an owned VIP, packets of connections that it does not
 * know (TCP reset, ICMP port unreachable). They are pods' connections that another node translated until now: unrefused,
 * they go on as soon as their pods' packets come by here. Measured in docs/cilium.md. Forwarded packets, pods' own resets
 * among them, do not pass that hook.
 */

import { isIPv4 } from "node:net";
import { CommandError, type Commands, hostCommands } from "./command.ts";
import type { Nft } from "./nft.ts";

export interface OwnOptions {
  /**
   * The node's own address on each interface. With it, a neighbour that traffic from a silent VIP needs is asked for in
   * the node's own name; else that request is dropped, and the traffic waits until the VIP may be spoken for. Interfaces
   * whose names nft cannot be told ({@linkcode canQuote}) are passed over.
   */
  readonly ownAddresses?: Readonly<Record<string, string>>;
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

const TABLE = "arp sallyport";

/** Against refusals. */
const IP_TABLE = "ip sallyport";

/**
 * Puts the gate in place, and makes the owned addresses exactly these. Idempotent; what is speaking goes on
 * speaking. Restores rules that somebody else has changed.
 */
export async function own(
  nft: Nft,
  ips: readonly string[],
  { ownAddresses = {} }: OwnOptions = {},
): Promise<void> {
  const silent = (field: "saddr" | "daddr") =>
    `arp ${field} ip @owned arp ${field} ip != @speaking`;
  // The kernel asks for a neighbour in the name of the packet's source, here a VIP (sysctl arp_announce 0).
  const inOwnName = Object.entries(ownAddresses).filter(([name]) => canQuote(name)).map((
    [name, ip],
  ) =>
    `oifname "${name}" arp operation request ${silent("saddr")} arp saddr ip set ${checked(ip)}`
  );
  await nft.apply(
    [
      `add table ${TABLE}`,
      `add set ${TABLE} owned { type ipv4_addr; }`,
      `add set ${TABLE} speaking { type ipv4_addr; flags timeout; }`,
      `add chain ${TABLE} input { type filter hook input priority 0; policy accept; }`,
      `add chain ${TABLE} output { type filter hook output priority 0; policy accept; }`,
      `flush chain ${TABLE} input`,
      `flush chain ${TABLE} output`,
      `add rule ${TABLE} input arp operation request ${silent("daddr")} drop`,
      ...inOwnName.map((rule) => `add rule ${TABLE} output ${rule}`),
      `add rule ${TABLE} output ${silent("saddr")} drop`,
      `flush set ${TABLE} owned`,
      `add table ${IP_TABLE}`,
      `add set ${IP_TABLE} owned { type ipv4_addr; }`,
      `add chain ${IP_TABLE} output { type filter hook output priority 0; policy accept; }`,
      `flush chain ${IP_TABLE} output`,
      `add rule ${IP_TABLE} output ip saddr @owned tcp flags & rst == rst drop`,
      `add rule ${IP_TABLE} output ip saddr @owned icmp type destination-unreachable icmp code port-unreachable drop`,
      `flush set ${IP_TABLE} owned`,
      ...(ips.length === 0
        ? []
        : [TABLE, IP_TABLE].map((table) =>
          `add element ${table} owned { ${ips.map(checked).join(", ")} }`
        )),
    ],
  );
}

/**
 * Lets the node speak for addresses for exactly so long from now, longer or shorter than before.
 *
 * Throws {@linkcode CommandError} when {@linkcode own} has not put the gate in place.
 */
export async function speak(nft: Nft, entries: readonly Permission[]): Promise<void> {
  // The kernel keeps the old timeout of an element that is added again (before Linux 6.12), hence delete and add.
  await nft.apply(
    entries.flatMap(({ ip, milliseconds }) => [
      ...removal(ip),
      `add element ${TABLE} speaking { ${checked(ip)} timeout ${duration(milliseconds)} }`,
    ]),
  );
}

/** Silences addresses at once. Addresses that are silent already are left so. */
export async function mute(nft: Nft, ips: readonly string[]): Promise<void> {
  await nft.apply(ips.flatMap(removal));
}

/** What the kernel has, or undefined where there is no gate. */
export async function readGate(
  { commands = hostCommands, signal }: {
    readonly commands?: Commands;
    readonly signal?: AbortSignal;
  } = {},
): Promise<Gate | undefined> {
  try {
    return parseGate(
      await commands.run(["nft", "list", "table", ...TABLE.split(" ")], { signal }),
    );
  } catch (error) {
    const absent = error instanceof CommandError &&
      error.stderr.includes("No such file or directory");
    if (absent) return undefined;
    throw error;
  }
}

/** Takes the gate away: the node then answers for whatever is bound. No gate is no error. */
export async function removeGate(nft: Nft): Promise<void> {
  const removals = [TABLE, IP_TABLE].flatMap((
    table,
  ) => [`add table ${table}`, `delete table ${table}`]);
  await nft.apply(removals);
}

/** Reads nft's text, since its JSON (1.0.6) gives the remaining time in whole seconds only. */
function parseGate(text: string): Gate {
  const elements = (set: string): string[] => {
    const block = new RegExp(`set ${set} \\{[^}]*?elements = \\{([^}]*)\\}`).exec(text);
    return (block?.[1] ?? "").split(",").map((element) => element.trim()).filter(Boolean);
  };
  return {
    owned: elements("owned"),
    speaking: elements("speaking").map((element) => {
      const [ip = ""] = element.split(" ");
      const expires = /expires (\S+)/.exec(element)?.[1] ?? "";
      return { ip, expiresMilliseconds: milliseconds(expires) };
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
  const element = `${TABLE} speaking { ${checked(ip)} }`;
  return [`add element ${element}`, `delete element ${element}`];
}

/** The addresses become part of a script, so nothing but addresses may pass. */
function checked(ip: string): string {
  if (!isIPv4(ip)) throw new TypeError(`Cannot put '${ip}' into the gate: it is no IPv4 address`);
  return ip;
}

/**
 * Tells whether nft can be told of an interface. The kernel takes any name without white space, slash and colon. A quoted
 * one is taken as it is, but it cannot hold a quote, a star at its end would mean all names that begin so, and what is no
 * ASCII is lost on the way into an nft that reads a terminal's lines.
 */
export function canQuote(name: string): boolean {
  return /^[\x21-\x7e]{1,15}$/.test(name) && !/"|[*\\]$/.test(name);
}
