/** What of the objects in files is refused, in the words and by the rules of the API server. */
import { isMap, pathOf } from "../../cluster/schema/json.ts";
import type { Json, Segments } from "../../cluster/schema/json.ts";
import { describeIssue, issueAt, quote } from "../../cluster/schema/issue.ts";
import type { Issue } from "../../cluster/schema/issue.ts";
import { admitMetadata } from "../../cluster/schema/object_meta.ts";
import { structuralIssues } from "../../cluster/schema/structural.ts";
import type { StructuralSchema } from "../../cluster/schema/structural_schema.ts";
import { admit } from "../../cluster/schema/validate.ts";
import type { OwnKind } from "../../cluster/schema/validate.ts";
import { API_VERSIONS } from "./kinds.ts";
import type { Kind } from "./kinds.ts";
import { groupOf } from "./manifest.ts";
import type { Manifest } from "./manifest.ts";

export interface Judged {
  /** As the API server would store it. */
  readonly object: Json;
  /** Why it would be refused; absent: it is accepted. */
  readonly refusal?: string;
  /** What is accepted and is probably not meant. */
  readonly notes: readonly string[];
}

/** One of our kinds, by the CRDs. */
export function judgeOwn(kind: OwnKind, manifest: Manifest): Judged {
  const { issues, stored, nulls } = admit(kind, manifest.object);
  const dropped = nulls.filter((segments) => isEntry(segments));
  return {
    object: stored,
    ...refusalOf(issues, manifest),
    notes: dropped.map((segments) => {
      const name = isMap(stored["metadata"]) ? stored["metadata"]["name"] : undefined;
      return `${manifest.file}, line ${manifest.lineOf(segments)}: ${
        pathOf(segments)
      } of ${kind} '${name}' has no value, ` +
        `and the API server drops it, which selects more: write "" for an empty one`;
    }),
  };
}

/** Entries of a map select; a field that is left out has its default. */
function isEntry(segments: Segments): boolean {
  return ["nodeSelector", "matchLabels"].includes(String(segments.at(-2)));
}

/** Another kind: its metadata, and texts that YAML took for something else. */
export function judgeForeign(kind: ForeignKind, manifest: Manifest): Judged {
  const { object } = manifest;
  const issues = [
    ...typeIssues(kind, manifest),
    // Fields of metadata come and go with Kubernetes' versions.
    ...admitMetadata(object["metadata"]).issues.filter((issue) => issue.kind !== "Unknown"),
    ...structuralIssues(object, TEXTS[kind] ?? {}).filter(({ type }) =>
      type?.wanted === "string" && type.isScalar
    ),
  ];
  return { object, ...refusalOf(issues, manifest), notes: [] };
}

function typeIssues(kind: ForeignKind, { object, group }: Manifest): readonly Issue[] {
  const apiVersion = API_VERSIONS[kind];
  const wrong = (field: string, wanted: string) =>
    object[field] === undefined
      ? issueAt([field], "Required", `Required value: write ${wanted}`)
      : issueAt([field], "Invalid", `Invalid value: ${quote(object[field])}: must be ${wanted}`);
  return [
    ...(group === groupOf(apiVersion) ? [] : [wrong("apiVersion", apiVersion)]),
    ...(object["kind"] === kind ? [] : [wrong("kind", kind)]),
  ];
}

type ForeignKind = Exclude<Kind, OwnKind>;

const TEXT: StructuralSchema = { type: "string" };

const CONDITIONS: StructuralSchema = {
  items: { properties: { type: TEXT, status: TEXT, reason: TEXT, message: TEXT } },
};

/** Fields that are text, of the kinds that a tick reads. */
const TEXTS: Readonly<Record<string, StructuralSchema>> = {
  Node: {
    properties: {
      status: {
        properties: {
          conditions: CONDITIONS,
          addresses: { items: { properties: { type: TEXT, address: TEXT } } },
        },
      },
    },
  },
  Pod: {
    properties: {
      spec: { properties: { nodeName: TEXT } },
      status: { properties: { phase: TEXT, conditions: CONDITIONS } },
    },
  },
};

function refusalOf(issues: readonly Issue[], manifest: Manifest): { readonly refusal?: string } {
  if (issues.length === 0) return {};
  const told = issues.map((issue) =>
    `line ${manifest.lineOf(issue.segments)}: ${describeIssue(issue)}${remedyOf(issue, manifest)}`
  );
  return { refusal: `${manifest.file}, ${told.join("; ")}` };
}

/** What to write, where the API server only says what is wrong. */
function remedyOf({ segments, type }: Issue, { sourceOf }: Manifest): string {
  if (type === undefined) return "";
  const { wanted, isScalar } = type;
  // YAML reads true, 1e3 and 0123 as something else than text, unless they are quoted.
  const source = isScalar ? sourceOf(segments) : undefined;
  if (wanted === "string" && source !== undefined) return `: quote it: "${source}"`;
  return `: write ${EXAMPLES[wanted] ?? wanted}`;
}

const EXAMPLES: Readonly<Record<string, string>> = {
  string: "text",
  array: "a list, as - value",
  object: "a map, as key: value",
  integer: "a whole number without quotes",
  number: "a number without quotes",
  boolean: "true or false without quotes",
};
