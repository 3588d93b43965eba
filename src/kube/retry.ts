/**
 * When a request is sent again. undici's own retry does not fit: it has no jitter, cannot renew credentials, resumes a
 * broken body by range requests (which API servers do not know), and hides the Status of the last answer.
 */
import { ApiError, type TransportError } from "./errors.ts";

/** Sends per request, the first included. */
export const MAX_ATTEMPTS = 5;

/** Wait before the first retry at most; doubles with each. Milliseconds. */
const BASE_MILLISECONDS = 100;
/** No wait of our own is longer. Milliseconds. */
const CAP_MILLISECONDS = 2_000;

/** 501 and 505 stay: the same request gets the same answer. */
const RETRIED_STATUSES: readonly number[] = [429, 500, 502, 503, 504];

/**
 * Methods and content types that mean the same when they arrive twice. A merge patch with a resourceVersion is answered
 * 409 the second time, and the next tick decides anew.
 */
export function isIdempotent(method: string, contentType?: string): boolean {
  return method !== "POST" && contentType !== "application/json-patch+json";
}

/** Whether the failure may pass by itself. */
export function isPassing(failure: ApiError | TransportError): boolean {
  if (failure instanceof ApiError) return RETRIED_STATUSES.includes(failure.status);
  return failure.kind === "network" || failure.kind === "timeout";
}

/**
 * Milliseconds to wait before the next attempt: "full jitter" between 0 and a bound that doubles with each attempt, so
 * that many clients do not come back together. What the server asks for by Retry-After comes before it.
 *
 * @param failure of attempt number `attempt`, counted from 1
 */
export function backoff(
  failure: ApiError | TransportError,
  { attempt, random }: { readonly attempt: number; readonly random: () => number },
): number {
  const jitter = random() * Math.min(CAP_MILLISECONDS, BASE_MILLISECONDS * 2 ** (attempt - 1));
  const asked = failure instanceof ApiError ? failure.retryAfterMilliseconds ?? 0 : 0;
  return asked + jitter;
}

/**
 * Reads a Retry-After header: seconds, or a date that is compared with the server's own clock.
 *
 * @returns milliseconds, or undefined where there is no such header or it cannot be read
 */
export function retryAfter(header: string | undefined, serverTime: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1_000;
  const wait = Date.parse(header) - serverTime;
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
