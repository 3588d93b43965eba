import { html } from "hono/html";
import type { LastTick } from "../controller/ticker.ts";
import { rfc3339 } from "../core/time.ts";
import type { Milliseconds } from "../core/types.ts";
import { type Html, moment } from "./markup.ts";
import { type Finding, goodAt, levelOf, tickFinding } from "./verdict.ts";

export interface StripOptions {
  readonly last: LastTick | undefined;
  /** The ticker's clock. */
  readonly now: Milliseconds;
  /** A last good tick that is older is late. */
  readonly lateMilliseconds: Milliseconds;
  /** Of the last good tick. */
  readonly findings: readonly Finding[];
  /** What the API server's clock is ahead of ours by. */
  readonly aheadMilliseconds: Milliseconds;
}

/** The verdict on top of the page. It is made when it is looked at: that ticks have stopped is what no tick can tell. */
export function statusStrip(options: StripOptions): Html {
  const { last, now, findings, aheadMilliseconds } = options;
  const ticks = tickFinding(last, options);
  const told = ticks.level === "good" ? findings : [ticks, ...findings];
  const level = levelOf(told);
  const good = last && goodAt(last);
  return html`
    <section id="strip" class="${level}" aria-label="Verdict" data-now="${rfc3339(
      now + aheadMilliseconds,
    )}">
      <ul id="verdict" role="status">${told.map(line)}</ul>
      <p id="age">${good === undefined
        ? ""
        : html`Last good tick ${
          moment(rfc3339(good + aheadMilliseconds))
        }`} <a href="./">Look again</a></p>
      <p id="lost" role="alert"></p>
    </section>
  `;
}

const WORDS = { bad: "Not well", busy: "Look", good: "Well" } as const;

function line({ level, text, about }: Finding): Html {
  const sentence = about === undefined ? text : html`<a href="#${about}">${text}</a>`;
  return html`<li class="${level}"><strong>${WORDS[level]}</strong> ${sentence}</li>`;
}
