import { isObject } from "./json.ts";
import { byText } from "./order.ts";
import type { Json, JsonObject } from "./types.ts";

/**
 * The smallest JSON merge patch (RFC 7396) that turns `from` into `to`, or undefined where they are equal.
 *
 * Keys that `to` lacks, or holds as undefined, become null; arrays are replaced as a whole.
 */
export function mergePatch(from: object, to: object): JsonObject | undefined {
  const before = from as Readonly<Record<string, Json | undefined>>;
  const after = to as Readonly<Record<string, Json | undefined>>;
  // Most objects are as they are to be, and cost no more than a look at their members.
  const patch: (readonly [string, Json])[] = [];
  for (const key of Object.keys(before)) {
    if (before[key] !== undefined && after[key] === undefined) patch.push([key, null]);
  }
  for (const key of Object.keys(after)) {
    const old = before[key];
    const wanted = after[key];
    if (wanted === undefined) continue;
    if (isObject(old) && isObject(wanted)) {
      const inner = mergePatch(old, wanted);
      if (inner !== undefined) patch.push([key, inner]);
    } else if (!equal(old, wanted)) {
      patch.push([key, wanted]);
    }
  }
  if (patch.length === 0) return undefined;
  return Object.fromEntries(patch.sort(([a], [b]) => byText(a, b)));
}

/** Applies a JSON merge patch (RFC 7396) to a copy of `target`. */
export function applyMergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applyMergePatch(result[key], value);
  }
  return result;
}

/** Equality of JSON values; the order of keys does not matter, undefined members count as absent. */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length &&
      a.every((item, index) => equal(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  for (const key of Object.keys(a)) if (!equal(a[key], b[key])) return false;
  for (const key of Object.keys(b)) if (b[key] !== undefined && a[key] === undefined) return false;
  return true;
}
