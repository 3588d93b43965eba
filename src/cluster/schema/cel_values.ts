/** From JSON to what an expression sees: the schema says which numbers are whole. */
import { isMap } from "./json.ts";
import type { Json } from "./json.ts";
import { memberSchema } from "./structural_schema.ts";
import type { StructuralSchema } from "./structural_schema.ts";

/** Words that no field may be called by in an expression. */
const RESERVED = new Set(
  ("true false null in as break const continue else for function if import let loop package namespace return var " +
    "void while").split(" "),
);

/** The value as `self`; fields have the names that an expression calls them by. */
export function celValue(value: unknown, schema: StructuralSchema | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => celValue(item, schema?.items));
  if (isMap(value)) return celMap(value, schema);
  if (typeof value !== "number") return value;
  return schema?.type === "integer" && Number.isInteger(value) ? BigInt(value) : value;
}

function celMap(map: Json, schema: StructuralSchema | undefined): unknown {
  // Keys of a map are data; those of an object are names.
  const named = schema?.additionalProperties === undefined;
  return Object.fromEntries(
    Object.entries(map).map(([key, value]) => [
      named ? celName(key) : key,
      celValue(value, memberSchema(schema, key)),
    ]),
  );
}

/** Source: k8s.io/apiserver, pkg/cel/escaping.go. */
function celName(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`;
  return name.replaceAll("__", "__underscores__").replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__").replaceAll("/", "__slash__");
}
