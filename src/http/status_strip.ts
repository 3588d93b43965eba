import { html } from "hono/html";
import type { LastTick } from "../controller/ticker.ts";
import { rfc3339 } from "../core/time.ts";
import type { Milliseconds } from "../core/types.ts";
import { compact, type Html, moment } from "./markup.ts";
import { type Finding, goodAt, type Level, levelOf, tickFinding } from "./verdict.ts";

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
export interface Strip {
  readonly level: Level;
  /** HTML: a list item for each thing that is worth a line. */
  readonly verdict: string;
  /** RFC 3339, the API server's clock. */
  readonly now: string;
  /** When the last good tick ended, by the same clock; null: none has. */
  readonly good: string | null;
}

export function stripOf(options: StripOptions): Strip {
  const { last, now, findings, aheadMilliseconds } = options;
  const ticks = tickFinding(last, options);
  const told = ticks.level === "good" ? findings : [ticks, ...findings];
  const good = last && goodAt(last);
  return {
    level: levelOf(told),
    verdict: told.map((finding) => compact(line(finding))).join(""),
    now: rfc3339(now + aheadMilliseconds),
    good: good === undefined ? null : rfc3339(good + aheadMilliseconds),
  };
}

/** In one word. */
export const WORDS = { bad: "Not well", busy: "Look", good: "Well" } as const;

function line({ level, text, about }: Finding): Html {
  const sentence = about === undefined ? text : html`<a href="#${about}">${text}</a>`;
  return html`<li class="${level}"><strong>${WORDS[level]}</strong> ${sentence}</li>`;
}

/** What the strip says of its own age. */
export function lastGood({ good }: Strip): Html | string {
  return good === null ? "" : html`Last good tick ${moment(good)}.`;
}
