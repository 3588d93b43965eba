import { html, raw } from "hono/html";
import { type Html, textOf } from "./markup.ts";
import { type Block, LISTS } from "./status_blocks.ts";

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
        <summary>In force</summary>
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
