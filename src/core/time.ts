import { remembered } from "./once.ts";
import type { Milliseconds } from "./types.ts";

/** RFC 3339 in UTC, whole seconds: `2026-11-23T10:00:00Z`, as Kubernetes writes times. */
export const rfc3339 = remembered((time: Milliseconds): string =>
  `${date(time).toISOString().slice(0, -".000Z".length)}Z`
);

/** RFC 3339 in UTC with milliseconds; whole seconds where there are none. */
export function rfc3339Milliseconds(time: Milliseconds): string {
  return date(time).toISOString().replace(".000Z", "Z");
}

/** RFC 3339 has four digits for a year. */
const [FIRST, LAST] = [Date.parse("0000-01-01T00:00:00Z"), Date.parse("9999-12-31T23:59:59Z")];

function date(time: Milliseconds): Date {
  return new Date(Math.min(Math.max(time, FIRST), LAST));
}

/** Milliseconds of an RFC 3339 time; undefined for an absent or unreadable one. */
export function parseTime(time: string | undefined): Milliseconds | undefined {
  return time === undefined ? undefined : parsed(time);
}

/** The candidates of all gateways have few moments between them. */
const parsed = remembered((time: string): Milliseconds | undefined => {
  const milliseconds = Date.parse(time);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
});
