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
 * A node that does not hear the API server may have been replaced. So where another host says that it has an owned address (an
 * ARP packet from it, a neighbour advertisement of it), the kernel itself falls silent for that address within the moment
 * (`disputed`), unless the agent said just now that nobody else has the right to (`undisputed`, which expires as well).
 * Packets of this node's own interfaces, and of hosts that are known to be strangers, count for nothing.
 *
 * Further rules keep the kernel from refusing, in the name of an owned VIP, packets of connections that it does not
 * know (TCP reset, ICMP port unreachable). They are pods' connections that another node translated until now: unrefused,
 * they go on as soon as their pods' packets come by here. Measured in docs/cilium.md. Forwarded packets, pods' own resets
 * among them, do not pass that hook.
 */

import { CommandError, type Commands, hostCommands } from "./command.ts";
import type { Permission } from "../hands.ts";
import { TIMINGS } from "../../core/timings.ts";
import {
  addressOf,
  ARP_TABLE,
  checkedFamily,
  checkedMac,
  elementOf,
  elementsOf,
  IP6_TABLE,
  removal,
  timedElements,
} from "./gate_elements.ts";
import { IP_TABLE, ownIPv4, ownIPv6 } from "./gate_rules.ts";
import type { Nft } from "./nft.ts";

export interface OwnOptions {
  /** MAC addresses of this node's interfaces: what they send may come in by another of them. */
  readonly ownMacs?: readonly string[];
  /**
   * The node's own addresses on each interface, at most one of each family. With it, a neighbour that traffic from a silent
   * VIP needs is asked for in the node's own name; else that request is dropped, and the traffic waits until the VIP may be
   * spoken for. Interfaces whose names nft cannot be told ({@linkcode canQuote}) are passed over.
   */
  readonly ownAddresses?: Readonly<Record<string, readonly string[]>>;
  /** False: the kernel has no IPv6 ({@linkcode knowsIPv6}); IPv6 addresses are then refused. Default true. */
  readonly ipv6?: boolean;
}

/** The gate as the kernel has it. */
export interface Gate {
  readonly owned: readonly string[];
  /** Permissions, of disputed addresses too. */
  readonly speaking: readonly { readonly ip: string; readonly expiresMilliseconds: number }[];
  /** Another host says that it has them, and may be the successor. */
  readonly disputed: readonly string[];
}

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
  { ownMacs = [], ownAddresses = {}, ipv6 = true }: OwnOptions = {},
): Promise<void> {
  const isSix = (ip: string) => checkedFamily(ip) === 6;
  const refused = ipv6 ? undefined : ips.find(isSix);
  if (refused !== undefined) {
    throw new Error(`Cannot put ${refused} into the gate: this node's kernel has no IPv6`);
  }
  const names = Object.entries(ownAddresses).filter(([name]) => canQuote(name))
    .flatMap(([name, own]) => own.map((ip) => ({ name, ip })));
  const macs = ownMacs.map(checkedMac);
  await nft.apply([
    ...ownIPv4(ips.filter((ip) => !isSix(ip)), names.filter(({ ip }) => !isSix(ip))),
    ...elementsOf(ARP_TABLE, "ours", macs),
    ...ipv6
      ? [
        ...ownIPv6(ips.filter(isSix), names.filter(({ ip }) => isSix(ip))),
        ...elementsOf(IP6_TABLE, "ours", macs),
      ]
      : [],
  ]);
}

/**
 * Lets the node speak for addresses for exactly so long from now, longer or shorter than before.
 *
 * Throws {@linkcode CommandError} when {@linkcode own} has not put the gate in place.
 */
export async function speak(nft: Nft, entries: readonly Permission[]): Promise<void> {
  const permissions = entries.map((entry) => ({ ...entry, ...elementOf(entry.ip) }));
  const tables = [...Map.groupBy(permissions, ({ table }) => table)];
  await nft.apply(tables.flatMap(([table, all]) => {
    const agreed = all.filter(({ undisputedMilliseconds }) => undisputedMilliseconds !== undefined);
    return [
      ...timedElements(table, "speaking", all),
      ...timedElements(
        table,
        "undisputed",
        agreed.map(({ text, undisputedMilliseconds = 0 }) => ({
          text,
          milliseconds: undisputedMilliseconds,
        })).filter(({ milliseconds }) => milliseconds >= 1),
      ),
      ...removal(table, "disputed", agreed.map(({ text }) => text)),
      ...timedElements(
        table,
        "strangers",
        [...new Set(all.flatMap(({ stranger = [] }) => stranger))].map((mac) => ({
          text: checkedMac(mac),
          milliseconds: TIMINGS.strangerMilliseconds,
        })),
      ),
    ];
  }));
}

/** Silences addresses at once. Addresses that are silent already are left so. */
export async function mute(nft: Nft, ips: readonly string[]): Promise<void> {
  const tables = Map.groupBy(ips.map(elementOf), ({ table }) => table);
  await nft.apply(
    [...tables].flatMap(([table, elements]) =>
      ["speaking", "undisputed"].flatMap((set) =>
        removal(table, set, elements.map(({ text }) => text))
      )
    ),
  );
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
    disputed: tables.flatMap(({ disputed }) => disputed),
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
  const elements = (set: string): readonly { readonly ip: string; readonly rest: string }[] => {
    const block = new RegExp(`set ${set} \\{[^}]*?elements = \\{([^}]*)\\}`).exec(text);
    const all = (block?.[1] ?? "").split(",").map((element) => element.trim()).filter(Boolean);
    return all.map((element) => ({ ip: addressOf(element.split(" ")[0] ?? ""), rest: element }));
  };
  return {
    owned: elements("owned").map(({ ip }) => ip),
    speaking: elements("speaking").map(({ ip, rest }) => ({
      ip,
      expiresMilliseconds: milliseconds(/expires (\S+)/.exec(rest)?.[1] ?? ""),
    })),
    disputed: elements("disputed").map(({ ip }) => ip),
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

/**
 * Tells whether nft can be told of an interface. The kernel takes any name without white space, slash and colon. A quoted
 * one is taken as it is, but it cannot hold a quote, a star at its end would mean all names that begin so, and what is no
 * ASCII is lost on the way into an nft that reads a terminal's lines.
 */
export function canQuote(name: string): boolean {
  return /^[\x21-\x7e]{1,15}$/.test(name) && !/"|[*\\]$/.test(name);
}
