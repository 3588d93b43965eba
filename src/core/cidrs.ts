/** Sets of IP addresses as networks write them. */
import ipaddr from "ipaddr.js";
import { remembered } from "./once.ts";
import { byText } from "./order.ts";

/** Addresses of one family from `first` to `last`, both included. */
interface Range {
  readonly family: "ipv4" | "ipv6";
  readonly first: bigint;
  readonly last: bigint;
}

/** Ranges that do not touch, in order. */
export type AddressSet = readonly Range[];

/** The addresses of `networks` that are in none of `excluded`; what is no network is left out. */
export function addressesOf(
  networks: readonly string[],
  { excluded = [] }: { readonly excluded?: readonly string[] } = {},
): AddressSet {
  return excluded.flatMap(rangeOf).reduce(without, merged(networks.flatMap(rangeOf)));
}

/** Whether some address is in both. */
export function intersects(a: AddressSet, b: AddressSet): boolean {
  return a.some((one) => b.some((other) => touches(one, other)));
}

/** Policies write the same few networks again and again. */
const rangeOf = remembered((network): readonly Range[] => {
  // By family: the parser of either tries the other one first, and what it throws then costs more than all the rest.
  const parser = network.includes(":") ? ipaddr.IPv6 : ipaddr.IPv4;
  if (!parser.isValidCIDR(network)) return [];
  const [address, length] = parser.parseCIDR(network);
  const bits = address.kind() === "ipv4" ? 32 : 128;
  const value = address.toByteArray().reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const size = 1n << BigInt(bits - length);
  const first = value - value % size;
  return [{ family: address.kind(), first, last: first + size - 1n }];
});

function merged(ranges: readonly Range[]): AddressSet {
  if (ranges.length < 2) return ranges;
  const sorted = ranges.toSorted((a, b) =>
    byText(a.family, b.family) || (a.first < b.first ? -1 : a.first > b.first ? 1 : 0)
  );
  return sorted.reduce<readonly Range[]>((done, next) => {
    const previous = done.at(-1);
    if (previous?.family !== next.family || next.first > previous.last + 1n) return [...done, next];
    const last = next.last > previous.last ? next.last : previous.last;
    return [...done.slice(0, -1), { ...previous, last }];
  }, []);
}

function without(set: AddressSet, hole: Range): AddressSet {
  if (!set.some((range) => touches(range, hole))) return set;
  return set.flatMap((range) => {
    if (!touches(range, hole)) return [range];
    return [
      ...(range.first < hole.first ? [{ ...range, last: hole.first - 1n }] : []),
      ...(range.last > hole.last ? [{ ...range, first: hole.last + 1n }] : []),
    ];
  });
}

function touches(a: Range, b: Range): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}
