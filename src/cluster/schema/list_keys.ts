/** Lists that are sets or maps in disguise hold nothing twice. */
import { issueAt, quote } from "./issue.ts";
import type { Issue } from "./issue.ts";
import { isMap } from "./json.ts";
import type { Segments } from "./json.ts";
import { memberSchema } from "./structural_schema.ts";
import type { StructuralSchema } from "./structural_schema.ts";

export function listKeyIssues(
  value: unknown,
  schema: StructuralSchema | undefined,
  segments: Segments = [],
): readonly Issue[] {
  if (schema === undefined) return [];
  if (Array.isArray(value)) {
    const keys = value.map((item) => keyOf(item, schema));
    // However often it is there, it is told once, of the second.
    const twice = keys.flatMap((key, index) =>
      key !== undefined && keys.slice(0, index).filter((other) => other === key).length === 1
        ? [issueAt([...segments, index], "Duplicate", `Duplicate value: ${key}`)]
        : []
    );
    const inner = value.flatMap((item, index) =>
      listKeyIssues(item, schema.items, [...segments, index])
    );
    return [...twice, ...inner];
  }
  if (!isMap(value)) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    listKeyIssues(member, memberSchema(schema, key), [...segments, key])
  );
}

/** What must differ between the items of a list; undefined in a list that is only a list. */
function keyOf(item: unknown, schema: StructuralSchema): string | undefined {
  const type = schema["x-kubernetes-list-type"];
  if (type === "set") return quote(item);
  if (type !== "map" || !isMap(item)) return undefined;
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  return quote(Object.fromEntries(keys.map((key) => [key, item[key]])));
}
