/** Elements of the gate's sets, as nft writes and reads them: nothing but addresses gets into its scripts. */
import { canonicalIP, hexOf, isIP } from "../../core/ip_family.ts";
import type { Family } from "../../core/ip_family.ts";

export const ARP_TABLE = "arp sallyport";

/** Neighbour discovery, and refusals. */
export const IP6_TABLE = "ip6 sallyport";

/** Makes the elements of a set exactly these. */
export function elementsOf(
  table: string,
  set: string,
  elements: readonly string[],
): readonly string[] {
  return [
    `flush set ${table} ${set}`,
    ...elements.length === 0 ? [] : [`add element ${table} ${set} { ${elements.join(", ")} }`],
  ];
}

export interface TimedElement {
  readonly text: string;
  readonly milliseconds: number;
}

/** The kernel keeps the old timeout of an element that is added again (before Linux 6.12), hence delete and add. */
export function timedElements(
  table: string,
  set: string,
  elements: readonly TimedElement[],
): readonly string[] {
  if (elements.length === 0) return [];
  const timed = elements.map(({ text, milliseconds }) =>
    `${text} timeout ${duration(milliseconds)}`
  );
  return [
    ...removal(table, set, elements.map(({ text }) => text)),
    `add element ${table} ${set} { ${timed.join(", ")} }`,
  ];
}

/** Adding first makes the removal of absent elements no error. */
export function removal(
  table: string,
  set: string,
  elements: readonly string[],
): readonly string[] {
  if (elements.length === 0) return [];
  const all = `element ${table} ${set} { ${elements.join(", ")} }`;
  return [`add ${all}`, `delete ${all}`];
}

export function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds) || milliseconds < 1) {
    throw new RangeError(`Cannot speak for ${milliseconds} ms: at least 1 ms is needed`);
  }
  return `${Math.round(milliseconds)}ms`;
}

/** The table that an address belongs to, and how its sets write it. */
export function elementOf(ip: string): { readonly table: string; readonly text: string } {
  if (checkedFamily(ip) === 4) return { table: ARP_TABLE, text: ip };
  return { table: IP6_TABLE, text: `0x${hexOf(ip)}` };
}

/** Reads an element of a set. */
export function addressOf(text: string): string {
  const digits = /^0x([0-9a-f]{1,32})$/.exec(text)?.[1]?.padStart(32, "0");
  if (digits === undefined) return text;
  const groups = digits.match(/..../g)?.join(":") ?? "";
  return canonicalIP(groups) ?? groups;
}

/** The addresses become part of a script, so nothing but addresses may pass. */
export function checkedFamily(ip: string): Family {
  const family = isIP(ip);
  if (family === 0) throw new TypeError(`Cannot put '${ip}' into the gate: it is no IP address`);
  return family;
}

export function checkedMac(mac: string): string {
  if (/^([\da-f]{2}:){5}[\da-f]{2}$/i.test(mac)) return mac;
  throw new TypeError(`Cannot put '${mac}' into the gate: it is no MAC address`);
}
