/**
 * Judges EgressGateways and EgressGatewayPolicies as the API server does that has our CustomResourceDefinitions: the same
 * verdict, fields and sentences (tests/control_plane/schema_test.ts asks one).
 */
import { readDefinitions } from "./crds.ts";
import type { Definition } from "./crds.ts";
import { isBlocking, issueAt, quote } from "./issue.ts";
import type { Issue } from "./issue.ts";
import { isMap } from "./json.ts";
import type { Json, Segments } from "./json.ts";
import { listKeyIssues } from "./list_keys.ts";
import { admitMetadata } from "./object_meta.ts";
import { prune } from "./pruning.ts";
import { ruleIssues } from "./rules.ts";
import { structuralIssues } from "./structural.ts";
import type { StructuralSchema } from "./structural_schema.ts";

export type OwnKind = "EgressGateway" | "EgressGatewayPolicy";

export interface ValidateOptions {
  /**
   * What is written. Absent: the object itself; its status is dropped then, and only its unknown fields are looked for.
   * `status`: the status alone is judged.
   */
  readonly subresource?: "status";
}

export interface Verdict {
  /** What is wrong; nothing: the object is accepted. */
  readonly issues: readonly Issue[];
  /** The object as it would be stored: without nulls and unknown fields, and with defaults. */
  readonly stored: Json;
  /** Nulls that were dropped. */
  readonly nulls: readonly Segments[];
}

/** What the API server would find wrong with the object; nothing: it is accepted. */
export function validate(
  kind: OwnKind,
  object: Json,
  options: ValidateOptions = {},
): readonly Issue[] {
  return admit(kind, object, options).issues;
}

/** As `validate`, with the object that would be stored. */
export function admit(kind: OwnKind, object: Json, options: ValidateOptions = {}): Verdict {
  const definition = definitionOf(kind);
  const { value, unknown, nulls } = prune(object, definition.schema);
  const metadata = admitMetadata(object["metadata"]);
  const pruned = isMap(value) ? value : {};
  const stored = named({ ...pruned, metadata: metadata.stored });
  const ofStatus = options.subresource === "status";
  const wrongType = ofStatus ? [] : typeIssues(object, definition);
  if (wrongType.length > 0) return { issues: wrongType, stored, nulls };
  const judged = ofStatus ? { status: pruned["status"] ?? {} } : withoutStatus(stored);
  const schema = ofStatus ? statusOf(definition.schema) : definition.schema;
  const found = [
    ...(ofStatus ? [] : metadata.issues),
    ...unknown.filter(({ segments: [first] }) => !ofStatus || first === "status"),
    ...structuralIssues(judged, schema),
    ...listKeyIssues(judged, schema),
  ];
  const issues = found.some(isBlocking) ? found : [...found, ...ruleIssues(judged, schema)];
  return { issues, stored, nulls };
}

function definitionOf(kind: OwnKind): Definition {
  const found = readDefinitions().find((each) => each.kind === kind);
  if (found === undefined) throw new Error(`Cannot find the definition of ${kind} in k8s/crds`);
  return found;
}

/** The status alone. */
function statusOf({ type, properties = {} }: StructuralSchema): StructuralSchema {
  const { status } = properties;
  return {
    ...(type === undefined ? {} : { type }),
    ...(status === undefined ? {} : { properties: { status } }),
  };
}

function typeIssues(object: Json, { kind, group, version }: Definition): readonly Issue[] {
  const wanted = { apiVersion: `${group}/${version}`, kind };
  return Object.entries(wanted).flatMap(([field, value]) => {
    const found = object[field];
    if (found === value) return [];
    return [
      found === undefined
        ? issueAt([field], "Required", `Required value: write ${value}`)
        : issueAt([field], "Invalid", `Invalid value: ${quote(found)}: must be ${value}`),
    ];
  });
}

function withoutStatus({ status: _, ...rest }: Json): Json {
  return rest;
}

/** What the API server adds to a generated name, for which this stands, and the longest start that it leaves whole. */
const GENERATED = "xxxxx";
const LONGEST_START = 63 - GENERATED.length;

/** Rules may look at the name, which an object with generateName alone gets from the server. */
function named(object: Json): Json {
  const metadata = isMap(object["metadata"]) ? object["metadata"] : {};
  const { name, generateName } = metadata;
  // Another type than text is told of elsewhere.
  if (name !== undefined && name !== "") return object;
  const start = typeof generateName === "string" ? generateName : "";
  const generated = start === "" ? "" : `${start.slice(0, LONGEST_START)}${GENERATED}`;
  return { ...object, metadata: { ...metadata, name: generated } };
}
