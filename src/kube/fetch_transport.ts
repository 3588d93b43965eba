/** Requests by the runtime's own `fetch`: for edge runtimes, which have nothing else. */
import type { Message } from "./message.ts";
import type { Transport } from "./sender.ts";

/** `fetch` broke. What it throws differs by runtime: a TypeError with a cause, an Error with a code, or a text. */
class FetchFailed extends Error {
  override readonly name = "FetchFailed";
  readonly code = "FETCH_FAILED";
}

/**
 * The runtime keeps the connections, so there are none to break.
 *
 * @param options.fetch default the runtime's; another one may trust a certificate authority of its own
 */
export function fetchTransport(
  { fetch = globalThis.fetch }: { readonly fetch?: typeof globalThis.fetch } = {},
): Transport {
  return {
    async exchange(message, { credentials, signal }) {
      const response = await attempt(signal, () =>
        fetch(urlOf(message), {
          method: message.method,
          headers: { ...message.headers, ...credentials.headers },
          body: message.body ?? null,
          // A token must not follow to another host.
          redirect: "manual",
          signal,
        }));
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: chunksOf(response.body, signal),
      };
    },
    destroy: () => Promise.resolve(),
  };
}

function urlOf({ server, path, search }: Message): string {
  return `${server.origin}${server.pathname.replace(/\/$/, "")}${path}${search}`;
}

async function* chunksOf(
  body: ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await attempt(signal, () => reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** @throws the signal's reason, or FetchFailed for what broke */
async function attempt<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    signal.throwIfAborted();
    throw new FetchFailed(problemOf(cause), { cause });
  }
}

/** Node says `fetch failed` and tells why in the cause. */
function problemOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { cause: deeper } = cause;
  return deeper instanceof Error && deeper.message !== ""
    ? `${cause.message}: ${deeper.message}`
    : cause.message;
}
