/** Where the demo's view is shown: redrawn in place on a terminal, else printed when it changes. */
import { stripVTControlCharacters } from "node:util";
import { coloured, gatewayLine, renderView } from "./view.ts";
import type { DemoView } from "./view.ts";
import { printableLine } from "../core/printable.ts";

export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

export interface Screen {
  show(view: DemoView): void;
  /** Leaves the last view where it is and gives the cursor back. */
  close(): void;
}

export function createScreen(terminal: Terminal): Screen {
  return terminal.isTTY ? liveScreen(terminal) : printedScreen(terminal);
}

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const RESET = "\x1b[0m";
const ERASE_LINE_END = "\x1b[K";
const ERASE_BELOW = "\x1b[J";

function liveScreen(terminal: Terminal): Screen {
  let height = 0;
  let shown = "";
  terminal.write(HIDE_CURSOR);
  return {
    show(view) {
      const { columns = 100, rows = 40 } = terminal;
      const lines = renderView(view, { paint: coloured, rows: rows - 1 })
        .slice(0, rows - 1).map((line) => fit(line, columns));
      const text = lines.map((line) => `${line}${ERASE_LINE_END}\n`).join("");
      if (text === shown) return;
      const up = height === 0 ? "" : `\x1b[${Math.min(height, rows - 1)}A`;
      // One write, so that no half of it is ever seen.
      terminal.write(`${up}\r${text}${ERASE_BELOW}`);
      [height, shown] = [lines.length, text];
    },
    close: () => void terminal.write(SHOW_CURSOR),
  };
}

/** A line that would wrap breaks redrawing; it ends with an ellipsis instead, in the colour that it begins with. */
function fit(line: string, columns: number): string {
  const bare = stripVTControlCharacters(line);
  if (bare.length <= columns) return line;
  let start = 0;
  while (line.startsWith("\x1b[", start)) start = line.indexOf("m", start) + 1;
  return `${line.slice(0, start)}${bare.slice(0, columns - 1)}…${RESET}`;
}

function printedScreen(terminal: Terminal): Screen {
  const gateways = new Map<string, string>();
  let [printed, next, begun] = [0, "", false];
  const print = (line: string) => terminal.write(`${printableLine(line)}\n`);
  return {
    show(view) {
      if (!begun) { for (const line of [view.title, ...view.hints]) print(line); }
      begun = true;
      for (const event of view.events.slice(printed)) print(event);
      printed = view.events.length;
      for (const gateway of view.status?.gateways ?? []) {
        const line = gatewayLine(gateway);
        if (gateways.get(gateway.name) !== line) print(line);
        gateways.set(gateway.name, line);
      }
      // A countdown would print a line each second.
      const about = view.next.replaceAll(/\d+ s\b/g, "");
      if (about !== next && about !== "") print(view.next);
      next = about;
    },
    close() {},
  };
}
