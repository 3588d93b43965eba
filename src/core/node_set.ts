/** Sets of nodes as a CiliumEgressGatewayPolicy names them: by the label that says a node's shard. */
import { isObject, listOf } from "./json.ts";
import { SHARD_LABEL } from "./names.ts";
import { SHARDS } from "./shares.ts";
import type { Json, JsonObject, LabelRequirement, Labels } from "./types.ts";

/** Values of the label, and `UNLABELLED`. */
export type NodeSet = ReadonlySet<string>;

/** Stands for nodes that carry no shard yet, or something that is none. */
export const UNLABELLED = "";

const ALL = [...Array.from({ length: SHARDS }, (_, shard) => String(shard)), UNLABELLED];

export const EVERY_NODE: NodeSet = new Set(ALL);

/** The shard of a node; undefined where its label is missing or is none. */
export function shardOf(labels: Labels): number | undefined {
  const value = labels[SHARD_LABEL];
  return value !== undefined && value !== UNLABELLED && EVERY_NODE.has(value)
    ? Number(value)
    : undefined;
}

/** In the order in which they are written. */
export function sortedNodes(nodes: Iterable<string>): readonly string[] {
  const wanted = new Set(nodes);
  return ALL.filter((value) => wanted.has(value));
}

/**
 * The requirement on a node's labels that holds for these nodes alone; undefined: for every node. Where nodes without a shard
 * are among them it says which are not, as Cilium's `NotIn` holds for a label that is missing too.
 */
export function requirementFor(nodes: NodeSet): LabelRequirement | undefined {
  if (nodes.size === ALL.length) return undefined;
  const key = SHARD_LABEL;
  return nodes.has(UNLABELLED)
    ? { key, operator: "NotIn", values: ALL.filter((value) => !nodes.has(value)) }
    : { key, operator: "In", values: sortedNodes(nodes) };
}

/** The nodes of a CiliumEgressGatewayPolicy of ours, whose rules all have the same; none where that cannot be told. */
export function nodesOf(spec: JsonObject): NodeSet {
  const rules = listOf(spec["selectors"]);
  if (rules.length === 0) return new Set();
  const sets = rules.map((rule) => nodesOfRule(rule));
  // As in most: then it is this very set, which is quick to tell.
  if (sets.every((nodes) => nodes === EVERY_NODE)) return EVERY_NODE;
  return new Set(ALL.filter((value) => sets.every((nodes) => nodes.has(value))));
}

function nodesOfRule(rule: Json): NodeSet {
  const selector = isObject(rule) ? rule["nodeSelector"] : undefined;
  const expressions = isObject(selector) ? listOf(selector["matchExpressions"]) : [];
  // Ours is the last.
  const ours = expressions.filter(isObject).findLast(({ key }) => key === SHARD_LABEL);
  if (ours === undefined) return EVERY_NODE;
  const named = new Set(listOf(ours["values"]));
  switch (ours["operator"]) {
    case "In":
      return new Set(ALL.filter((value) => value !== UNLABELLED && named.has(value)));
    case "NotIn":
      return new Set(ALL.filter((value) => value === UNLABELLED || !named.has(value)));
    default:
      return new Set();
  }
}
