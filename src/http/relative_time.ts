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

/** Writes how long ago they were into the `<time>` elements of a page, whose title keeps the time itself. */
export function withAges(html: string, now: Milliseconds): string {
  return html.replace(TIMES, (whole, start: string, time: string, end: string) => {
    const at = Date.parse(time);
    return Number.isNaN(at) ? whole : `${start}${inWords(now - at)} ago${end}`;
  });
}
