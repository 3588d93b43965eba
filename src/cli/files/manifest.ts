/** The objects in files, each with the place where it is written. */
import { isMap } from "../../cluster/schema/json.ts";
import type { Json, Segments } from "../../cluster/schema/json.ts";
import { ConfigError } from "../../kube/errors.ts";
import { DocumentFault } from "./document.ts";
import type { Document } from "./document.ts";
import { readJsonStream } from "./json_stream.ts";
import type { TextFile } from "./text.ts";
import { readYamlDocuments } from "./yaml_documents.ts";

export interface Manifest {
  readonly object: Json;
  /** Of the apiVersion, without the version; "" is the core group. Undefined: there is no apiVersion. */
  readonly group: string | undefined;
  readonly kind: string;
  readonly file: string;
  /** The line of a field of the object. */
  readonly lineOf: (segments: Segments) => number;
  /** What is written there without quotes. */
  readonly sourceOf: (segments: Segments) => string | undefined;
}

/** @throws ConfigError, with file and line, for a text that is no YAML or JSON or holds something else than objects */
export function readManifests({ name, text }: TextFile): readonly Manifest[] {
  const documents = documentsOf(name, text);
  if (documents.length === 0) {
    throw new ConfigError(
      `Cannot read ${name}: it holds no object: write what kubectl get -o yaml prints, a List without items where there are none`,
    );
  }
  return documents.flatMap((document) =>
    objectsIn(document.value, { file: name, document, segments: [], inherited: {} })
  );
}

function documentsOf(name: string, text: string): readonly Document[] {
  try {
    return readJsonStream(text) ?? readYamlDocuments(text);
  } catch (cause) {
    if (cause instanceof DocumentFault) {
      throw new ConfigError(`Cannot read ${name}, line ${cause.line}: ${cause.message}`, { cause });
    }
    if (cause instanceof RangeError) {
      throw new ConfigError(
        `Cannot read ${name}: it is nested too deeply: write objects of Kubernetes`,
        { cause },
      );
    }
    throw cause;
  }
}

interface Place {
  readonly file: string;
  readonly document: Document;
  readonly segments: Segments;
  /** What a typed list says of its items, which may leave it out. */
  readonly inherited: { readonly apiVersion?: unknown; readonly kind?: string };
}

function objectsIn(value: unknown, place: Place): readonly Manifest[] {
  const { file, document, segments, inherited } = place;
  // Only for errors: finding the line means reading the file up to it.
  const where = () => `${file}, line ${document.lineOf(segments)}`;
  if (Array.isArray(value)) {
    throw new ConfigError(
      `Cannot use ${where()}: it is a bare list: write it as items of kind: List with apiVersion: v1`,
    );
  }
  if (!isMap(value)) throw noObject(where());
  const items = itemsOf(value);
  if (items !== undefined) {
    const { kind } = value;
    const itemKind = typeof kind === "string" ? kind.replace(/List$/, "") : "";
    return items.flatMap((item, index) =>
      objectsIn(item, {
        file,
        document,
        segments: [...segments, "items", index],
        inherited: itemKind === "" ? {} : { apiVersion: value["apiVersion"], kind: itemKind },
      })
    );
  }
  const object: Json = { ...inherited, ...value };
  const { apiVersion, kind } = object;
  if (typeof kind !== "string" || kind === "") throw noObject(where());
  return [{
    object,
    group: typeof apiVersion === "string" && apiVersion !== "" ? groupOf(apiVersion) : undefined,
    kind,
    file,
    lineOf: (inner) => document.lineOf([...segments, ...inner]),
    sourceOf: (inner) => document.sourceOf([...segments, ...inner]),
  }];
}

/** The group of an apiVersion; "" is the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

/** Undefined for what is no list. */
function itemsOf(value: Json): readonly unknown[] | undefined {
  const { kind, items } = value;
  const isList = kind === undefined || (typeof kind === "string" && kind.endsWith("List"));
  if (!isList) return undefined;
  if (Array.isArray(items)) return items;
  // Go prints an empty list as null.
  return kind !== undefined && items == null ? [] : undefined;
}

function noObject(where: string): ConfigError {
  return new ConfigError(
    `Cannot use ${where}: it is no Kubernetes object: write one with apiVersion, kind and metadata`,
  );
}
