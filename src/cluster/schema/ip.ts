/**
 * Addresses and networks as Kubernetes' CEL library has them: what Go's net/netip parses, without zones and without
 * IPv4 addresses in IPv6's clothes.
 *
 * Source: k8s.io/apiserver, pkg/cel/library/ip.go and cidr.go.
 */
import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

export type Family = 4 | 6;

export class IP {
  readonly family: Family;
  readonly value: bigint;

  constructor(family: Family, value: bigint) {
    this.family = family;
    this.value = value;
  }

  /** The canonical text. */
  toString(): string {
    return this.#parsed().kind() === "ipv4"
      ? this.#parsed().toString()
      : (this.#parsed() as ipaddr.IPv6).toRFC5952String();
  }

  get isUnspecified(): boolean {
    return this.value === 0n;
  }

  get isLoopback(): boolean {
    return this.family === 4 ? this.value >> 24n === 127n : this.value === 1n;
  }

  get isLinkLocalUnicast(): boolean {
    return this.#within("169.254.0.0/16", "fe80::/10");
  }

  get isLinkLocalMulticast(): boolean {
    // Of IPv6: ff?2::/16, whatever the flags.
    return this.family === 4
      ? this.#within("224.0.0.0/24", "")
      : this.value >> 120n === 0xffn && ((this.value >> 112n) & 0xfn) === 2n;
  }

  get isMulticast(): boolean {
    return this.#within("224.0.0.0/4", "ff00::/8");
  }

  get isGlobalUnicast(): boolean {
    const broadcast = this.family === 4 && this.value === 0xffffffffn;
    return !broadcast && !this.isUnspecified && !this.isLoopback && !this.isMulticast &&
      !this.isLinkLocalUnicast;
  }

  equals(other: IP): boolean {
    return this.family === other.family && this.value === other.value;
  }

  #within(ipv4: string, ipv6: string): boolean {
    return parseCIDR(this.family === 4 ? ipv4 : ipv6)?.contains(this) ?? false;
  }

  #parsed(): ipaddr.IPv4 | ipaddr.IPv6 {
    const bits = this.family === 4 ? 32 : 128;
    const bytes = Array.from(
      { length: bits / 8 },
      (_, index) => Number((this.value >> BigInt(bits - 8 * (index + 1))) & 0xffn),
    );
    return ipaddr.fromByteArray(bytes);
  }
}

export class CIDR {
  readonly ip: IP;
  readonly prefixLength: number;

  constructor(ip: IP, prefixLength: number) {
    this.ip = ip;
    this.prefixLength = prefixLength;
  }

  toString(): string {
    return `${this.ip}/${this.prefixLength}`;
  }

  masked(): CIDR {
    const host = this.#hostBits();
    return new CIDR(new IP(this.ip.family, (this.ip.value >> host) << host), this.prefixLength);
  }

  contains(ip: IP): boolean {
    const host = this.#hostBits();
    return ip.family === this.ip.family && ip.value >> host === this.ip.value >> host;
  }

  containsCIDR(other: CIDR): boolean {
    return other.prefixLength >= this.prefixLength && this.contains(other.ip);
  }

  equals(other: CIDR): boolean {
    return this.prefixLength === other.prefixLength && this.ip.equals(other.ip);
  }

  #hostBits(): bigint {
    return BigInt((this.ip.family === 4 ? 32 : 128) - this.prefixLength);
  }
}

/** Undefined for a text that is no address. */
export function parseIP(text: string): IP | undefined {
  const family = isIPv4(text) ? 4 : isIPv6(text) && !text.includes("%") ? 6 : undefined;
  if (family === undefined) return undefined;
  const parsed = ipaddr.parse(family === 6 ? undotted(text) : text);
  if (parsed.kind() === "ipv6" && (parsed as ipaddr.IPv6).isIPv4MappedAddress()) return undefined;
  return new IP(
    family,
    parsed.toByteArray().reduce((value, byte) => (value << 8n) | BigInt(byte), 0n),
  );
}

/** With its last 32 bits in hexadecimal: the library takes `::192.0.2.1` for `::ffff:192.0.2.1`. */
function undotted(text: string): string {
  return text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
}

/** Undefined for a text that is no network; bits behind the prefix length may be set. */
export function parseCIDR(text: string): CIDR | undefined {
  const [address = "", length = ""] = [
    text.slice(0, text.lastIndexOf("/")),
    text.slice(text.lastIndexOf("/") + 1),
  ];
  const ip = text.includes("/") ? parseIP(address) : undefined;
  if (ip === undefined || !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  return Number(length) > (ip.family === 4 ? 32 : 128) ? undefined : new CIDR(ip, Number(length));
}
