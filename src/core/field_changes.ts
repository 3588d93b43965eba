/** What a write changes, field by field, in words that a person can compare with `kubectl get -o yaml`. */
import { isObject } from "./json.ts";
import { applyMergePatch } from "./merge_patch.ts";
import { byText } from "./order.ts";
import type { Change, Json, JsonObject, Snapshot } from "./types.ts";

export interface FieldChange {
  /** As `status.conditions[Ready].status`. */
  readonly path: string;
  /** Absent: there was no such field. */
  readonly from?: string;
  /** Absent: the field goes. */
  readonly to?: string;
}

/** Fields that say nothing to a person: of versions, and of when something else changed. */
const SILENT = /(^|\.)(resourceVersion|observedGeneration|lastTransitionTime|uid)$/;

/** Members by which the items of a list are told apart. */
const KEYS = ["type", "node", "name", "term", "key"] as const;

/** The fields that a change writes, sorted by path; none for a deletion, which takes all. */
export function fieldChanges(change: Change, snapshot: Snapshot): readonly FieldChange[] {
  if (change.action === "delete") return [];
  const before = change.action === "create" ? {} : storedOf(change, snapshot);
  const after = change.action === "create" ? change.body : asObject(
    applyMergePatch(before, change.body),
  );
  const [from, to] = [flat(before), flat(after)];
  const touched = new Set(rootsOf(change.body));
  return [...new Set([...from.keys(), ...to.keys()])].sort(byText)
    .filter((path) => !SILENT.test(path) && [...touched].some((root) => path.startsWith(root)))
    .flatMap((path) => {
      const [old, next] = [from.get(path), to.get(path)];
      if (old === next) return [];
      return [{
        path,
        ...(old === undefined ? {} : { from: old }),
        ...(next === undefined ? {} : { to: next }),
      }];
    });
}

/** What is known of the object as it is stored, in the API's shape. */
function storedOf({ kind, name }: Change, snapshot: Snapshot): JsonObject {
  const of = <T extends { readonly name: string }>(objects: readonly T[]) =>
    objects.find((object) => object.name === name);
  switch (kind) {
    case "EgressGateway": {
      const found = of(snapshot.gateways);
      return json({ metadata: { annotations: found?.annotations }, status: found?.status });
    }
    case "EgressGatewayPolicy":
      return json({ status: of(snapshot.policies)?.status });
    case "CiliumEgressGatewayPolicy": {
      const found = of(snapshot.ciliumPolicies);
      const { labels, annotations, ownerReferences, spec } = found ?? {};
      return json({ metadata: { labels, annotations, ownerReferences }, spec });
    }
    case "Node":
      return json({ metadata: { labels: of(snapshot.nodes)?.labels } });
    case "Lease":
      // Its annotations are read into other forms; what is written is shown as it is.
      return {};
  }
}

function json(value: unknown): JsonObject {
  return asObject(JSON.parse(JSON.stringify(value)));
}

function asObject(value: Json): JsonObject {
  return isObject(value) ? value : {};
}

/** The parts of the object that a body is about: `metadata.labels`, `status`. */
function rootsOf(body: JsonObject): readonly string[] {
  return Object.entries(body).flatMap(([key, value]) =>
    key === "metadata" ? Object.keys(asObject(value)).map((inner) => `metadata.${inner}`) : [key]
  );
}

/** Path -> text of the value, of everything that holds no other. */
function flat(value: Json, path = "", found = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(value)) {
    const keys = value.map(keyOf);
    const isKeyed = keys.length > 0 && keys.every((key) => key !== undefined) &&
      new Set(keys).size === keys.length;
    if (!isKeyed) found.set(path, JSON.stringify(value));
    else {
      value.forEach((item: Json, index) => {
        const { [keyMember(item) ?? ""]: _, ...others } = asObject(item);
        flat(others, `${path}[${keys[index]}]`, found);
      });
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      const step = /[./]/.test(key) ? `["${key}"]` : path === "" ? key : `.${key}`;
      flat(inner, path + step, found);
    }
  } else if (value !== undefined) {
    found.set(path, typeof value === "string" ? value : JSON.stringify(value));
  }
  return found;
}

function keyOf(item: Json): string | undefined {
  const member = keyMember(item);
  return member === undefined ? undefined : String(asObject(item)[member]);
}

function keyMember(item: Json): string | undefined {
  const object = asObject(item);
  return KEYS.find((name) => ["string", "number"].includes(typeof object[name]));
}
