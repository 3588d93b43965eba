import type { Milliseconds } from "../core/types.ts";

/** `2 min`: a span in one unit, cut off below. `page_script.ts` goes on with the same words. */
export function inWords(milliseconds: Milliseconds): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

const TIMES = /(<time datetime="([^"]*)"[^>]*>)[^<]*(<\/time>)/g;

/**
 * Writes how long ago they were into the `<time>` elements of a page, whose title keeps the time itself.
 *
 * @param now RFC 3339
 */
export function withAges(html: string, now: string): string {
  return html.replace(TIMES, (whole, start: string, time: string, end: string) => {
    const age = Date.parse(now) - Date.parse(time);
    return Number.isNaN(age) ? whole : `${start}${inWords(age)} ago${end}`;
  });
}
