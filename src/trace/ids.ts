/** Which trace a span belongs to. */
import { createHash, randomBytes } from "node:crypto";
import type { SpanContext } from "./span.ts";

/**
 * The root of a takeover's trace. Controllers and agents make the same one of what they both read in the gateway's status, so
 * that their spans meet in one trace, and the protocol between them carries nothing for it.
 */
export function takeoverContext(
  { uid, term }: { readonly uid: string; readonly term: number },
): SpanContext {
  const digest = createHash("sha256").update(`${uid}/${term}`).digest("hex");
  return { traceId: digest.slice(0, 32), spanId: digest.slice(32, 48) };
}

/** A new span in the trace of another. */
export function childOf({ traceId }: SpanContext): SpanContext {
  return { traceId, spanId: randomBytes(8).toString("hex") };
}

export function newTrace(): SpanContext {
  return childOf({ traceId: randomBytes(16).toString("hex"), spanId: "" });
}
