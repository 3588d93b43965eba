/** Changes of a collection as they happen. They are hints: decisions are taken from listings. */
import * as v from "valibot";
import type { KubeClient } from "./client.ts";
import { TransportError } from "./errors.ts";
import { statusError } from "./exchange.ts";
import { lines } from "./lines.ts";

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: unknown;
}

export interface WatchOptions {
  /** Of the listing that the watch goes on from. */
  readonly resourceVersion: string;
  /** After which the API server ends the watch. Default {@linkcode TIMEOUT_SECONDS}. */
  readonly timeoutSeconds?: number;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Silence after which the connection counts as dead. Default {@linkcode IDLE_MILLISECONDS}. */
  readonly idleMilliseconds?: number;
}

/**
 * The API server is asked to end a watch by then, and it goes on from where it ended. Where nothing of a collection changes there are no
 * bookmarks either, unless etcd tells of its progress more often than by default (each 10 min): so only an end that comes
 * in time shows that a silent watch is alive.
 */
export const TIMEOUT_SECONDS = 80;
export const IDLE_MILLISECONDS = 90_000;
/** No object in etcd is longer than 1.5 MiB; JSON may be several times its protobuf. */
const MAX_EVENT_LENGTH = 16 * 1024 * 1024;

/**
 * Watches a collection; ends when the API server ends it.
 *
 * @throws ApiError 410 when `resourceVersion` is too old: list again; TransportError when the connection breaks or is
 * silent for too long; the signal's reason when it aborts
 */
export async function* watch(
  client: KubeClient,
  path: string,
  options: WatchOptions,
): AsyncGenerator<WatchEvent, void, undefined> {
  const { resourceVersion, labelSelector, fieldSelector, signal } = options;
  const { timeoutSeconds = TIMEOUT_SECONDS, idleMilliseconds = IDLE_MILLISECONDS } = options;
  const exchange = { method: "GET", path, server: client.cluster.server };
  const stop = new AbortController();
  const follow = () => stop.abort(signal?.reason);
  const silent = () => {
    const problem = `the watch was silent for ${idleMilliseconds} ms`;
    stop.abort(new TransportError({ ...exchange, kind: "timeout" }, problem));
  };
  signal?.throwIfAborted();
  signal?.addEventListener("abort", follow, { once: true });
  let idle = setTimeout(silent, idleMilliseconds);
  try {
    const chunks = await client.stream({
      method: "GET",
      path,
      query: {
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion,
        timeoutSeconds,
        labelSelector,
        fieldSelector,
      },
      signal: stop.signal,
    });
    const heard = () => {
      clearTimeout(idle);
      idle = setTimeout(silent, idleMilliseconds);
    };
    for await (const line of lines(chunks, { most: MAX_EVENT_LENGTH, onChunk: heard })) {
      yield parseEvent(line, exchange);
    }
  } finally {
    clearTimeout(idle);
    signal?.removeEventListener("abort", follow);
    stop.abort();
  }
}

const EventSchema = v.object({
  type: v.picklist(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]),
  object: v.unknown(),
});

const StatusCodeSchema = v.object({ code: v.number() });

function parseEvent(
  line: string,
  exchange: { readonly method: string; readonly path: string; readonly server: string },
): WatchEvent {
  const event = v.safeParse(EventSchema, parseLine(line));
  if (!event.success) {
    throw new TransportError(
      { ...exchange, kind: "answer" },
      `a watch event cannot be read: ${line.slice(0, 200)}`,
    );
  }
  const { type, object } = event.output;
  if (type !== "ERROR") return { type, object };
  const status = v.is(StatusCodeSchema, object) ? object.code : 500;
  throw statusError(object, { ...exchange, status });
}

/** Undefined for what is no JSON: a connection that breaks may leave half a line. */
function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
