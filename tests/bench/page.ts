/**
 * What the status page of 500 gateways on a hundred nodes costs: bytes, and processor time of rendering. Prints a table;
 * `docs/status-page.md` tells it in short.
 *
 * `npm run bench -- page`
 */
import { cpuUsage } from "node:process";
import { decide } from "../../src/core/decide.ts";
import type { Snapshot } from "../../src/core/types.ts";
import { changeOf, StatusRenderer } from "../../src/http/rendered_status.ts";
import { PageWorld } from "../page/page_world.ts";
import { fiveHundred } from "../page/scenes.ts";
import { edit } from "../support/builders.ts";
import { later } from "../support/obedient_agents.ts";
import { spread } from "./measure.ts";
import { bytes, machine, markdown, say } from "./report.ts";

const RUNS = 101;

const ticked = (snapshot: Snapshot) => ({ plan: decide(snapshot), snapshot });
const snapshot = fiveHundred();
const first = ticked(snapshot);
const same = ticked(later(snapshot, 1));
const moved = ticked(edit(later(snapshot, 1), { nodes: { "egress-000": { cordoned: true } } }));

await using world = await PageWorld.start(snapshot);
world.tick();
const page = await (await fetch(world.url)).arrayBuffer();
const renderer = new StatusRenderer();
const before = renderer.render(first).content();
const sent = JSON.stringify(changeOf(before, renderer.render(moved).content()));

say(machine());
say(markdown({
  title: "The status page with 500 gateways",
  head: ["what", `median of ${RUNS} (range)`, "target"],
  rows: [
    ["the page", bytes(page.byteLength), "1.1 MB"],
    [
      "sent to a page that follows, when a node that is in 20 groups is cordoned",
      bytes(sent.length),
      "",
    ],
    ["processor time: rendered for the first time", cpu(undefined, first), "100 ms"],
    ["after a tick that shows the same", cpu(first, same), "50 ms"],
    ["after the tick in which that node is cordoned", cpu(first, moved), "50 ms"],
  ],
}));

/** Of the body, once the tick before has been rendered. */
function cpu(before: typeof first | undefined, now: typeof first): string {
  const { least, median, most } = spread(Array.from({ length: RUNS }, () => {
    const renderer = new StatusRenderer();
    if (before !== undefined) renderer.render(before).body();
    const start = cpuUsage();
    renderer.render(now).body();
    const { user, system } = cpuUsage(start);
    return (user + system) / 1_000;
  }));
  return `${median.toFixed(0)} ms (${least.toFixed(0)} to ${most.toFixed(0)})`;
}
