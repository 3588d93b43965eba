/** Addresses, told without `node:net`, which edge runtimes lack. */
import { bytesToHex } from "@noble/hashes/utils.js";
import ipaddr from "ipaddr.js";
import { remembered } from "./once.ts";

export type Family = 4 | 6;

export const FAMILIES: readonly Family[] = [4, 6];

/** 4 or 6 for an IP address and nothing more (no zone, no short form), 0 for any other text: as `isIP` of `node:net`. */
export const isIP = remembered((text): 0 | Family => {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return 4;
  return text.includes(":") && !/%|[\da-f]{5}/i.test(text) && ipaddr.IPv6.isValid(text) ? 6 : 0;
});

/** The family of an address or a network that is one: behind the decoders nothing else is there. */
export function familyOf(text: string): Family {
  return text.includes(":") ? 6 : 4;
}

/** What a family is called. */
export function familyName(family: Family): string {
  return `IPv${family}`;
}

/**
 * An address in the one text that programs print for it (RFC 5952), undefined for what is none. An IPv4 address in IPv6's
 * clothes (`::ffff:192.0.2.1`) is none: kernels and Cilium take it for the one or the other.
 */
export const canonicalIP = remembered((text): string | undefined => {
  const family = isIP(text);
  if (family === 0) return undefined;
  if (family === 4) return text;
  const address = ipaddr.IPv6.parse(undotted(text));
  return address.isIPv4MappedAddress() ? undefined : address.toRFC5952String();
});

/** The bytes of an address in hexadecimal: of one family, texts are ordered as the addresses are. */
export const hexOf = remembered((ip) =>
  bytesToHex(Uint8Array.from(ipaddr.parse(ip).toByteArray()))
);

/** IPv6 with its last 32 bits in hexadecimal: the library takes `::192.0.2.1` for `::ffff:192.0.2.1`. */
function undotted(text: string): string {
  return text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
}

/** A network likewise. Bits behind the prefix length stay: who wrote them may have meant the address. */
export function canonicalCIDR(text: string): string | undefined {
  const slash = text.lastIndexOf("/");
  const [address, length] = [canonicalIP(text.slice(0, slash)), text.slice(slash + 1)];
  if (slash < 0 || address === undefined || !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  return Number(length) > (familyOf(address) === 4 ? 32 : 128) ? undefined : `${address}/${length}`;
}
