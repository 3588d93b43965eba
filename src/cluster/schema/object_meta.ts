/** What the API server asks of every object's metadata. Source: k8s.io/apimachinery, pkg/api/validation/objectmeta.go. */
import { issueAt, quote } from "./issue.ts";
import type { Issue } from "./issue.ts";
import { isMap } from "./json.ts";
import type { Segments } from "./json.ts";
import {
  byteLength,
  labelValueFaults,
  prefixOf,
  qualifiedNameFaults,
  subdomainFaults,
} from "./kube_names.ts";
import { prune } from "./pruning.ts";
import type { StructuralSchema } from "./structural_schema.ts";
import { structuralIssues } from "./structural.ts";

const ANNOTATIONS_BYTES = 256 * 1024;

const TEXTS: StructuralSchema = { type: "object", additionalProperties: { type: "string" } };
const TEXT: StructuralSchema = { type: "string" };
const WHOLE: StructuralSchema = { type: "integer" };

const OWNER: StructuralSchema = {
  type: "object",
  properties: {
    apiVersion: TEXT,
    kind: TEXT,
    name: TEXT,
    uid: TEXT,
    controller: { type: "boolean" },
    blockOwnerDeletion: { type: "boolean" },
  },
};

/** ObjectMeta of apimachinery v1, with the fields that a server fills in. */
const OBJECT_META: StructuralSchema = {
  type: "object",
  properties: {
    name: TEXT,
    generateName: TEXT,
    namespace: TEXT,
    selfLink: TEXT,
    uid: TEXT,
    resourceVersion: TEXT,
    generation: WHOLE,
    creationTimestamp: { type: "string", format: "date-time" },
    deletionTimestamp: { type: "string", format: "date-time" },
    deletionGracePeriodSeconds: WHOLE,
    labels: TEXTS,
    annotations: TEXTS,
    ownerReferences: { type: "array", items: OWNER },
    finalizers: { type: "array", items: TEXT },
    managedFields: {
      type: "array",
      items: {
        type: "object",
        properties: {
          manager: TEXT,
          operation: TEXT,
          apiVersion: TEXT,
          time: { type: "string", format: "date-time" },
          fieldsType: TEXT,
          fieldsV1: { type: "object" },
          subresource: TEXT,
        },
      },
    },
  },
};

const AT: Segments = ["metadata"];

export interface Metadata {
  readonly issues: readonly Issue[];
  /** Without nulls and unknown fields. */
  readonly stored: unknown;
}

/** What is wrong with an object's metadata, and what the server would keep of it. */
export function admitMetadata(metadata: unknown): Metadata {
  const { value, unknown } = prune(withoutFieldSets(metadata ?? {}), OBJECT_META, AT);
  return { issues: [...unknown, ...issuesOf(value)], stored: value };
}

function issuesOf(value: unknown): readonly Issue[] {
  const wrongTypes = structuralIssues({ metadata: value }, {
    type: "object",
    properties: { metadata: OBJECT_META },
  });
  if (wrongTypes.length > 0 || !isMap(value)) return wrongTypes;
  return [
    ...nameIssues(value),
    ...keyIssues(value["labels"], "labels"),
    ...keyIssues(value["annotations"], "annotations"),
    ...finalizerIssues(value["finalizers"]),
    ...ownerIssues(value["ownerReferences"]),
  ];
}

/** Field sets have keys of their own making. */
function withoutFieldSets(metadata: unknown): unknown {
  if (!isMap(metadata) || !Array.isArray(metadata["managedFields"])) return metadata;
  const managedFields = metadata["managedFields"].map((entry) =>
    isMap(entry) ? { ...entry, fieldsV1: {} } : entry
  );
  return { ...metadata, managedFields };
}

function nameIssues({ name, generateName }: Readonly<Record<string, unknown>>): readonly Issue[] {
  const start = text(generateName);
  const whole = text(name);
  const faults = (field: string, value: string, found: readonly string[]) =>
    found.map((fault) => invalid([...AT, field], value, fault));
  return [
    ...(start === "" ? [] : faults("generateName", start, prefixOf(subdomainFaults)(start))),
    ...(whole !== ""
      ? faults("name", whole, subdomainFaults(whole))
      : start === ""
      ? [issueAt([...AT, "name"], "Required", "Required value: name or generateName is required")]
      : []),
  ];
}

function keyIssues(entries: unknown, field: "labels" | "annotations"): readonly Issue[] {
  if (!isMap(entries)) return [];
  const at = [...AT, field];
  const isLabels = field === "labels";
  const found = Object.entries(entries).flatMap(([key, value]) => [
    // An annotation's key may have capitals in its prefix.
    ...qualifiedNameFaults(isLabels ? key : key.toLowerCase()).map((fault) =>
      invalid(at, key, fault)
    ),
    ...(isLabels ? labelValueFaults(text(value)) : []).map((fault) =>
      invalid(at, text(value), fault)
    ),
  ]);
  const bytes = Object.entries(entries).reduce(
    (sum, [key, value]) => sum + byteLength(key) + byteLength(text(value)),
    0,
  );
  const tooLong = !isLabels && bytes > ANNOTATIONS_BYTES;
  return [
    ...found,
    ...(tooLong
      ? [issueAt(at, "TooLong", `Too long: may not be more than ${ANNOTATIONS_BYTES} bytes`)]
      : []),
  ];
}

function finalizerIssues(finalizers: unknown): readonly Issue[] {
  if (!Array.isArray(finalizers)) return [];
  const all: readonly unknown[] = finalizers;
  const at = [...AT, "finalizers"];
  const found = all.flatMap((each) =>
    qualifiedNameFaults(text(each)).map((fault) => invalid(at, text(each), fault))
  );
  const both = all.includes("orphan") && all.includes("foregroundDeletion");
  return both
    ? [
      ...found,
      issueAt(
        at,
        "Invalid",
        `Invalid value: ${quote(all)}: finalizer orphan and foregroundDeletion cannot be both set`,
      ),
    ]
    : found;
}

function ownerIssues(references: unknown): readonly Issue[] {
  if (!Array.isArray(references)) return [];
  return references.flatMap((reference: unknown, index) =>
    ["apiVersion", "kind", "name", "uid"]
      .filter((field) => !isMap(reference) || text(reference[field]) === "")
      .map((field) =>
        issueAt(
          [...AT, "ownerReferences", index, field],
          "Required",
          "Required value: must not be empty",
        )
      )
  );
}

function invalid(segments: Segments, value: string, fault: string): Issue {
  return issueAt(segments, "Invalid", `Invalid value: ${quote(value)}: ${fault}`);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
