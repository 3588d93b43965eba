/** What came back of a request that was sent once, whoever sent it. */
import * as v from "valibot";
import { DeadlineExceeded } from "./deadline.ts";
import { ApiError, TransportError, type TransportErrorKind } from "./errors.ts";
import type { Headers } from "./client.ts";
import type { Message } from "./message.ts";
import { retryAfter } from "./retry.ts";

/** An answer whose body has not been read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array>;
}

/** The body was longer than allowed. */
class TooLong extends Error {}

export function isGood({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

/** Reads a body to its end. `count` is told of each chunk's bytes. */
export async function readAll(
  body: AsyncIterable<Uint8Array>,
  { most, count }: { readonly most: number; readonly count: (bytes: number) => void },
): Promise<string> {
  const decoder = new TextDecoder();
  const texts: string[] = [];
  let length = 0;
  for await (const chunk of body) {
    count(chunk.length);
    length += chunk.length;
    if (length > most) throw new TooLong(`the answer is longer than ${most} bytes`);
    texts.push(decoder.decode(chunk, { stream: true }));
  }
  return texts.join("") + decoder.decode();
}

/** Milliseconds since the epoch by the Date header, NaN without one. */
export function serverTimeOf(headers: Headers): number {
  return Date.parse(first(headers.date) ?? "");
}

/** @throws TransportError when a text is no JSON */
export function parseJson(content: string, message: Message): unknown {
  if (content === "") return undefined;
  try {
    return JSON.parse(content);
  } catch (cause) {
    throw new TransportError(
      { ...message, server: message.server.origin, kind: "answer", cause },
      `the answer is no JSON: ${excerpt(content)}`,
    );
  }
}

/** The error for an answer with a status other than 2xx; proxies may answer with anything. */
export function apiError(
  content: string,
  options: { readonly message: Message; readonly answer: Answer; readonly attempts: number },
): ApiError {
  const { message: { method, path }, answer: { status, headers }, attempts } = options;
  const retryAfterMilliseconds = retryAfter(first(headers["retry-after"]), serverTimeOf(headers));
  const exchange = { method, path, status, attempts, retryAfterMilliseconds };
  let said: unknown;
  try {
    said = JSON.parse(content);
  } catch {
    return new ApiError(exchange, excerpt(content));
  }
  return statusError(said, exchange);
}

/** The error for a Status object, `exchange.status` in place of a missing code. */
export function statusError(
  said: unknown,
  exchange: {
    readonly method: string;
    readonly path: string;
    readonly status: number;
    readonly attempts?: number;
    readonly retryAfterMilliseconds?: number | undefined;
  },
): ApiError {
  const { reason, message, details } = v.parse(StatusSchema, said);
  return new ApiError({ ...exchange, reason, details }, message);
}

/** Takes anything: proxies answer too. */
const StatusSchema = v.fallback(
  v.object({
    reason: v.fallback(v.string(), ""),
    message: v.fallback(v.string(), ""),
    details: v.optional(v.unknown()),
  }),
  { reason: "", message: "" },
);

/** Whether an exchange was broken from outside, as opposed to by a mistake of ours or by missing credentials. */
export function isTransportFailure(cause: unknown): boolean {
  if (
    cause instanceof TransportError || cause instanceof DeadlineExceeded || cause instanceof TooLong
  ) return true;
  return codeOf(cause) !== "" && codeOf(cause) !== "UND_ERR_INVALID_ARG";
}

/** The error for whatever broke an exchange. */
export function transportError(
  cause: unknown,
  { message, attempts }: { readonly message: Message; readonly attempts: number },
): TransportError {
  if (cause instanceof TransportError) return cause;
  const problem = cause instanceof Error ? cause.message || codeOf(cause) : String(cause);
  return new TransportError(
    { ...message, server: message.server.origin, kind: kindOf(cause), attempts, cause },
    problem,
  );
}

function kindOf(cause: unknown): TransportErrorKind {
  if (cause instanceof DeadlineExceeded) return "timeout";
  if (cause instanceof TooLong) return "answer";
  const code = codeOf(cause);
  if (/TIMEDOUT|TIMEOUT/.test(code)) return "timeout";
  // Deno's TLS errors have a text only.
  const described = `${code} ${cause instanceof Error ? cause.message : ""}`;
  return /CERT|ERR_TLS|ERR_SSL|UNABLE_TO_VERIFY|certificate/i.test(described)
    ? "certificate"
    : "network";
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}

function first(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** Enough of a text to recognise it, on one line. */
function excerpt(content: string): string {
  return content.slice(0, 200).replaceAll(/\s+/g, " ").trim();
}
