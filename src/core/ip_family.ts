/** Addresses, told without `node:net`, which edge runtimes lack. */
import ipaddr from "ipaddr.js";

/** 4 or 6 for an IP address and nothing more (no zone, no short form), 0 for any other text: as `isIP` of `node:net`. */
export function isIP(text: string): 0 | 4 | 6 {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return 4;
  return ipaddr.IPv6.isValid(text) && !text.includes("%") ? 6 : 0;
}
