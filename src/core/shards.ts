/**
 * Which shard a node gets that has none. It keeps it for good, so that its pods keep their gateway.
 *
 * Nodes are dealt, not hashed: of few nodes a hash would leave a gateway without any. A node gets the shard with which the policies
 * that are spread are spread most evenly over the nodes that are known; in a large cluster these are the candidates and the new
 * ones. Of several such shards a hash of the node's name decides.
 */
import { shardOf } from "./node_set.ts";
import { sortedByName } from "./order.ts";
import { hash32, mixed, ownersOf, SHARDS } from "./shares.ts";
import type { Policy, Snapshot, WeightedGateway } from "./types.ts";

/** Tells whether nodes need shards at all. */
export function isSpread({ spec, deleting }: Policy): boolean {
  return spec.gateways.length > 1 && !deleting;
}

/** Node -> its new shard, of nodes that have none; empty while no policy is spread. */
export function dealtShards(
  { nodes, policies }: Pick<Snapshot, "nodes" | "policies">,
): ReadonlyMap<string, number> {
  const lists = new Map(
    sortedByName(policies.filter(isSpread)).map(({ spec: { gateways } }) =>
      [JSON.stringify(gateways), gateways] as const
    ),
  );
  if (lists.size === 0) return new Map();
  const tables = [...lists.values()].map((gateways) => new Table(gateways));
  const sorted = sortedByName(nodes);
  for (const { labels } of sorted) {
    const shard = shardOf(labels);
    if (shard !== undefined) tables.forEach((table) => table.seat(shard));
  }
  const dealt = new Map<string, number>();
  for (const { name, labels, unreadLabels } of sorted) {
    if (shardOf(labels) !== undefined || unreadLabels !== undefined) continue;
    const shard = bestShard(name, tables);
    tables.forEach((table) => table.seat(shard));
    dealt.set(name, shard);
  }
  return dealt;
}

function bestShard(node: string, tables: readonly Table[]): number {
  const seed = hash32(node);
  const crowd = (shard: number) => tables.reduce((sum, table) => sum + table.crowd(shard), 0);
  let best = { shard: 0, crowd: Infinity, draw: 0 };
  for (let shard = 0; shard < SHARDS; shard++) {
    const next = { shard, crowd: crowd(shard), draw: mixed(seed, shard) };
    if (next.crowd < best.crowd || next.crowd === best.crowd && next.draw > best.draw) best = next;
  }
  return best.shard;
}

/** The nodes of each gateway of one list. */
class Table {
  readonly #gateways: readonly WeightedGateway[];
  readonly #owners: readonly number[];
  readonly #nodes: number[];

  constructor(gateways: readonly WeightedGateway[]) {
    this.#gateways = gateways;
    this.#owners = ownersOf(gateways);
    this.#nodes = gateways.map(() => 0);
  }

  seat(shard: number): void {
    const owner = this.#owners[shard] ?? 0;
    this.#nodes[owner] = (this.#nodes[owner] ?? 0) + 1;
  }

  /** How many nodes the shard's gateway would have with one more, for its weight. */
  crowd(shard: number): number {
    const owner = this.#owners[shard] ?? 0;
    return ((this.#nodes[owner] ?? 0) + 1) / (this.#gateways[owner]?.weight ?? 1);
  }
}
