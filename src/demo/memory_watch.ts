/** Watches of the demo's API: one JSON event a line, as long as the client listens. */
import type { JsonObject } from "../core/types.ts";
import { apiVersionOf } from "./memory_kinds.ts";
import type { Kind } from "./memory_kinds.ts";
import type { MemoryStore, Stored, StoreEvent } from "./memory_store.ts";

export interface WatchSpec {
  readonly kind: Kind;
  readonly selects: (stored: Stored) => boolean;
  readonly version: number;
  readonly bookmarks: boolean;
  readonly timeoutMilliseconds: number;
  /** Ends all watches. */
  readonly signal: AbortSignal;
}

/** API servers send one each minute; here they come sooner, since an idle demo should show them. */
const BOOKMARK_MILLISECONDS = 10_000;

/** @throws StatusError 410 when the version is too old */
export function watchStream(store: MemoryStore, spec: WatchSpec): ReadableStream<Uint8Array> {
  const { kind, selects, version, bookmarks, timeoutMilliseconds, signal } = spec;
  const encoder = new TextEncoder();
  let end: () => void = () => {};
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (type: string, object: JsonObject) =>
        controller.enqueue(encoder.encode(`${JSON.stringify({ type, object })}\n`));
      const unfollow = store.follow(version, (event) => {
        if (event.stored.kind !== kind) return;
        const type = seenAs(event, selects);
        if (type !== undefined) send(type, event.stored.object);
      });
      const ticking = setInterval(() => {
        if (bookmarks) send("BOOKMARK", bookmark(kind, store.version));
      }, BOOKMARK_MILLISECONDS);
      const stop = () => {
        end();
        controller.close();
      };
      const limit = setTimeout(stop, timeoutMilliseconds);
      end = () => {
        unfollow();
        clearInterval(ticking);
        clearTimeout(limit);
        signal.removeEventListener("abort", stop);
      };
      signal.addEventListener("abort", stop, { once: true });
    },
    cancel: () => end(),
  });
}

/** An object that a selector no longer matches is deleted, for those who watch with it. */
function seenAs(
  { type, stored, previous }: StoreEvent,
  selects: (stored: Stored) => boolean,
): StoreEvent["type"] | undefined {
  const was = type !== "ADDED" && selects(previous ?? stored);
  const is = type !== "DELETED" && selects(stored);
  if (is) return was ? "MODIFIED" : "ADDED";
  return was ? "DELETED" : undefined;
}

function bookmark(kind: Kind, version: number): JsonObject {
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    metadata: { resourceVersion: String(version), creationTimestamp: null },
  };
}
