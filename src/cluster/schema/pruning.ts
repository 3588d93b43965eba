/** What the API server does to an object before it judges it. Source: k8s.io/apiextensions-apiserver, schema/pruning and schema/defaulting. */
import { issueAt, quote } from "./issue.ts";
import type { Issue } from "./issue.ts";
import { isMap, pathOf } from "./json.ts";
import type { Segments } from "./json.ts";
import { isSlip } from "./slip.ts";
import { memberSchema } from "./structural_schema.ts";
import type { StructuralSchema } from "./structural_schema.ts";

/** The fields of every object; they have rules of their own. */
const META_FIELDS: readonly string[] = ["apiVersion", "kind", "metadata"];

export interface Pruned {
  /** Without unknown fields and without nulls, and with defaults. */
  readonly value: unknown;
  /** The unknown fields. */
  readonly unknown: readonly Issue[];
  /** Nulls that were taken out of a map or an object; a map may select more without them. */
  readonly nulls: readonly Segments[];
}

/** Leaves out what the API server drops, and says what that was. */
export function prune(
  value: unknown,
  schema: StructuralSchema | undefined,
  segments: Segments = [],
): Pruned {
  if (Array.isArray(value)) {
    const items = value.map((item, index) => prune(item, schema?.items, [...segments, index]));
    return combine(items.map(({ value }) => value), items);
  }
  if (!isMap(value)) return { value, unknown: [], nulls: [] };
  const unknown: Issue[] = [];
  const nulls: Segments[] = [];
  const members: (readonly [string, Pruned])[] = [];
  for (const [key, member] of Object.entries(value)) {
    const place = [...segments, key];
    if (segments.length === 0 && META_FIELDS.includes(key)) {
      members.push([key, { value: member, unknown: [], nulls: [] }]);
      continue;
    }
    const known = memberSchema(schema, key);
    if (known === undefined) unknown.push(unknownField(place, schema));
    else if (member === null && known.nullable !== true) nulls.push(place);
    else members.push([key, prune(member, known, place)]);
  }
  const parts = members.map(([, part]) => part);
  const kept = Object.fromEntries(members.map(([key, part]) => [key, part.value]));
  return combine({ ...defaultsOf(schema, kept), ...kept }, [
    { value, unknown, nulls },
    ...parts,
  ]);
}

function combine(value: unknown, parts: readonly Pruned[]): Pruned {
  return {
    value,
    unknown: parts.flatMap(({ unknown }) => unknown),
    nulls: parts.flatMap(({ nulls }) => nulls),
  };
}

/** Defaults of the fields that are not there. */
function defaultsOf(
  schema: StructuralSchema | undefined,
  present: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(schema?.properties ?? {})
      .filter(([name, property]) => property.default !== undefined && !Object.hasOwn(present, name))
      .map(([name, property]) => [name, prune(property.default, property).value]),
  );
}

function unknownField(segments: Segments, schema: StructuralSchema | undefined): Issue {
  const name = String(segments.at(-1));
  const known = Object.keys(schema?.properties ?? {});
  return issueAt(
    segments,
    "Unknown",
    `unknown field ${quote(pathOf(segments))}: ${whatInstead(name, known)}`,
  );
}

/** What to write instead of a field that there is not. */
function whatInstead(name: string, known: readonly string[]): string {
  const meant = known.find((each) => isSlip(name.toLowerCase(), each.toLowerCase()));
  if (meant !== undefined) return `write ${meant}`;
  return known.length === 0 ? "remove it" : `remove it, or write one of ${known.join(", ")}`;
}
