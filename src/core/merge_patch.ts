import { isObject } from "./json.ts";
import type { Json, JsonObject } from "./types.ts";

/**
 * The smallest JSON merge patch (RFC 7396) that turns `from` into `to`, or undefined where they are equal.
 *
 * Keys that `to` lacks, or holds as undefined, become null; arrays are replaced as a whole.
 */
export function mergePatch(from: object, to: object): JsonObject | undefined {
  const before = from as Readonly<Record<string, Json | undefined>>;
  const after = to as Readonly<Record<string, Json | undefined>>;
  const patch: Record<string, Json> = {};
  for (const key of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
    const [old, wanted] = [before[key], after[key]];
    if (wanted === undefined) {
      if (old !== undefined) patch[key] = null;
    } else if (isObject(old) && isObject(wanted)) {
      const inner = mergePatch(old, wanted);
      if (inner !== undefined) patch[key] = inner;
    } else if (!equal(old, wanted)) {
      patch[key] = wanted;
    }
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
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
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => equal(a[key], b[key]));
}
