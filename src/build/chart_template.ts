/** Turns an object into the text of a Helm template in which some entries come from values. */
import { stringify } from "yaml";
import type { KubeObject } from "./kube_object.ts";

/** Where an entry stands: what is before it on its line, and the column at which a neighbour would begin. */
export interface Place {
  /** As `replicas: ` or `- `, with its indentation. */
  readonly prefix: string;
  readonly column: number;
}

export interface Edit {
  /** Of the object, as `idOf` writes it. */
  readonly object: string;
  /** Keys with dots between; an element of a list by its `name` or its index, `-` for one more. */
  readonly path: string;
  /** `replace` what is there, or `add` what is not; default `replace`. */
  readonly how?: "replace" | "add";
  /** The lines that stand for the entry. */
  readonly lines: (place: Place) => readonly string[];
}

/** `Kind/namespace/name`, or `Kind/name`. */
export function idOf({ kind, metadata: { namespace, name } }: KubeObject): string {
  return [kind, namespace, name].filter((part) => part !== undefined).join("/");
}

/** The template's text. Every edit has to be one of this object. */
export function templateOf(object: KubeObject, edits: readonly Edit[]): string {
  const copy = structuredClone(object);
  edits.forEach((edit, index) => mark(copy, { edit, mark: markOf(index) }));
  return yamlOf(copy).split("\n").flatMap((line) => {
    const index = edits.findIndex((_, index) => line.endsWith(markOf(index)));
    const edit = edits[index];
    // Prometheus' sentences and Grafana's legends are templates too, of their own.
    if (edit === undefined) return [line.replaceAll("{{", '{{ "{{" }}')];
    const prefix = line.slice(0, -markOf(index).length);
    const column = prefix.search(/[^ ]/);
    const isEntryOfItem = /^ *- ./.test(prefix);
    return edit.lines({ prefix, column: isEntryOfItem ? column + 2 : column });
  }).join("\n");
}

/** As Helm reads it: its YAML is of version 1.1, where `on` and `y` are booleans. */
export function yamlOf(object: unknown): string {
  return stringify(object, { lineWidth: 0, compat: "yaml-1.1", aliasDuplicateObjects: false });
}

/** The value of an expression, which is a number or a boolean. */
export function value(expression: string): Edit["lines"] {
  return ({ prefix }) => [`${prefix}{{ ${expression} }}`];
}

/** The value of an expression, which is a text. */
export function text(expression: string): Edit["lines"] {
  return value(`${expression} | quote`);
}

/** The value of an expression, which is a map or a list. */
export function yaml(expression: string): Edit["lines"] {
  return ({ prefix, column }) => [
    `${prefix.trimEnd()} {{- toYaml ${expression} | nindent ${column + 2} }}`,
  ];
}

/** An entry that is left out where the expression is empty; in `then` the dot is its value. */
export function optional(expression: string, then: Edit["lines"]): Edit["lines"] {
  return (place) => {
    const margin = " ".repeat(place.column);
    return [`${margin}{{- with ${expression} }}`, ...then(place), `${margin}{{- end }}`];
  };
}

function markOf(index: number): string {
  return `SUBSTITUTION-${index}-`;
}

type Parent = { [key: string]: unknown };

function mark(object: KubeObject, { edit, mark }: { edit: Edit; mark: string }): void {
  const keys = edit.path.split(".");
  const last = keys.pop() ?? "";
  const refused = (why: string) =>
    new Error(`Cannot substitute ${edit.path} of ${edit.object}: ${why}`);
  let parent: unknown = object;
  for (const key of keys) parent = child(parent, key);
  if (!isParent(parent)) throw refused("nothing is there");
  const there = child(parent, last) !== undefined;
  if (there !== ((edit.how ?? "replace") === "replace")) {
    throw refused(there ? "something is there already" : "nothing is there");
  }
  parent[keyOf(parent, last)] = mark;
}

function child(parent: unknown, key: string): unknown {
  return isParent(parent) ? parent[keyOf(parent, key)] : undefined;
}

/** In a list, the index of the element that is named. */
function keyOf(parent: Parent, key: string): string {
  if (!Array.isArray(parent)) return key;
  if (key === "-") return String(parent.length);
  const index = parent.findIndex((element) => isParent(element) && element["name"] === key);
  return index < 0 ? key : String(index);
}

function isParent(value: unknown): value is Parent {
  return typeof value === "object" && value !== null;
}
