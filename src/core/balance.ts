/**
 * Strategy `Balanced`: no node holds more than its share of the gateways, rounded up.
 *
 * A node's share: each gateway counts for an equal part on each of the eligible nodes that it likes best. Gateways of every
 * strategy count; those of strategy Balanced give way. An assignment within all shares exists, since the parts themselves are one
 * (a flow with whole capacities has a whole solution); what is looked for here is one that moves few: who is well where it is
 * stays, but for what a node holds beyond its share, and that only where `failback` allows it. The others go, those first that have
 * fewest nodes to choose from and then in the order of their names, to the first node in the order of their hashes that has room.
 */
import { pinOf } from "./pin.ts";
import { byText } from "./order.ts";
import { hash32 } from "./shares.ts";
import type { Candidate, Gateway } from "./types.ts";

/** A gateway with its candidates, best-ranked first. */
export interface Contender {
  readonly gateway: Gateway;
  readonly candidates: readonly Candidate[];
}

/**
 * The candidates of each Balanced gateway in the order in which it is to prefer them, by its name.
 *
 * @param holders who is to hold the other gateways
 */
export function balancedCandidates(
  contenders: readonly Contender[],
  holders: ReadonlyMap<string, string | undefined>,
): ReadonlyMap<string, readonly Candidate[]> {
  if (!contenders.some(isBalanced)) return new Map();
  const seats = new Seats(contenders);
  const sorted = byGateway(contenders);
  const movable = sorted.filter((each) => isBalanced(each) && seatOf(each) === undefined);
  for (const each of sorted) {
    const seat = isBalanced(each) ? seatOf(each)?.node : holders.get(each.gateway.name);
    if (seat !== undefined) seats.take(each, seat);
  }
  const staying = movable.filter((each) => favourites(each).some(({ node }) => holds(each, node)));
  for (const [node, here] of Map.groupBy(staying, ({ gateway }) => gateway.status.activeNodeName)) {
    // Who stays does not depend on who went before.
    const liking = ({ gateway }: Contender) => hash32(`${gateway.name}#${node}`);
    const sorted = [...here].sort((a, b) => liking(a) - liking(b));
    for (const each of sorted) {
      if (node !== undefined && seats.hasRoom(node)) seats.take(each, node);
    }
  }
  // Who has fewer nodes to choose from chooses first, or another would have to give way in the next tick.
  const homeless = movable.filter(({ gateway }) => seats.of(gateway) === undefined)
    .sort((a, b) => favourites(a).length - favourites(b).length);
  // Those without a healthy holder come first.
  for (const isHeld of [false, true]) {
    for (const each of homeless.filter((one) => isHeld === (holderOf(one) !== undefined))) {
      const [node] = [
        ...favourites(each).filter((candidate) => seats.hasRoom(candidate.node)),
        ...staying.includes(each) ? [holderOf(each)] : [],
        ...[...favourites(each)].sort((a, b) => seats.excess(a.node) - seats.excess(b.node)),
      ].flatMap((candidate) => candidate?.node ?? []);
      if (node !== undefined) seats.take(each, node);
    }
  }
  return new Map(
    contenders.filter(isBalanced).map((each) => [
      each.gateway.name,
      preferring([seats.of(each.gateway), holderOf(each)?.node], each.candidates),
    ]),
  );
}

/** Who sits where so far, and how much room there is. */
class Seats {
  readonly #share = new Map<string, number>();
  readonly #load = new Map<string, number>();
  readonly #seats = new Map<string, string>();

  constructor(contenders: readonly Contender[]) {
    const parts = new Map<string, number>();
    for (const contender of byGateway(contenders)) {
      const liked = favourites(contender);
      for (const { node } of liked) parts.set(node, (parts.get(node) ?? 0) + 1 / liked.length);
    }
    // Ten tenths are one.
    for (const [node, sum] of parts) this.#share.set(node, Math.ceil(sum - 1e-9));
  }

  take({ gateway }: Contender, node: string): void {
    this.#seats.set(gateway.name, node);
    this.#load.set(node, (this.#load.get(node) ?? 0) + 1);
  }

  of({ name }: Gateway): string | undefined {
    return this.#seats.get(name);
  }

  hasRoom(node: string): boolean {
    return this.excess(node) < 0;
  }

  /** By how much a node has more than its share. */
  excess(node: string): number {
    return (this.#load.get(node) ?? 0) - (this.#share.get(node) ?? 0);
  }
}

function byGateway(contenders: readonly Contender[]): readonly Contender[] {
  return [...contenders].sort((a, b) => byText(a.gateway.name, b.gateway.name));
}

export function isBalanced({ gateway }: Contender): boolean {
  return gateway.spec.strategy === "Balanced";
}

function isEligible({ eligible }: Candidate): boolean {
  return eligible;
}

/** The eligible candidates of the highest rank. */
function favourites({ candidates }: Contender): readonly Candidate[] {
  const eligible = candidates.filter(isEligible);
  const best = Math.max(...eligible.map(({ rank }) => rank));
  return eligible.filter(({ rank }) => rank === best);
}

function holds({ gateway }: Contender, node: string): boolean {
  return gateway.status.activeNodeName === node;
}

function holderOf(contender: Contender): Candidate | undefined {
  return contender.candidates.find(({ node, eligible }) => eligible && holds(contender, node));
}

/** The node that it stays on whatever the load: a pinned one, or its own where `failback` never lets it go. */
function seatOf(contender: Contender): Candidate | undefined {
  const { gateway, candidates } = contender;
  const pin = pinOf(gateway, candidates);
  if (pin?.state === "Obeyed") return candidates.find(({ node }) => node === pin.node);
  return gateway.spec.failback.mode === "Auto" ? undefined : holderOf(contender);
}

/** These first, where there are such, and the others in their order. */
function preferring(
  first: readonly (string | undefined)[],
  candidates: readonly Candidate[],
): readonly Candidate[] {
  const chosen = [...new Set(first)].flatMap((node) =>
    candidates.filter((candidate) => candidate.node === node)
  );
  return [...chosen, ...candidates.filter((candidate) => !chosen.includes(candidate))];
}
