/** The status page in blocks, each of which is sent again only when it is another. */
import { html } from "hono/html";
import { egressIPsOf } from "../core/reports.ts";
import { SHARDS } from "../core/shares.ts";
import type { Candidate, PolicyWay } from "../core/types.ts";
import { compact, type Html, moment } from "./markup.ts";
import type { GatewayView, MoveView, NodeView, PolicyView, StatusView } from "./status_view.ts";
import {
  gatewayId,
  gatewayTroubles,
  levelOf,
  policyId,
  policyRemarks,
  policyTroubles,
} from "./verdict.ts";

/** Where a block stands, in the order of the page. */
export const LISTS = ["warnings", "gateways", "deviating", "policies", "moves"] as const;

export interface Block {
  /** Of its element. */
  readonly id: string;
  readonly list: typeof LISTS[number];
  readonly html: string;
  /** What it was made from. */
  readonly key: string;
}

/** Chips of one gateway. */
const MOST_CHIPS = 20;

/** Renders what is another than `before`, and takes the rest over from there. */
export function statusBlocks(
  view: StatusView,
  before: ReadonlyMap<string, Block> = new Map(),
): ReadonlyMap<string, Block> {
  const nodes = new Map(view.nodes.map((node) => [node.name, node]));
  const blocks = new Map<string, Block>();
  const add = <T>(
    { id, list, of }: { readonly id: string; readonly list: Block["list"]; readonly of: T },
    render: (of: T, id: string) => Html,
  ) => {
    const key = list + JSON.stringify(of);
    const known = before.get(id);
    blocks.set(
      id,
      known?.key === key ? known : { id, list, key, html: compact(render(of, id)) },
    );
  };
  const warnings = [
    ...view.heartbeatsIgnored
      ? [
        "Heartbeats are ignored: too many are stale at once, or the fresh ones have only just begun",
      ]
      : [],
    ...view.warnings,
  ];
  if (warnings.length > 0) add({ id: "warnings", list: "warnings", of: warnings }, warningList);
  for (const card of problemsFirst(view.gateways).map((gateway) => cardOf(gateway, nodes))) {
    add({ id: gatewayId(card.gateway.name), list: "gateways", of: card }, gatewayCard);
  }
  for (const policy of view.policies) {
    const list = policyTroubles(policy).length > 0 ? "deviating" : "policies";
    const { name, gateways } = policy;
    const of = { name, gateways, remarks: policyRemarks(policy) };
    add({ id: policyId(name), list, of }, policyLine);
  }
  for (const move of view.moves) {
    add({ id: `move-${move.gateway}-${move.term}`, list: "moves", of: move }, moveLine);
  }
  return blocks;
}

function problemsFirst(gateways: readonly GatewayView[]): readonly GatewayView[] {
  const rank = new Map(gateways.map((gateway) => {
    const level = levelOf(gatewayTroubles(gateway));
    return [gateway, ["bad", "busy", "good"].indexOf(level)];
  }));
  return [...gateways].sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0));
}

function warningList(warnings: readonly string[], id: string): Html {
  return html`
    <section id="${id}" class="card busy">
      <h2>Warnings</h2>
      <ul>${warnings.map((text) => html`<li>${text}</li>`)}</ul>
    </section>
  `;
}

/** What is shown of a gateway. */
interface Card {
  readonly gateway: Omit<GatewayView, "candidates">;
  readonly troubles: ReturnType<typeof gatewayTroubles>;
  readonly chips: readonly (Candidate & Omit<NodeView, "name">)[];
  readonly total: number;
}

function cardOf(gateway: GatewayView, nodes: ReadonlyMap<string, NodeView>): Card {
  const { candidates, ...rest } = gateway;
  const chips = shownCandidates(gateway).map((candidate) => {
    const { name: _, ...node } = nodes.get(candidate.node) ?? { name: "", cordoned: false };
    return { ...candidate, ...node };
  });
  return { gateway: rest, troubles: gatewayTroubles(gateway), chips, total: candidates.length };
}

/** Nobody reads a thousand chips for each of a hundred gateways: the roles first, then the others as far as there is room. */
function shownCandidates(gateway: GatewayView): readonly Candidate[] {
  const { candidates, activeNodeName, standbyNodeNames } = gateway;
  const roles = [activeNodeName, ...standbyNodeNames];
  const place = new Map(roles.map((name, index) => [name, index]));
  const first = candidates.filter(({ node }) => place.has(node))
    .sort((a, b) => (place.get(a.node) ?? 0) - (place.get(b.node) ?? 0));
  return [...first, ...candidates.filter(({ node }) => !place.has(node))].slice(0, MOST_CHIPS);
}

