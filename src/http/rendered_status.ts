import { once } from "../core/once.ts";
import type { Plan, Snapshot } from "../core/types.ts";
import { statusPage } from "./status_page.ts";
import { statusView } from "./status_view.ts";

/** The status page and its data, each rendered at most once however many look at it. */
export interface RenderedStatus {
  /** Tells this status from others, as an entity tag. */
  readonly version: string;
  readonly page: () => Promise<string>;
  readonly json: () => string;
}

/** What a tick decided, and from what. */
type Ticked = { readonly plan: Plan; readonly snapshot: Snapshot };

/** Renders what the last tick left, when somebody asks for it, once for each tick. */
export class StatusRenderer {
  #of: Ticked | undefined;
  #rendered: RenderedStatus | undefined;

  render(ticked: Ticked): RenderedStatus {
    if (this.#rendered === undefined || this.#of !== ticked) {
      [this.#of, this.#rendered] = [ticked, rendered(ticked)];
    }
    return this.#rendered;
  }
}

function rendered({ plan, snapshot }: Ticked): RenderedStatus {
  const view = once(() => statusView(plan, snapshot));
  return {
    version: `"${crypto.randomUUID()}"`,
    page: once(async () => String(await statusPage(view()))),
    json: once(() => JSON.stringify(view())),
  };
}
