/**
 * How a policy's traffic is shared among several gateways: by the node that a pod is on. Each Node carries its shard, a label
 * that never changes, and each gateway has the shards that it wins.
 *
 * Rendezvous hashing: every gateway draws a number for every shard, as often as its weight says, and the highest one has the
 * shard. What a gateway draws depends on its name alone, so that one which is added takes its own part from the others,
 * and one that is taken out leaves its part to them; nothing moves between the others.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import type { WeightedGateway } from "./types.ts";

/** How many shards there are: enough for the largest share of 16 gateways to be half as large again as a fair one. */
export const SHARDS = 256;

/** For each shard, which of the gateways has it, by its place in the list. */
export function ownersOf(gateways: readonly WeightedGateway[]): readonly number[] {
  if (gateways.length <= 1) return new Array<number>(SHARDS).fill(0);
  const seeds = gateways.map(({ name, weight }) =>
    Array.from({ length: weight }, (_, ticket) => hash32(`${name}#${ticket}`))
  );
  // Of two equal draws the one of the first name counts, whatever the order of the list.
  const order = gateways.map((_, index) => index)
    .sort((a, b) => (gateways[a]?.name ?? "") < (gateways[b]?.name ?? "") ? -1 : 1);
  return Array.from({ length: SHARDS }, (_, shard) => {
    let owner = 0;
    let highest = -1;
    for (const index of order) {
      for (const seed of seeds[index] ?? []) {
        const drawn = mixed(seed, shard);
        if (drawn > highest) [owner, highest] = [index, drawn];
      }
    }
    return owner;
  });
}

/** The first 32 bits of a text's SHA-256. */
export function hash32(text: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(utf8ToBytes(text));
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** A number of 32 bits that looks random for each pair: the last steps of MurmurHash3. */
export function mixed(seed: number, shard: number): number {
  let bits = seed ^ Math.imul(shard + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
