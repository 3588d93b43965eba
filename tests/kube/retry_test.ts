import assert from "node:assert/strict";
import { ApiError, TransportError } from "../../src/kube/errors.ts";
import { backoff, isIdempotent, isPassing, retryAfter } from "../../src/kube/retry.ts";

const exchange = { method: "GET", path: "/x" };
const answered = (status: number, retryAfterMilliseconds?: number) =>
  new ApiError({ ...exchange, status, retryAfterMilliseconds }, "");
const broken = (kind: TransportError["kind"]) =>
  new TransportError({ ...exchange, server: "http://stub", kind }, "");

Deno.test("waits double with each attempt up to two seconds, anywhere between zero and that", () => {
  const waits = (random: number) =>
    [1, 2, 3, 4, 5, 6, 7].map((attempt) =>
      backoff(answered(503), { attempt, random: () => random })
    );
  assert.deepEqual(waits(1), [100, 200, 400, 800, 1600, 2000, 2000]);
  assert.deepEqual(waits(0), [0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("no retry comes before the time that the server asked for", () => {
  assert.equal(backoff(answered(429, 3_000), { attempt: 1, random: () => 0 }), 3_000);
  assert.equal(backoff(answered(429, 3_000), { attempt: 1, random: () => 0.5 }), 3_050);
});

Deno.test("Retry-After is seconds or a date by the server's clock", () => {
  const now = Date.parse("2026-11-23T10:00:00Z");
  assert.equal(retryAfter("7", now), 7_000);
  assert.equal(retryAfter("Mon, 23 Nov 2026 10:00:05 GMT", now), 5_000);
  assert.equal(retryAfter("Mon, 23 Nov 2026 09:00:00 GMT", now), 0);
  assert.equal(retryAfter("soon", now), undefined);
  assert.equal(retryAfter(undefined, now), undefined);
});

Deno.test("only what may pass by itself is retried", () => {
  const passing = (codes: readonly number[]) => codes.filter((code) => isPassing(answered(code)));
  assert.deepEqual(
    passing([400, 401, 403, 404, 409, 410, 422, 429, 500, 501, 502, 503, 504]),
    [429, 500, 502, 503, 504],
  );
  assert.deepEqual(
    (["network", "timeout", "certificate", "answer"] as const).filter((kind) =>
      isPassing(broken(kind))
    ),
    ["network", "timeout"],
  );
});

Deno.test("creating and JSON patches are not idempotent, all else is", () => {
  const table = [
    ["GET", undefined, true],
    ["PUT", "application/json", true],
    ["DELETE", undefined, true],
    ["PATCH", "application/merge-patch+json", true],
    ["PATCH", "application/apply-patch+yaml", true],
    ["PATCH", "application/json-patch+json", false],
    ["POST", "application/json", false],
  ] as const;
  for (const [method, contentType, expected] of table) {
    assert.equal(isIdempotent(method, contentType), expected, `${method} ${contentType}`);
  }
});
