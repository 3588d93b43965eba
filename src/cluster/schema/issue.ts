import { pathOf } from "./json.ts";
import type { Segments } from "./json.ts";

/** What is wrong with one field. */
export interface Issue {
  /** As the API server names it: `spec.destinationCIDRs[0]`; "" is the object as a whole. */
  readonly path: string;
  readonly segments: Segments;
  /** The API server's own sentence. */
  readonly message: string;
  readonly kind: IssueKind;
  /** Of a value of another type: the type that is wanted, and whether there is a scalar. */
  readonly type?: { readonly wanted: string; readonly isScalar: boolean };
}

export type IssueKind =
  | "TypeInvalid"
  | "NotSupported"
  | "Required"
  | "TooLong"
  | "TooMany"
  | "Invalid"
  | "Duplicate"
  | "Unknown";

/** After these the API server evaluates no rules: they may rest on what is missing. */
const BLOCKING: readonly IssueKind[] = [
  "TypeInvalid",
  "NotSupported",
  "Required",
  "TooLong",
  "TooMany",
];

export function isBlocking({ kind }: Issue): boolean {
  return BLOCKING.includes(kind);
}

export function issueAt(segments: Segments, kind: IssueKind, message: string): Issue {
  return { path: pathOf(segments), segments, message, kind };
}

/** As one sentence: `spec.strategy: Unsupported value: …`. */
export function describeIssue({ path, message }: Issue): string {
  return path === "" ? message : `${path}: ${message}`;
}

/** A value in a message, as the API server prints it: Go's %q for text, else JSON. */
export function quote(value: unknown): string {
  const json = JSON.stringify(value) ?? "null";
  if (typeof value !== "string") return json;
  return json.replace(/\\u00([01].)/g, "\\x$1").replace(UNPRINTABLE, escaped);
}

/** What Go's %q escapes and JSON does not: all but letters, marks, numbers, punctuation, symbols and the plain space. */
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

function escaped(letter: string): string {
  const code = letter.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}
