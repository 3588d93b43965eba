/** From the API server's JSON to the snapshot's types. One object that cannot be read never hides the others. */
import * as v from "valibot";
import type { InvalidObject } from "../../core/types.ts";
import { compact, condition, itemsOf, metadata, statusWrite } from "./common.ts";
import { describeIssues } from "./issues.ts";

/** An object, or what is known of one that cannot be read. */
export type Decoded<T> = { readonly object: T } | { readonly invalid: InvalidObject };

/** A decoder of one kind; it never throws. */
export function decoderOf<T>(
  kind: InvalidObject["kind"],
  schema: v.GenericSchema<unknown, T>,
): (item: unknown) => Decoded<T> {
  return (item) => {
    const result = v.safeParse(schema, item);
    return result.success
      ? { object: result.output }
      : { invalid: invalidObject(item, { kind, message: describeIssues(result.issues) }) };
  };
}

/** The objects that could be read; the others are added to `invalid`. */
export function readable<T>(
  decoded: readonly Decoded<T>[],
  invalid: InvalidObject[],
): readonly T[] {
  return decoded.flatMap((item) => {
    if ("object" in item) return [item.object];
    invalid.push(item.invalid);
    return [];
  });
}

const identity = v.object({
  metadata,
  status: v.fallback(
    v.optional(v.object({ conditions: v.optional(itemsOf(condition)) })),
    undefined,
  ),
});

/** What is known of an object that is not read. */
export function invalidObject(
  item: unknown,
  { kind, message }: { kind: InvalidObject["kind"]; message: string },
): InvalidObject {
  const known = v.safeParse(identity, item);
  if (!known.success) return { kind, name: nameOf(item), message };
  const { metadata, status } = known.output;
  return compact({
    kind,
    name: metadata.name,
    uid: metadata.uid,
    message,
    resourceVersion: metadata.resourceVersion,
    generation: metadata.generation,
    ...statusWrite(metadata),
    conditions: status?.conditions,
  });
}

function nameOf(item: unknown): string {
  const result = v.safeParse(v.object({ metadata: v.object({ name: v.string() }) }), item);
  return result.success ? result.output.metadata.name : "(no name)";
}
