/** JSON values one after the other, as `kubectl get -o json >> FILE` and JSON lines have them; comments may stand between. */
import type { Segments } from "../../cluster/schema/json.ts";
import { DocumentFault } from "./document.ts";
import type { Document } from "./document.ts";
import { lineAt } from "./text.ts";

/**
 * The documents, or undefined when the text is something else (YAML, that is).
 *
 * @throws DocumentFault for a key that is there twice, and for a value after the first that is no JSON
 */
export function readJsonStream(text: string): readonly Document[] | undefined {
  const documents: Document[] = [];
  for (let start = between(text, 0); start < text.length;) {
    const end = /[[{]/.test(text.charAt(start)) ? endOf(text, start) : undefined;
    const value = end === undefined ? undefined : parsed(text.slice(start, end));
    if (documents.length > 0 && text.charAt(start) === ",") {
      throw new DocumentFault(
        lineAt(text, start),
        "there is a comma between JSON values: write them one after the other, or as items of kind: List",
      );
    }
    if (end === undefined || value === undefined) {
      if (documents.length < 2) return undefined;
      throw new DocumentFault(
        lineAt(text, start),
        "what follows the JSON values before it is no JSON: write one object after the other, or YAML with --- between",
      );
    }
    documents.push(documentOf(text, { start, value }));
    start = between(text, end);
  }
  return documents.length === 0 ? undefined : documents;
}

const BETWEEN = /(?:\s+|#[^\n]*)*/y;

/** The first place that is neither space nor comment. */
function between(text: string, offset: number): number {
  BETWEEN.lastIndex = offset;
  return offset + (BETWEEN.exec(text)?.[0].length ?? 0);
}

function parsed(slice: string): unknown {
  try {
    return JSON.parse(slice);
  } catch {
    return undefined;
  }
}

/** A text with its quotes, a bracket, or a run of anything else. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gsy;
const SPACE = /\s*/y;

interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

function tokenAt(text: string, offset: number): Token | undefined {
  SPACE.lastIndex = offset;
  const start = offset + (SPACE.exec(text)?.[0].length ?? 0);
  TOKEN.lastIndex = start;
  const found = TOKEN.exec(text)?.[0];
  return found === undefined ? undefined : { text: found, start, end: start + found.length };
}

/** Keys of the objects and undefined for the lists that are open at a place. */
type Open = (Set<string> | undefined)[];

/**
 * Where the value that starts here ends; undefined: nowhere.
 *
 * @throws DocumentFault for a key that is there twice, of which JSON.parse takes the last
 */
function endOf(text: string, offset: number): number | undefined {
  const open: Open = [];
  let before = "";
  for (let token = tokenAt(text, offset); token !== undefined; token = tokenAt(text, token.end)) {
    const isKey = open.length > 0 && (before === "{" || before === ",");
    if (token.text === "{") open.push(new Set());
    else if (token.text === "[") open.push(undefined);
    else if (token.text === "}" || token.text === "]") open.pop();
    else if (isKey) noteKey(open.at(-1), { text, token });
    if (open.length === 0) return token.end;
    before = token.text;
  }
  return undefined;
}

function noteKey(keys: Set<string> | undefined, { text, token }: { text: string; token: Token }) {
  if (keys === undefined) return;
  if (keys.has(token.text)) {
    throw new DocumentFault(
      lineAt(text, token.start),
      `the key ${token.text} is there twice in one object: keep one`,
    );
  }
  keys.add(token.text);
}

function documentOf(
  text: string,
  { start, value }: { readonly start: number; readonly value: unknown },
): Document {
  return {
    value,
    line: lineAt(text, start),
    lineOf: (segments) => lineAt(text, offsetOf(text, { start, segments })),
    sourceOf: (segments) => {
      const token = tokenAt(text, offsetOf(text, { start, segments }));
      return token === undefined || /^["{[]/.test(token.text) ? undefined : token.text;
    },
  };
}

/** Where the value at a path starts, or the closest one above it that is there. */
function offsetOf(
  text: string,
  { start, segments }: { readonly start: number; readonly segments: Segments },
): number {
  let offset = start;
  for (const segment of segments) {
    const member = memberOf(text, { offset, segment });
    if (member === undefined) return offset;
    offset = member;
  }
  return offset;
}

function memberOf(
  text: string,
  { offset, segment }: { readonly offset: number; readonly segment: string | number },
): number | undefined {
  const opening = tokenAt(text, offset);
  if (opening?.text !== "{" && opening?.text !== "[") return undefined;
  let index = 0;
  let token = tokenAt(text, opening.end);
  while (token !== undefined && token.text !== "}" && token.text !== "]") {
    const key = opening.text === "{" ? parsed(token.text) : index;
    const colon = opening.text === "{" ? tokenAt(text, token.end) : undefined;
    const value = colon === undefined ? token : tokenAt(text, colon.end);
    if (value === undefined) return undefined;
    if (key === segment) return value.start;
    const comma = tokenAt(text, endOf(text, value.start) ?? text.length);
    if (comma?.text !== ",") return undefined;
    token = tokenAt(text, comma.end);
    index++;
  }
  return undefined;
}
