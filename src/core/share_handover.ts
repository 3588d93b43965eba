/**
 * How nodes go over from one gateway to another when a policy's list changes. Cilium reads each
 * CiliumEgressGatewayPolicy on its own, so it is done in two steps, the second of which rests on the first as it was observed:
 * the gateway that gains nodes names them, and then the one that had them leaves them out. Between the two both name them,
 * and the traffic leaves by either; the other way round it would leave by the pods' own nodes.
 *
 * A controller that is late may still carry out what followed from an older list. Its writes are against the versions that it
 * saw, so what is wanted now is marked with the policy's generation before anything else is taken away: then it is of another
 * version.
 */
import { EVERY_NODE } from "./node_set.ts";
import type { NodeSet } from "./node_set.ts";
import type { Part } from "./policy_parts.ts";

/** An object of ours that is there. */
export interface Covered {
  readonly gateway: string;
  readonly nodes: NodeSet;
  /** It is marked with the policy's generation. */
  readonly isCurrent: boolean;
}

/** What is wanted of a policy for destinations of one family, and what is there of it. */
export interface Covering {
  readonly parts: readonly Part[];
  /** Name of an existing object -> its gateway and nodes. */
  readonly covered: ReadonlyMap<string, Covered>;
}

/**
 * The nodes that a part is to name now: its share, and what it has of others' shares until they have it. It takes nodes from
 * another gateway only once its own serves, so that a new gateway takes nothing before it can carry it.
 */
export function nodesNow(
  part: Part,
  { covering, standIn, serves }: {
    readonly covering: Covering;
    /** Name of the object of the same gateway that has had the part's traffic until now, if another has. */
    readonly standIn: string | undefined;
    readonly serves: boolean;
  },
): NodeSet {
  const { covered } = covering;
  const others = [...covered.values()].filter(({ gateway }) => gateway !== part.gateway);
  if (others.length === 0 && part.nodes === EVERY_NODE) return EVERY_NODE;
  const own = new Set([part.name, standIn ?? part.name].flatMap((name) => [
    ...covered.get(name)?.nodes ?? [],
  ]));
  const isElsewhere = (node: string) => others.some(({ nodes }) => nodes.has(node));
  return new Set([
    ...[...part.nodes].filter((node) => serves || own.has(node) || !isElsewhere(node)),
    ...[...own].filter((node) => !part.nodes.has(node) && !isTakenOver(node, covering)),
  ]);
}

/** Tells whether an object names nodes that nothing of what is wanted names yet. */
export function isNeeded(name: string, covering: Covering): boolean {
  const nodes = covering.covered.get(name)?.nodes ?? EVERY_NODE;
  return [...nodes].some((node) => !isTakenOver(node, covering));
}

/** Tells whether an object may leave its nodes to another one of its gateway, which has taken them over. */
export function isHandedOver(from: string, to: string, covering: Covering): boolean {
  const successor = covering.covered.get(to);
  return successor?.isCurrent === true &&
    [...covering.covered.get(from)?.nodes ?? []].every((node) =>
      successor.nodes.has(node) || isTakenOver(node, covering)
    );
}

/** All that is to name a node exists and does. */
function isTakenOver(node: string, { parts, covered }: Covering): boolean {
  return parts.filter(({ nodes }) => nodes.has(node))
    .map(({ name }) => covered.get(name))
    .every((part) => part?.isCurrent === true && part.nodes.has(node));
}
