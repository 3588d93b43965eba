/** The part of OpenAPI that a CustomResourceDefinition may use, as far as ours use it. */

export interface Rule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  /** JSON path below the value that the rule is about, as `.spec.x`. */
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

export interface StructuralSchema {
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly format?: string;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-validations"?: readonly Rule[];
}

/** The schema of a member of a map or list, or undefined for a field that there is not. */
export function memberSchema(
  schema: StructuralSchema | undefined,
  segment: string | number,
): StructuralSchema | undefined {
  if (schema === undefined) return undefined;
  if (typeof segment === "number") return schema.items;
  const { properties, additionalProperties } = schema;
  return properties !== undefined && Object.hasOwn(properties, segment)
    ? properties[segment]
    : additionalProperties;
}

/** Every schema below and with this one, with the path as the API server would name it; `*` for any member. */
export function* schemasIn(
  schema: StructuralSchema,
  path = "",
): Generator<readonly [path: string, schema: StructuralSchema]> {
  yield [path, schema];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    yield* schemasIn(property, path === "" ? name : `${path}.${name}`);
  }
  if (schema.additionalProperties) yield* schemasIn(schema.additionalProperties, `${path}.*`);
  if (schema.items) yield* schemasIn(schema.items, `${path}[*]`);
}
