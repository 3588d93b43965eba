/** The status page's stream: what changed since what the page shows, and the strip, for as long as it looks. */
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { Milliseconds } from "../core/types.ts";
import { sleep } from "../kube/deadline.ts";
import { changeOf, type RenderedStatus } from "./rendered_status.ts";

export interface LiveOptions {
  status(): RenderedStatus | undefined;
  /** The strip as it is now. */
  strip(): string;
  /** Ends all streams. */
  readonly signal?: AbortSignal | undefined;
  /** Streams at a time; default 32. */
  readonly mostStreams?: number;
  /** Between two looks; default 500 ms. */
  readonly lookMilliseconds?: Milliseconds;
}

/** A browser comes back by itself; one that only holds the connection does not. */
const LIFETIME_MILLISECONDS = 15 * 60_000;

/** Answers with a stream of server-sent events, or with 503 while as many are open as there may be. */
export function liveStatus(options: LiveOptions): (c: Context) => Response {
  const { status, strip, signal, mostStreams = 32, lookMilliseconds = 500 } = options;
  let open = 0;
  return function streamStatus(c) {
    if (open >= mostStreams || signal?.aborted) {
      c.header("Retry-After", "5");
      return c.json({ error: `Cannot stream: ${open} pages look already` }, 503);
    }
    open++;
    const shown = c.req.header("Last-Event-ID") ?? c.req.query("version");
    const ended = new AbortController();
    const end = () => ended.abort();
    signal?.addEventListener("abort", end, { once: true });
    const lifetime = setTimeout(end, LIFETIME_MILLISECONDS);
    const release = () => {
      clearTimeout(lifetime);
      signal?.removeEventListener("abort", end);
      open--;
    };
    return streamSSE(c, async (stream) => {
      stream.onAbort(end);
      const first = status()?.content();
      let known = first?.version === shown ? first : undefined;
      async function look(): Promise<void> {
        const content = status()?.content();
        const change = content === undefined || content === known
          ? undefined
          : changeOf(known, content);
        if (content !== undefined && change !== undefined) {
          await stream.writeSSE({
            event: "blocks",
            id: content.version,
            data: JSON.stringify(change),
          });
        }
        known = content;
        await stream.writeSSE({ event: "strip", data: JSON.stringify(strip()) });
      }
      try {
        const aborted = new Promise<void>((resolve) =>
          ended.signal.addEventListener("abort", () => resolve(), { once: true })
        );
        while (!ended.signal.aborted) {
          // A reader that has stopped reading must not keep its place.
          await Promise.race([look(), aborted]);
          await sleep(lookMilliseconds, ended.signal).catch(() => {});
        }
      } finally {
        release();
      }
    });
  };
}
