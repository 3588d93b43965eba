/** Merge keys (`<<`) as kubectl's YAML has them. */
import { isMap, isScalar, isSeq, visit } from "yaml";
import type { Document as YamlDocument, Node, YAMLMap } from "yaml";

/** Alias -> the node that it stands for. */
export type Anchors = ReadonlyMap<Node, Node>;

/** Undefined for a key that is no word. */
export function keyOf(key: Node): string | undefined {
  if (!isScalar(key)) return undefined;
  return typeof key.value === "symbol" ? key.value.description : String(key.value ?? "");
}

export function isMergeKey(key: Node): boolean {
  return isScalar(key) && typeof key.value === "symbol";
}

/** What `<<` names, in the order in which it counts. */
export function mergeSources(map: YAMLMap<Node, Node>): readonly Node[] {
  return map.items.flatMap(({ key, value }) => isMergeKey(key) ? sourcesOf(value) : []);
}

/** The maps of one `<<`, or their aliases. */
export function sourcesOf(value: Node | null): readonly Node[] {
  if (value === null) return [];
  return isSeq<Node>(value) ? value.items : [value];
}

/**
 * Takes out keys that a later `<<` in the same map replaces: go-yaml lets the last one win, where YAML's own page gives the
 * key the right of way. What is applied is what go-yaml makes of the file.
 */
export function dropReplacedKeys(document: YamlDocument.Parsed, anchors: Anchors): void {
  visit(document, {
    Map(_, node) {
      if (!isMap<Node, Node>(node)) return;
      const last = node.items.findLastIndex(({ key }) => isMergeKey(key));
      if (last <= 0) return;
      const replaced = new Set(mergeSources(node).flatMap((source) => keysOf(source, anchors)));
      node.items = node.items.filter(({ key }, index) =>
        index >= last || isMergeKey(key) || !replaced.has(keyOf(key) ?? "")
      );
    },
  });
}

function keysOf(source: Node, anchors: Anchors): readonly string[] {
  const map = anchors.get(source) ?? source;
  if (!isMap<Node, Node>(map)) return [];
  const own = map.items.flatMap(({ key }) => isMergeKey(key) ? [] : [keyOf(key) ?? ""]);
  return [...own, ...mergeSources(map).flatMap((inner) => keysOf(inner, anchors))];
}
