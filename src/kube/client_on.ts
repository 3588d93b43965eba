/** The only place that talks HTTP to an API server: time limits, retries, and what answers mean. */
import type { ClientOptions, KubeClient, KubeRequest, KubeResponse, Traffic } from "./client.ts";
import type { Cluster } from "./connection.ts";
import { sleep as sleepReally, within } from "./deadline.ts";
import type { ApiError, TransportError } from "./errors.ts";
import {
  type Answer,
  apiError,
  isGood,
  isTransportFailure,
  parseJson,
  readAll,
  serverTimeOf,
  transportError,
} from "./exchange.ts";
import { httpMessage, type Message } from "./message.ts";
import { backoff, isIdempotent, isPassing, MAX_ATTEMPTS } from "./retry.ts";
import { createSender } from "./sender.ts";
import type { Transport } from "./sender.ts";

/** Defaults of `KubeRequest` and `ClientOptions`. */
const TIMEOUT_MILLISECONDS = 10_000;
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

type Meter = { -readonly [key in keyof Traffic]: Traffic[key] };

/** A client whose requests go by `options.transport`. */
export function createClientOn(
  cluster: Cluster,
  options: Omit<ClientOptions, "connections"> & { readonly transport: Transport },
): KubeClient {
  const { maxResponseBytes = MAX_RESPONSE_BYTES } = options;
  const { random = Math.random, sleep = sleepReally, userAgent = "sallyport" } = options;
  const server = new URL(cluster.server);
  const sender = createSender(cluster, options.transport);

  /** One attempt: what came of it, failures that may pass included. */
  async function attemptOnce(
    message: Message,
    options: {
      readonly milliseconds: number;
      readonly signal: AbortSignal | undefined;
      readonly meter: Meter;
    },
  ): Promise<KubeResponse | ApiError | TransportError> {
    const { meter, signal } = options;
    const attempts = meter.retries + 1;
    try {
      return await within(options, async (inner) => {
        meter.requestBytes += new TextEncoder().encode(message.body ?? "").length;
        const answer = await sender.send(message, inner);
        const before = meter.responseBytes;
        const content = await readAll(answer.body, limits(meter));
        const { status, headers } = answer;
        meter.status = status;
        if (!isGood(answer)) return apiError(content, { message, answer, attempts });
        const body = parseJson(content, message);
        return {
          status,
          headers,
          body,
          serverTime: serverTimeOf(headers),
          bytes: meter.responseBytes - before,
        };
      });
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      if (!isTransportFailure(cause)) throw cause;
      return transportError(cause, { message, attempts });
    }
  }

  function limits(meter: Meter) {
    return {
      most: maxResponseBytes,
      count: (bytes: number) => void (meter.responseBytes += bytes),
    };
  }

  function measure(
    { method, path }: KubeRequest,
  ): { readonly meter: Meter; readonly report: () => void } {
    const started = performance.now();
    const meter: Meter = {
      method,
      path,
      status: 0,
      milliseconds: 0,
      requestBytes: 0,
      responseBytes: 0,
      retries: 0,
    };
    return {
      meter,
      report: () => options.onRequest?.({ ...meter, milliseconds: performance.now() - started }),
    };
  }

  async function request(asked: KubeRequest): Promise<KubeResponse> {
    const { signal, timeoutMilliseconds = TIMEOUT_MILLISECONDS } = asked;
    const { idempotent = isIdempotent(asked.method, asked.contentType) } = asked;
    const end = performance.now() + timeoutMilliseconds;
    const message = httpMessage(asked, { server, userAgent });
    const { meter, report } = measure(asked);
    try {
      for (;; meter.retries++) {
        const left = end - performance.now();
        const milliseconds = idempotent ? Math.min(left, timeoutMilliseconds / 2) : left;
        const outcome = await attemptOnce(message, { milliseconds, signal, meter });
        if (!(outcome instanceof Error)) return outcome;
        const attempt = meter.retries + 1;
        const wait = backoff(outcome, { attempt, random });
        const inTime = performance.now() + wait < end;
        if (!idempotent || !isPassing(outcome) || attempt >= MAX_ATTEMPTS || !inTime) throw outcome;
        await sleep(wait, signal);
      }
    } finally {
      report();
    }
  }

  async function stream(asked: KubeRequest): Promise<AsyncIterable<Uint8Array>> {
    const { signal, timeoutMilliseconds = TIMEOUT_MILLISECONDS } = asked;
    const message = httpMessage(asked, { server, userAgent });
    const { meter, report } = measure(asked);
    const life = new AbortController();
    const follow = () => life.abort(signal?.reason);
    const end = () => {
      signal?.removeEventListener("abort", follow);
      life.abort();
      report();
    };
    const failure = (cause: unknown) => {
      if (signal?.aborted) return signal.reason;
      return isTransportFailure(cause) ? transportError(cause, { message, attempts: 1 }) : cause;
    };
    async function* read(answer: Answer): AsyncGenerator<Uint8Array> {
      try {
        for await (const chunk of answer.body) {
          meter.responseBytes += chunk.length;
          yield chunk;
        }
      } catch (cause) {
        throw failure(cause);
      } finally {
        end();
      }
    }
    signal?.addEventListener("abort", follow, { once: true });
    try {
      return await within({ milliseconds: timeoutMilliseconds, signal }, async () => {
        const answer = await sender.send(message, life.signal);
        meter.status = answer.status;
        if (isGood(answer)) return read(answer);
        throw apiError(await readAll(answer.body, limits(meter)), { message, answer, attempts: 1 });
      });
    } catch (cause) {
      end();
      throw failure(cause);
    }
  }

  return {
    cluster,
    request,
    stream,
    close: () => sender.destroy(),
  };
}
