import { sha256 } from "@noble/hashes/sha2.js";
import { html, raw } from "hono/html";
import { VERSION } from "../core/version.ts";
import { type Html, textOf } from "./markup.ts";
import { SCRIPT } from "./page_script.ts";
import { STYLE } from "./page_style.ts";
import { type Block, LISTS } from "./status_blocks.ts";

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

/** All below the strip, once for each tick: it holds no clock. */
export function pageBody(blocks: ReadonlyMap<string, Block>): string {
  const of = (list: Block["list"]): Html =>
    raw(
      [...blocks.values()].filter((block) => block.list === list).map(({ html }) => html).join(""),
    );
  return textOf(html`
    <div data-list="${LISTS[0]}">${of("warnings")}</div>
    <section aria-labelledby="gateways">
      <div class="title"><h2 id="gateways">Gateways</h2>
        <label class="live">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false"></label>
        <output class="live soft" id="found" for="filter"></output></div>
      <div data-list="gateways">${of("gateways")}</div>
      <p class="empty soft">There is no gateway yet: apply an EgressGateway, and it shows up here.</p>
    </section>
    <section aria-labelledby="policies" class="card">
      <h2 id="policies">Policies</h2>
      <ul data-list="deviating">${of("deviating")}</ul>
      <details>
        <summary>Policies in force</summary>
        <ul data-list="policies">${of("policies")}</ul>
        <p class="empty soft">None.</p>
      </details>
    </section>
    <section aria-labelledby="moves" class="card">
      <h2 id="moves">Last moves</h2>
      <ol data-list="moves">${of("moves")}</ol>
      <p class="empty soft">Nothing has moved yet.</p>
    </section>
  `);
}

export interface PageParts {
  readonly strip: Html;
  /** Undefined before the first tick has ended; the page then becomes the status page by itself. */
  readonly body: string | undefined;
  readonly version: string;
  readonly hasMetrics: boolean;
}

/** The status page as one HTML document without external parts. */
export function statusPage({ strip, body, version, hasMetrics }: PageParts): string {
  return textOf(html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Sallyport</title>
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <header>
          <h1>Sallyport</h1>
        </header>
        <main data-version="${version}">${strip}
            <div id="body">${raw(body ?? pageBody(new Map()))}</div></main>
        <footer class="soft">Sallyport ${VERSION}.
              <a href="status.json">status.json</a>
              <a href="readyz">readyz</a>
              ${hasMetrics ? html`<a href="metrics">metrics</a>` : ""}
              This page only shows; commands change.</footer>
        <script>${raw(SCRIPT)}</script>
      </body>
    </html>
  `);
}

function cspHash(text: string): string {
  const digest = sha256(new TextEncoder().encode(text));
  return `'sha256-${btoa(String.fromCharCode(...digest))}'`;
}
