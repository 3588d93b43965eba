import { sha256 } from "@noble/hashes/sha2.js";
import { html, raw } from "hono/html";
import { VERSION } from "../core/version.ts";
import { textOf } from "./markup.ts";
import { SCRIPT } from "./page_script.ts";
import { STYLE } from "./page_style.ts";
import { pageBody } from "./page_body.ts";
import { withAges } from "./relative_time.ts";
import type { RenderedStatus } from "./rendered_status.ts";
import { lastGood, type Strip, WORDS } from "./status_strip.ts";

/** The page brings everything along; nothing else may run in it, whatever a name or a message contains. */
export const contentSecurityPolicy = {
  defaultSrc: ["'none'"],
  styleSrc: [cspHash(STYLE)],
  scriptSrc: [cspHash(SCRIPT)],
  connectSrc: ["'self'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};

/** The status page as one HTML document without external parts. */
export class StatusPage {
  readonly #hasMetrics: boolean;
  #aged: { readonly of: string; readonly now: string; readonly text: string } | undefined;

  constructor({ hasMetrics }: { readonly hasMetrics: boolean }) {
    this.#hasMetrics = hasMetrics;
  }

  /** @param status undefined before the first tick has ended; the page then becomes the status page by itself */
  at(strip: Strip, status: RenderedStatus | undefined): string {
    const { level, verdict, now } = strip;
    const body = this.#agedBody(status?.body() ?? pageBody(new Map()), now);
    return textOf(html`
      <!DOCTYPE html>
      <html lang="en">
        <head>
          <meta charset="utf-8">
          <meta name="viewport" content="width=device-width, initial-scale=1">
          <title>${WORDS[level]} · Sallyport</title>
          <style>${raw(STYLE)}</style>
        </head>
        <body>
          <header>
            <h1>Sallyport</h1>
          </header>
          <main data-version="${status?.content().version ?? ""}" data-now="${now}">
            <section id="strip" class="${level}" aria-label="Verdict">
              <div role="status"><ul id="verdict">${raw(verdict)}</ul></div>
              <p class="soft"><span id="good">${raw(
                withAges(String(lastGood(strip)), now),
              )}</span> <a href="./">Look again</a></p>
              <p id="lost" role="alert"></p>
            </section>
            ${raw(body)}
          </main>
          <footer class="soft">Sallyport ${VERSION}.
            <a href="status.json">status.json</a>
            <a href="readyz">readyz</a>
            ${this.#hasMetrics ? html`<a href="metrics">metrics</a>` : ""}
            This page only shows; commands change.
            <output id="told"></output></footer>
          <script>${raw(SCRIPT)}</script>
        </body>
      </html>
    `);
  }

  /** Once for each second and tick, however many ask. */
  #agedBody(of: string, now: string): string {
    if (this.#aged?.of !== of || this.#aged.now !== now) {
      this.#aged = { of, now, text: withAges(of, now) };
    }
    return this.#aged.text;
  }
}

function cspHash(text: string): string {
  const digest = sha256(new TextEncoder().encode(text));
  return `'sha256-${btoa(String.fromCharCode(...digest))}'`;
}
