/** Types, limits and enums, judged by a JSON-schema validator and told in the API server's words. */
import { Validator } from "@cfworker/json-schema";
import type { OutputUnit, Schema } from "@cfworker/json-schema";
import { issueAt, quote } from "./issue.ts";
import type { Issue, IssueKind } from "./issue.ts";
import { isMap, pathOf, valueAt } from "./json.ts";
import type { Segments } from "./json.ts";
import { memberSchema } from "./structural_schema.ts";
import type { StructuralSchema } from "./structural_schema.ts";

const validators = new WeakMap<StructuralSchema, Validator>();

/** What types, limits and enums of the schema the value breaks; unknown fields are not among them. */
export function structuralIssues(value: unknown, schema: StructuralSchema): readonly Issue[] {
  const { errors } = validatorOf(schema).validate(value);
  const found = errors.flatMap((error) => issuesOf(error, { root: value, schema }));
  // Each missing field makes an error of its own, and each of them is told as all of them.
  return [...new Map(found.map((issue) => [JSON.stringify([issue.segments, issue.message]), issue]))
    .values()];
}

function validatorOf(schema: StructuralSchema): Validator {
  const known = validators.get(schema);
  if (known !== undefined) return known;
  const made = new Validator(toJsonSchema(schema), "7", false);
  validators.set(schema, made);
  return made;
}

/** JSON schema has no nullable. */
function toJsonSchema(schema: StructuralSchema): Schema {
  const { type, nullable, properties, additionalProperties, items, ...rest } = schema;
  const { enum: values, required, ...limits } = rest;
  return {
    ...limits,
    ...(values === undefined ? {} : { enum: [...values] }),
    ...(required === undefined ? {} : { required: [...required] }),
    ...(type === undefined ? {} : { type: nullable === true ? [type, "null"] : type }),
    ...(properties === undefined ? {} : {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [name, toJsonSchema(property)]),
      ),
    }),
    ...(additionalProperties === undefined
      ? {}
      : { additionalProperties: toJsonSchema(additionalProperties) }),
    ...(items === undefined ? {} : { items: toJsonSchema(items) }),
  };
}

interface Origin {
  readonly root: unknown;
  readonly schema: StructuralSchema;
}

function issuesOf({ keyword, instanceLocation }: OutputUnit, origin: Origin): readonly Issue[] {
  const segments = segmentsOf(instanceLocation, origin.root);
  const schema = segments.reduce<StructuralSchema | undefined>(memberSchema, origin.schema) ?? {};
  const value = valueAt(origin.root, segments);
  const tell = TELLERS[keyword];
  return tell === undefined ? [] : tell({ value, schema, segments, path: pathOf(segments) });
}

/** From `#/spec/selectors/0`, with `~1` for a slash, and what a URI cannot have escaped. */
function segmentsOf(pointer: string, root: unknown): Segments {
  const names = pointer.split("/").slice(1).map((name) =>
    decodeURI(name).replaceAll("~1", "/").replaceAll("~0", "~")
  );
  return names.reduce<Segments>(
    (before, name) => [
      ...before,
      Array.isArray(valueAt(root, before)) ? Number(name) : name,
    ],
    [],
  );
}

interface Fault {
  readonly value: unknown;
  readonly schema: StructuralSchema;
  readonly segments: Segments;
  readonly path: string;
}

type Teller = (fault: Fault) => readonly Issue[];

/** By keyword. The others, such as `properties`, only say that something below is wrong. */
const TELLERS: Readonly<Record<string, Teller>> = {
  type: ({ value, schema, segments, path }) => {
    const found = quote(typeName(value));
    const wanted = schema.type ?? "object";
    const issue = issueAt(
      segments,
      "TypeInvalid",
      `Invalid value: ${found}: ${path} in body must be of type ${wanted}: ${found}`,
    );
    const isScalar = value !== null && typeof value !== "object";
    return [{ ...issue, type: { wanted, isScalar } }];
  },
  enum: ({ value, schema, segments }) => {
    const allowed = (schema.enum ?? []).map((each) =>
      quote(typeof each === "string" ? each : JSON.stringify(each))
    );
    return [
      issueAt(
        segments,
        "NotSupported",
        `Unsupported value: ${quote(value)}: supported values: ${allowed.join(", ")}`,
      ),
    ];
  },
  required: ({ value, schema, segments }) =>
    (schema.required ?? [])
      .filter((name) => isMap(value) && !Object.hasOwn(value, name))
      .map((name) => issueAt([...segments, name], "Required", "Required value")),
  maxLength: ({ schema, segments }) => [
    issueAt(segments, "TooLong", `Too long: may not be more than ${schema.maxLength} bytes`),
  ],
  maxItems: ({ value, schema, segments }) => [
    issueAt(segments, "TooMany", tooMany(sizeOf(value), schema.maxItems)),
  ],
  maxProperties: ({ value, schema, segments }) => [
    issueAt(segments, "TooMany", tooMany(sizeOf(value), schema.maxProperties)),
  ],
  minimum: bound(({ minimum }) => `should be greater than or equal to ${minimum}`),
  maximum: bound(({ maximum }) => `should be less than or equal to ${maximum}`),
  minLength: bound(({ minLength }) => `should be at least ${minLength} chars long`),
  minItems: ({ value, schema, segments, path }) => [
    invalid(
      { value: sizeOf(value), segments },
      `${path} in body should have at least ${schema.minItems} items`,
    ),
  ],
  minProperties: bound(({ minProperties }) => `should have at least ${minProperties} properties`),
  pattern: bound(({ pattern }) => `should match '${pattern}'`),
  format: ({ value, schema, segments, path }) => [
    invalid(
      { value, segments },
      `${path} in body must be of type ${schema.format}: ${quote(value)}`,
    ),
  ],
};

function bound(says: (schema: StructuralSchema) => string): Teller {
  return ({ value, schema, segments, path }) => [
    invalid({ value, segments }, `${path} in body ${says(schema)}`),
  ];
}

function invalid({ value, segments }: Pick<Fault, "value" | "segments">, says: string): Issue {
  const kind: IssueKind = "Invalid";
  return issueAt(segments, kind, `Invalid value: ${quote(value)}: ${says}`);
}

function tooMany(found: number, most: number | undefined): string {
  return `Too many: ${found}: must have at most ${most} items`;
}

function sizeOf(value: unknown): number {
  return Array.isArray(value) ? value.length : isMap(value) ? Object.keys(value).length : 0;
}

/** As the API server calls a value's type. */
function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "integer" : "number";
  return typeof value;
}
