/** YAML as kubectl reads it, with lines, merge keys and anchors. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from "yaml";
import type { Node, ParsedNode, YAMLError } from "yaml";
import type { Segments } from "../../cluster/schema/json.ts";
import { DocumentFault } from "./document.ts";
import type { Document } from "./document.ts";
import { inspect } from "./yaml_inspection.ts";
import { dropReplacedKeys, keyOf, mergeSources } from "./yaml_merge.ts";
import type { Anchors } from "./yaml_merge.ts";
import { KUBECTL_TAGS } from "./yaml_schema.ts";

/**
 * The documents of a text; empty ones are left out.
 *
 * @throws DocumentFault for what is no YAML, and for anchors that lead nowhere or grow without bound
 */
export function readYamlDocuments(text: string): readonly Document[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    schema: "failsafe",
    customTags: KUBECTL_TAGS,
    // Else !!set, !!binary and the like make objects that JSON has not.
    resolveKnownTags: false,
    lineCounter: lines,
    logLevel: "error",
    prettyErrors: false,
  });
  if (!Array.isArray(documents)) return [];
  const lineAt = (offset: number | undefined) => lines.linePos(offset ?? 0).line || 1;
  return documents.flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw faultOf(error, { text, line: lineAt(error.pos[0]) });
    const anchors = inspect(document, (node) => lineAt(node.range?.[0]));
    dropReplacedKeys(document, anchors);
    const value: unknown = document.toJS({ maxAliasCount: -1 });
    if (value === null || value === undefined) return [];
    const find = (segments: Segments) => locate(document.contents, { segments, anchors });
    return [{
      value,
      line: lineAt(document.contents?.range?.[0]),
      lineOf: (segments: Segments) => lineAt(find(segments).node?.range?.[0]),
      sourceOf: (segments: Segments) => {
        const { node, isThere } = find(segments);
        return isThere && isScalar(node) && node.type === "PLAIN" ? node.source : undefined;
      },
    }];
  });
}

interface Place {
  readonly node: Node | null;
  /** False: the node is what the value is missing in. */
  readonly isThere: boolean;
}

/** The node at a path, through aliases and merge keys. */
function locate(
  root: ParsedNode | null,
  { segments, anchors }: { readonly segments: Segments; readonly anchors: Anchors },
): Place {
  let node: Node | null = root;
  for (const segment of segments) {
    const member: Node | undefined = memberOf(resolved(node, anchors), { segment, anchors });
    if (member === undefined) return { node, isThere: false };
    node = member;
  }
  const target = resolved(node, anchors);
  return { node: target, isThere: true };
}

function resolved(node: Node | null, anchors: Anchors): Node | null {
  return node !== null && isAlias(node) ? anchors.get(node) ?? null : node;
}

function memberOf(
  node: Node | null,
  { segment, anchors }: { readonly segment: string | number; readonly anchors: Anchors },
): Node | undefined {
  if (typeof segment === "number") return isSeq<Node>(node) ? node.items[segment] : undefined;
  if (!isMap<Node, Node>(node)) return undefined;
  const own = node.items.find(({ key }) => keyOf(key) === segment);
  return own?.value ?? mergeSources(node).flatMap((source) => {
    const found = memberOf(resolved(source, anchors), { segment, anchors });
    return found === undefined ? [] : [found];
  })[0];
}

/** What to write instead, by the parser's code. */
const REMEDIES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "indent with spaces",
  BAD_SCALAR_START: "put the text in quotes",
  BLOCK_AS_IMPLICIT_KEY: "put a text that holds ': ' in quotes, and indent all keys of a map alike",
  MULTILINE_IMPLICIT_KEY:
    "write each key with its ':' on one line, and indent all keys of a map alike",
  BAD_INDENT: "indent all keys of a map alike, and what belongs to a key deeper than it",
  MISSING_CHAR: "close every quote and bracket, and write ': ' after each key",
  UNEXPECTED_TOKEN:
    "put a text that holds quotes, ': ' or ' #' in quotes, and --- between documents",
  BAD_DIRECTIVE: "put a text that starts with % in quotes",
  BAD_DQ_ESCAPE: "write \\\\ for a backslash in double quotes, or use single ones",
};

/** Fields that an object has once: one of them again, from the first column, means that another object begins. */
const ROOT_FIELDS = ["apiVersion", "kind", "metadata", "items", "spec", "status"];

function faultOf(
  { code, message, pos }: YAMLError,
  { text, line }: { readonly text: string; readonly line: number },
): DocumentFault {
  const content = text.split("\n", line)[line - 1] ?? "";
  if (content.includes("{{")) {
    return new DocumentFault(
      line,
      `'${content.trim()}' is a template: render it first, as helm template does`,
    );
  }
  if (code === "DUPLICATE_KEY") {
    const key = /[^:\s,}]+/.exec(text.slice(pos[0], pos[0] + 300))?.[0] ?? "";
    return new DocumentFault(
      line,
      ROOT_FIELDS.includes(key) && content.startsWith(key)
        ? `'${key}' is there twice, as where a second object begins: put a line --- before it`
        : `the key '${key}' is there twice in one map: keep one`,
    );
  }
  if (message.includes("call stack")) throw new RangeError(message);
  const remedy = REMEDIES[code] ?? "write YAML or JSON as kubectl prints it";
  return new DocumentFault(line, `${lowerFirst(message)}: ${remedy}`);
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}
