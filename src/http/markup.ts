import { html } from "hono/html";

/** What a template gives: text in which everything that was put in is escaped. */
export type Html = ReturnType<typeof html>;

/** The text of a template that waits for nothing, as all of ours. */
export function textOf(markup: Html): string {
  if (markup instanceof Promise) throw new TypeError("Cannot render: a template waits");
  return markup.toString();
}

/** The same without the template's line breaks and indentation, which would be a third of a large page. */
export function compact(markup: Html): string {
  return textOf(markup).trim().replace(/\s*\n\s*/g, " ");
}

/** A time of RFC 3339, in words that need no decoding; how long ago it was is put in its place when the page is sent. */
export function moment(time: string): Html {
  const [date = "", clock = ""] = time.split("T");
  const words = `${date} ${clock.slice(0, 8)} UTC`;
  return html`<time datetime="${time}" title="${words}">${words}</time>`;
}
