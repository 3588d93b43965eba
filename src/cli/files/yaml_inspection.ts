/** What the parser lets pass: anchors that lead nowhere, into themselves, or to more than fits anywhere. */
import { isAlias, isCollection, isMap, isPair, isScalar, isSeq } from "yaml";
import type { Document as YamlDocument, Node, Pair } from "yaml";
import { DocumentFault } from "./document.ts";
import { isMergeKey, sourcesOf } from "./yaml_merge.ts";
import type { Anchors } from "./yaml_merge.ts";

/**
 * How many values the aliases of one document may stand for. kubectl allows 400 000 at least; a file of 5000 nodes that
 * share their labels and status needs half of that, and a few lines of aliases of aliases reach any number.
 */
const MAX_ALIASED_VALUES = 1_000_000;

interface Walk {
  readonly lineOf: (node: Node) => number;
  /** Anchor -> the last node of that name; no size while it is walked. */
  readonly anchors: Map<string, { readonly node: Node; readonly size?: number }>;
  readonly targets: Map<Node, Node>;
  aliased: number;
}

/**
 * Alias -> the node that it stands for.
 *
 * @throws DocumentFault
 */
export function inspect(
  document: YamlDocument.Parsed,
  lineOf: (node: Node) => number,
): Anchors {
  const walk: Walk = { lineOf, anchors: new Map(), targets: new Map(), aliased: 0 };
  if (document.contents !== null) sizeOf(document.contents, walk);
  return walk.targets;
}

/** How many values the node is when all aliases in it are written out; from the anchors' sizes, without doing so. */
function sizeOf(node: Node, walk: Walk): number {
  if (isAlias(node)) return aliasSize(node, walk);
  const anchor = isScalar(node) || isCollection(node) ? node.anchor : undefined;
  if (anchor !== undefined) walk.anchors.set(anchor, { node });
  const size = 1 + membersOf(node, walk).reduce((sum, member) => sum + sizeOf(member, walk), 0);
  if (anchor !== undefined) walk.anchors.set(anchor, { node, size });
  return size;
}

function aliasSize(alias: Node & { readonly source: string }, walk: Walk): number {
  const { source } = alias;
  const line = walk.lineOf(alias);
  const target = walk.anchors.get(source);
  if (target === undefined) {
    throw new DocumentFault(
      line,
      `*${source} names no anchor: write &${source} before it in the same document, or put a text that starts with * in ` +
        "quotes",
    );
  }
  if (target.size === undefined) {
    throw new DocumentFault(line, `*${source} stands within its own anchor: write the value out`);
  }
  walk.targets.set(alias, target.node);
  walk.aliased += target.size;
  if (walk.aliased > MAX_ALIASED_VALUES) {
    throw new DocumentFault(
      line,
      `the aliases up to here stand for more than ${MAX_ALIASED_VALUES} values: write fewer, or split the file`,
    );
  }
  return target.size;
}

function membersOf(node: Node, walk: Walk): readonly Node[] {
  if (isSeq<Node>(node)) return node.items.filter((item) => !isPair(item));
  if (!isMap<Node, Node>(node)) return [];
  return node.items.flatMap((pair) => pairMembers(pair, walk));
}

function pairMembers({ key, value }: Pair<Node, Node>, walk: Walk): readonly Node[] {
  if (isCollection(key)) {
    throw new DocumentFault(
      walk.lineOf(key),
      "a key cannot be a list or a map: put text in quotes, and render a template first, as helm template does",
    );
  }
  if (isMergeKey(key) && value !== null) checkMerge(value, walk);
  return value === null ? [] : [value];
}

function checkMerge(value: Node, walk: Walk): void {
  for (const source of sourcesOf(value)) {
    const target = isAlias(source) ? walk.anchors.get(source.source)?.node : source;
    if (target === undefined || isMap(target)) continue;
    throw new DocumentFault(
      walk.lineOf(value),
      "<< takes maps only: write the alias of a map, or a list of such",
    );
  }
}
