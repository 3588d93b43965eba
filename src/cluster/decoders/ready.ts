/** The condition Ready of a node or a pod; what others write beside it is none of its business. */
import * as v from "valibot";
import { part, time } from "./common.ts";
import type { Parts } from "./parts.ts";

const typed = v.object({ type: v.string() });

const ready = v.object({
  status: v.picklist(["True", "False", "Unknown"], "write True, False or Unknown"),
  message: part(v.string()),
  lastTransitionTime: part(time),
});

/**
 * The first condition Ready that can be read, as Kubernetes takes the first of several; undefined: there is none. Where it is
 * not there, but may be among those that do not say what they are, that is noted, and so is one that cannot be read.
 */
export function readyCondition(
  conditions: unknown,
  parts: Parts,
): v.InferOutput<typeof ready> | undefined {
  const path = "status.conditions";
  const all = parts.read(conditions, { path, schema: v.array(v.unknown()) }) ?? [];
  const named = all.map((value, index) => ({ value, path: `${path}[${index}]` }))
    .filter(({ value }) => v.is(typed, value) && value.type === "Ready");
  if (named.length === 0) {
    parts.items(all.map((item) => item ?? "null"), { path, schema: typed });
    return undefined;
  }
  const readable = named.find(({ value }) => v.is(ready, value)) ?? named[0];
  return readable === undefined
    ? undefined
    : parts.read(readable.value, { path: readable.path, schema: ready });
}
