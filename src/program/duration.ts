import { ConfigError } from "../kube/errors.ts";

const UNITS = { ms: 1, s: 1_000, m: 60_000 } as const;

/**
 * Milliseconds of a duration such as `500ms`, `55s` or `2m`.
 *
 * @throws ConfigError for anything else
 */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  const [, amount, unit] = match ?? [];
  if (amount === undefined || unit === undefined) {
    throw new ConfigError(
      `Cannot read duration '${text}': write a number with ms, s or m, such as 55s`,
    );
  }
  return Number(amount) * UNITS[unit as keyof typeof UNITS];
}

/**
 * Milliseconds of the time from one of something to the next: of a duration that is more than nothing.
 *
 * @throws ConfigError for anything else
 */
export function parsePeriod(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds > 0) return milliseconds;
  throw new ConfigError(`Cannot use interval '${text}': write more than nothing`);
}

/**
 * The same, and Infinity of `off`.
 *
 * @throws ConfigError for anything else
 */
export function parseInterval(text: string): number {
  if (text === "off") return Infinity;
  const milliseconds = parseDuration(text);
  if (milliseconds > 0) return milliseconds;
  throw new ConfigError(`Cannot use interval '${text}': write more than nothing, or off`);
}