function gatewayCard(card: Card, id: string): Html {
  const { gateway, troubles, chips, total } = card;
  const { name, activeNodeName, source, readyNodes, term, message, decision, policyNames } =
    gateway;
  const level = levelOf(troubles);
  const [worst, ...others] = troubles;
  return html`
    <details id="${id}" class="card ${level}" data-level="${level}" ${level === "good"
      ? ""
      : "open"}>
      <summary>
        <h3>${name}</h3>
        <span class="word ${level}">${worst?.text ?? "Served"}</span>
        <span class="holder">${activeNodeName ?? "nobody"}</span>
        <span class="soft">${source}, ${readyNodes} of ${total} nodes eligible</span>
        ${gateway.pin === undefined ? "" : html`<span class="mark">pinned</span>`}
      </summary>
      ${others.map(({ text }) => html`<p class="busy">${text}</p>`)}
      <ul class="chips">${chips.map((chip) => nodeChip(chip, gateway))}</ul>
      ${total === chips.length ? "" : html`
        <p class="soft">${total -
          chips.length} more are in <a href="status.json">status.json</a>.</p>
      `}
      <p>${decision}: ${message} <span class="soft">(term ${term})</span></p>
      <p class="soft">Policies: ${listed(
        policyNames,
      )}. <a href="#${id}">Link to this gateway</a></p>
      <ul class="commands">${commandsFor(card).map(commandLine)}</ul>
    </details>
  `;
}

function nodeChip(chip: Card["chips"][number], gateway: Card["gateway"]): Html {
  const { node, eligible, rank, reasons, cordoned, heartbeat, eligibleSince } = chip;
  const { activeNodeName, standbyNodeNames, pin, phase } = gateway;
  const role = node === activeNodeName
    ? phase === "Preparing" ? "taking over" : "active"
    : node === standbyNodeNames[0]
    ? "next"
    : standbyNodeNames.includes(node)
    ? "standby"
    : eligible
    ? "eligible"
    : "not eligible";
  return html`
    <li class="chip ${role.replaceAll(" ", "-")}${eligible ? "" : " out"}">
      <strong>${node}</strong> <span class="role">${role}</span>
      ${pin?.node === node ? html`<span class="mark">pinned</span>` : ""}
      ${cordoned ? html`<span class="mark">cordoned</span>` : ""}
      ${rank === 0 ? "" : html`<span class="soft">weight ${rank}</span>`}
      ${heartbeat === undefined ? "" : html`
        <span class="soft">heartbeat ${heartbeat === "Fresh"
          ? "fresh"
          : moment(heartbeat.last)}</span>
      `}
      ${eligible && eligibleSince !== undefined
        ? html`
          <span class="soft">eligible since ${moment(eligibleSince)}</span>
        `
        : ""}
      ${reasons.map(({ type, message }) => html`<p><strong>${type}</strong> ${message}</p>`)}
    </li>
  `;
}

/** What one would do about it, for a terminal: the page itself changes nothing. */
function commandsFor({ gateway, chips }: Card): readonly string[] {
  const { name, standbyNodeNames: [next], activeNodeName, pin } = gateway;
  const active = chips.find(({ node }) => node === activeNodeName);
  return [
    ["explain", name],
    ["history", name],
    ...next === undefined ? [] : [["move", name, next]],
    ...pin === undefined ? [] : [["release", name]],
    ...active === undefined ? [] : [[active.cordoned ? "undrain" : "drain", active.node]],
  ].map((words) => ["kubectl", "sallyport", ...words.map(shellWord)].join(" "));
}

function shellWord(word: string): string {
  return /^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Its button is the script's: without one it would do nothing. */
function commandLine(command: string): Html {
  return html`<li><code>${command}</code></li>`;
}

function policyLine(
  { name, gateways, remarks }: Pick<PolicyView, "name" | "gateways"> & {
    readonly remarks: ReturnType<typeof policyRemarks>;
  },
  id: string,
): Html {
  return html`
    <li id="${id}" class="policy"><strong>${name}</strong>
    ${remarks.map(({ level, text }) => html`<p><span class="${level}">${text}</span></p>`)}
    <ul class="ways">${gateways.map((way) => wayLine(way, gateways.length))}</ul></li>
  `;
}

function wayLine(
  { name, shards, activeNodeName, servedBy, ...way }: PolicyWay,
  ways: number,
): Html {
  const share = ways === 1 ? "" : html`<span>${percent(shards)} of the nodes</span>`;
  return html`
    <li><a href="#${gatewayId(name)}">${name}</a> ${servedBy === undefined ? "" : html`
      <span class="busy">served by <a href="#${gatewayId(servedBy)}">${servedBy}</a></span>
    `} → ${activeNodeName ?? "nobody"}
      <span class="soft">${egressIPsOf(way).join(", ")}</span> ${share}</li>
  `;
}

function percent(shards: number): string {
  return `${Math.round(100 * shards / SHARDS)} %`;
}

function moveLine(move: MoveView, id: string): Html {
  const { gateway, time, from, to, reason, planned, message } = move;
  return html`
    <li id="${id}" class="move ${planned ? "planned" : "unplanned"}">
      <span class="when soft">${moment(time)}</span>
      <span><a href="#${gatewayId(gateway)}">${gateway}</a>
        <strong>${from ?? "nobody"} → ${to ?? "nobody"}</strong></span>
      <span class="word ${planned ? "good" : "busy"}">${reason}, ${planned
        ? "planned"
        : "unplanned"}</span>
      <span>${took(move)}</span>
      <p class="soft">${message}</p>
    </li>
  `;
}

function took(move: MoveView): string {
  const { outageMilliseconds, durationMilliseconds, underWay } = move;
  if (outageMilliseconds !== undefined) {
    return `Clients went without for ${seconds(outageMilliseconds)}.`;
  }
  if (durationMilliseconds !== undefined) return `Served after ${seconds(durationMilliseconds)}.`;
  return underWay ? "Under way." : "";
}

function seconds(milliseconds: number): string {
  return milliseconds < 1_000 ? `${milliseconds} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}
