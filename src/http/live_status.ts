/** The status page's stream: what changed since what the page shows, and signs of life, for as long as it looks. */
import type { Context } from "hono";
import { type SSEMessage, streamSSE } from "hono/streaming";
import { sleep as realSleep } from "../kube/deadline.ts";
import { changeOf, type Content, type RenderedStatus } from "./rendered_status.ts";
import type { Strip } from "./status_strip.ts";

export interface LiveOptions {
  status(): RenderedStatus | undefined;
  /** The strip as it is now. */
  strip(): Strip;
  /** Ends all streams. */
  readonly signal?: AbortSignal | undefined;
  /** Streams at a time; default 32. */
  readonly mostStreams?: number;
  /** Waits so many milliseconds, or throws the signal's reason. */
  readonly sleep?: typeof realSleep | undefined;
}

const LOOK_MILLISECONDS = 500;

/** At rest every so many looks say that the stream lives, and what time it is. */
const PULSE_LOOKS = 4;

/** A browser comes back by itself; one that only holds the connection does not. */
const LIFETIME_MILLISECONDS = 15 * 60_000;

/** Answers with a stream of server-sent events, or with 503 while as many are open as there may be. */
export function liveStatus(options: LiveOptions): (c: Context) => Response {
  const { status, strip, signal, mostStreams = 32, sleep = realSleep } = options;
  let open = 0;
  return function streamStatus(c) {
    if (open >= mostStreams || signal?.aborted) {
      c.header("Retry-After", "5");
      return c.json({ error: `Cannot stream: ${open} pages look already` }, 503);
    }
    open++;
    const ended = new AbortController();
    const end = () => ended.abort();
    signal?.addEventListener("abort", end, { once: true });
    sleep(LIFETIME_MILLISECONDS, ended.signal).then(end, () => {});
    const shown = c.req.header("Last-Event-ID") ?? c.req.query("version");
    const watch = new Watch({ status, strip, shown });
    return streamSSE(c, async (stream) => {
      stream.onAbort(end);
      const aborted = new Promise<void>((resolve) =>
        ended.signal.addEventListener("abort", () => resolve(), { once: true })
      );
      async function send(): Promise<void> {
        for (const message of watch.look()) await stream.writeSSE(message);
      }
      try {
        while (!ended.signal.aborted) {
          // A reader that has stopped reading must not keep its place.
          await Promise.race([send(), aborted]);
          await sleep(LOOK_MILLISECONDS, ended.signal).catch(() => {});
        }
      } finally {
        end();
        signal?.removeEventListener("abort", end);
        open--;
      }
    });
  };
}

/** What one reader has been told. */
class Watch {
  readonly #sources: Pick<LiveOptions, "status" | "strip">;
  #content: Content | undefined;
  #verdict = "";
  #looks = 0;

  constructor(
    { shown, ...sources }: Pick<LiveOptions, "status" | "strip"> & {
      /** The version of the content that the page came with. */
      readonly shown: string | undefined;
    },
  ) {
    this.#sources = sources;
    const content = sources.status()?.content();
    if (content?.version === shown) this.#content = content;
  }

  /** What is to be told now. */
  *look(): Generator<SSEMessage> {
    const content = this.#sources.status()?.content();
    if (content !== undefined && content !== this.#content) {
      const change = changeOf(this.#content, content);
      this.#content = content;
      if (change !== undefined) {
        yield { event: "blocks", id: content.version, data: JSON.stringify(change) };
      }
    }
    const { level, verdict, now, good } = this.#sources.strip();
    if (verdict !== this.#verdict) {
      this.#verdict = verdict;
      yield { event: "verdict", data: JSON.stringify({ level, verdict }) };
    }
    if (this.#looks++ % PULSE_LOOKS === 0) {
      yield { event: "pulse", data: JSON.stringify({ now, good }) };
    }
  }
}
