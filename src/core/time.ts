import type { Milliseconds } from "./types.ts";

/** RFC 3339 in UTC, whole seconds: `2026-11-23T10:00:00Z`, as Kubernetes writes times. */
export function rfc3339(time: Milliseconds): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, "Z");
}

/** RFC 3339 in UTC with milliseconds; whole seconds where there are none. */
export function rfc3339Milliseconds(time: Milliseconds): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}

/** Milliseconds of an RFC 3339 time; undefined for an absent or unreadable one. */
export function parseTime(time: string | undefined): Milliseconds | undefined {
  if (time === undefined) return undefined;
  const milliseconds = Date.parse(time);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}
