import type { TickOutcome } from "../controller/tick_summary.ts";
import { messageOf } from "../core/message.ts";
import { once } from "../core/once.ts";
import type { Milliseconds, Plan, Snapshot } from "../core/types.ts";
import { type Block, LISTS, statusBlocks } from "./status_blocks.ts";
import { pageBody } from "./page_body.ts";
import { statusView } from "./status_view.ts";
import { clusterFindings, type Finding } from "./verdict.ts";

/** The status page's body and its data, each rendered at most once however many look at it. */
export interface RenderedStatus {
  /** The API server's clock when it was observed. */
  readonly observedAt: Milliseconds;
  readonly findings: () => readonly Finding[];
  readonly content: () => Content;
  readonly body: () => string;
  readonly json: () => string;
}

/** What the body shows. Of two ticks that show the same it is one and the same. */
export interface Content {
  /** Tells this content from others. */
  readonly version: string;
  /** In the order of the page. */
  readonly blocks: ReadonlyMap<string, Block>;
}

/** What a tick decided, and from what. */
type Ticked = {
  readonly plan: Plan;
  readonly snapshot: Snapshot;
  readonly results?: TickOutcome["results"];
};

/** Renders what the last tick left, when somebody asks for it, once for each tick. */
export class StatusRenderer {
  #of: Ticked | undefined;
  #rendered: RenderedStatus | undefined;
  #content: Content | undefined;
  #body: { readonly of: Content; readonly text: string } | undefined;

  render(ticked: Ticked): RenderedStatus {
    if (this.#rendered === undefined || this.#of !== ticked) {
      [this.#of, this.#rendered] = [ticked, this.#renderedOf(ticked)];
    }
    return this.#rendered;
  }

  #renderedOf({ plan, snapshot, results = [] }: Ticked): RenderedStatus {
    const view = once(() => {
      const seen = statusView(plan, snapshot);
      const failed = results.flatMap((each) =>
        each.result === "failed" ? [messageOf(each.error)] : []
      );
      return { ...seen, warnings: [...seen.warnings, ...failed] };
    });
    const content = once(() =>
      this.#content = contentAfter(this.#content, statusBlocks(view(), this.#content?.blocks))
    );
    return {
      observedAt: snapshot.now,
      findings: once(() => clusterFindings(view())),
      content,
      body: () => {
        const of = content();
        if (this.#body?.of !== of) this.#body = { of, text: pageBody(of.blocks) };
        return this.#body.text;
      },
      json: once(() => JSON.stringify(view())),
    };
  }
}

function contentAfter(before: Content | undefined, blocks: Content["blocks"]): Content {
  const same = before !== undefined && changeOf(before, { version: "", blocks }) === undefined;
  return same ? before : { version: crypto.randomUUID(), blocks };
}

/** What a page that shows one content has to take over to show another. */
export interface PageChange {
  readonly blocks: readonly Pick<Block, "id" | "html">[];
  /** Ids of every list; absent: all are where they were. */
  readonly order?: Readonly<Record<string, readonly string[]>>;
}

/** Undefined: nothing. */
export function changeOf(from: Content | undefined, to: Content): PageChange | undefined {
  const blocks = [...to.blocks.values()]
    .filter(({ id, html, list }) => {
      const known = from?.blocks.get(id);
      return known?.html !== html || known.list !== list;
    })
    .map(({ id, html }) => ({ id, html }));
  const ids = [...to.blocks.keys()];
  const moved = from === undefined || ids.join("\n") !== [...from.blocks.keys()].join("\n");
  if (!moved && blocks.length === 0) return undefined;
  if (!moved && blocks.every(({ id }) => from.blocks.get(id)?.list === to.blocks.get(id)?.list)) {
    return { blocks };
  }
  const order = Object.fromEntries(
    LISTS.map((list) => [list, ids.filter((id) => to.blocks.get(id)?.list === list)]),
  );
  return { blocks, order };
}
