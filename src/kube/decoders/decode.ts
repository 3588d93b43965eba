/** From the API server's JSON to the snapshot's types. One object that cannot be read never hides the others. */
import * as v from "valibot";
import type { InvalidObject } from "../../core/types.ts";
import { compact, condition, metadata } from "./common.ts";
import { describeIssues } from "./issues.ts";

export interface Decoded<T> {
  readonly objects: readonly T[];
  readonly invalid: readonly InvalidObject[];
}

/** Decodes each item on its own. */
export function decodeAll<T>(
  items: readonly unknown[],
  { kind, schema }: {
    readonly kind: InvalidObject["kind"];
    readonly schema: v.GenericSchema<unknown, T>;
  },
): Decoded<T> {
  const objects: T[] = [];
  const invalid: InvalidObject[] = [];
  for (const item of items) {
    const result = v.safeParse(schema, item);
    if (result.success) objects.push(result.output);
    else invalid.push(invalidObject(item, { kind, message: describeIssues(result.issues) }));
  }
  return { objects, invalid };
}

const identity = v.object({
  metadata,
  status: v.fallback(
    v.optional(v.object({ conditions: v.optional(v.array(condition)) })),
    undefined,
  ),
});

function invalidObject(
  item: unknown,
  { kind, message }: { kind: InvalidObject["kind"]; message: string },
): InvalidObject {
  const known = v.safeParse(identity, item);
  if (!known.success) return { kind, name: nameOf(item), message };
  const { metadata, status } = known.output;
  return compact({
    kind,
    name: metadata.name,
    message,
    resourceVersion: metadata.resourceVersion,
    generation: metadata.generation,
    conditions: status?.conditions,
  });
}

function nameOf(item: unknown): string {
  const result = v.safeParse(v.object({ metadata: v.object({ name: v.string() }) }), item);
  return result.success ? result.output.metadata.name : "(no name)";
}
