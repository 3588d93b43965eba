import { sha256 } from "@noble/hashes/sha2.js";
import { html, raw } from "hono/html";
import type { Candidate, Condition, Failover } from "../core/types.ts";
import type { GatewayView, PolicyView, StatusView } from "./status_view.ts";

/** What a template gives: text in which everything that was put in is escaped. */
type Html = ReturnType<typeof html>;

/** Rows of one gateway's table. */
const MOST_CANDIDATES = 20;

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d5dae1, #343b45); --soft: light-dark(#5b6573, #9aa5b4);
  --good: light-dark(#14733c, #5fd38d); --bad: light-dark(#b3261e, #ff8a80); --busy: light-dark(#8a5a00, #ffc861);
  --card: light-dark(#fff, #1b2027); --page: light-dark(#f5f7f9, #12161b); --text: light-dark(#1a1f26, #e6eaf0) }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.3rem; margin: 0 } h2 { font-size: 1.1rem; margin: 0 } h3 { font-size: .95rem; margin: 1rem 0 .3rem }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; margin-bottom: 1rem }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.2rem; margin-bottom: 1rem }
.soft { color: var(--soft) } .good { color: var(--good) } .bad { color: var(--bad) } .busy { color: var(--busy) }
.title { display: flex; gap: .8rem; align-items: baseline; flex-wrap: wrap }
.active { font-size: 1.6rem; font-weight: 600; margin: .3rem 0 0; overflow-wrap: anywhere }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: 600; color: var(--soft) } th, td { padding: .3rem .8rem .3rem 0; vertical-align: top;
  border-top: 1px solid var(--line) } tr:first-child th { border-top: 0 } p { margin: .2rem 0 } td p { margin: 0 }
td:not(:last-child), time { white-space: nowrap } td:last-child { width: 60%; min-width: 16rem }
#lost { display: none } body.lost #lost { display: inline }
`;

/** Asks for the page again and takes over its own markup when it changed, so there is one template. */
const SCRIPT = `
let seen = "";
async function refresh() {
  try {
    const headers = { "accept": "text/html", "if-none-match": seen };
    const page = await fetch("./", { headers, signal: AbortSignal.timeout(5000) });
    if (page.status !== 304) {
      const fresh = new DOMParser().parseFromString(await page.text(), "text/html");
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      seen = page.headers.get("etag") ?? "";
    }
    document.body.classList.remove("lost");
  } catch { document.body.classList.add("lost"); }
  setTimeout(refresh, 1000);
}
refresh();
`;

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
export function statusPage(view: StatusView): Html {
  return document(html`
    <header>
      <h1>Sallyport</h1>
      <span class="soft">as of ${moment(view.now)}</span>
      <strong class="bad" id="lost">No answer, trying again</strong>
    </header>
    ${view.heartbeatsIgnored
      ? html`
        <section
          class="busy">Heartbeats are ignored: too many are stale at once, or the fresh ones have only just begun</section>
      `
      : ""}
    ${view.warnings.length > 0
      ? html`<section>${view.warnings.map((text) => html`<p class="busy">${text}</p>`)}</section>`
      : ""}
    ${view.gateways.length === 0 ? html`<section class="soft">There are no gateways</section>` : ""}
    ${view.gateways.map(gatewayCard)}
    ${view.policies.length > 0 ? policyCard(view.policies) : ""}
  `);
}

/** The page before the first tick has ended; it becomes the status page by itself. */
export function emptyPage(): Html {
  return document(html`
    <header><h1>Sallyport</h1><strong class="bad" id="lost">No answer, trying again</strong></header>
    <section class="busy">No tick has ended yet</section>
  `);
}

function document(main: Html): Html {
  return html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Sallyport</title>
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <main>${main}</main>
        <script>${raw(SCRIPT)}</script>
      </body>
    </html>
  `;
}

function gatewayCard(gateway: GatewayView): Html {
  const shown = shownCandidates(gateway);
  return html`<section>
<div class="title"><h2>${gateway.name}</h2>
<span class="${phaseClass(gateway)}">${gateway.phase}</span>
<span class="soft">${gateway.source}, term ${gateway.term}, ${gateway.readyNodes} ready</span></div>
<p class="active">${gateway.activeNodeName ?? html`<span class="bad">nobody</span>`}</p>
<p>${gateway.decision}: ${gateway.message}</p>
<p class="soft">Standbys: ${listed(gateway.standbyNodeNames)}. Policies: ${
    listed(gateway.policyNames)
  }.</p>
${
    gateway.lastFailover === undefined
      ? ""
      : html`<p class="soft">${describeFailover(gateway.lastFailover)}</p>`
  }
<h3>Candidates</h3>
<div class="scroll"><table><tr><th>Node</th><th>Eligible</th><th>Rank</th><th>Why not</th></tr>
${shown.map((candidate) => candidateRow(candidate, gateway))}</table></div>
${
    shown.length === gateway.candidates.length ? "" : html`
      <p
        class="soft">${gateway.candidates.length -
          shown.length} more are in status.json, and in what sallyport explain ${gateway
          .name} says.</p>
    `
  }
</section>`;
}

/** Nobody reads a thousand rows for each of a hundred gateways: the roles, then the others as far as there is room. */
function shownCandidates(gateway: GatewayView): readonly Candidate[] {
  const { candidates, activeNodeName, standbyNodeNames } = gateway;
  if (candidates.length <= MOST_CANDIDATES) return candidates;
  const roles = new Set([activeNodeName, ...standbyNodeNames.slice(0, MOST_CANDIDATES - 1)]);
  const others = candidates.filter(({ node }) => !roles.has(node));
  const shown = new Set(
    others.slice(0, MOST_CANDIDATES - roles.size).map(({ node }) => node),
  );
  return candidates.filter(({ node }) => roles.has(node) || shown.has(node));
}

function candidateRow(candidate: Candidate, gateway: GatewayView): Html {
  const eligible = candidate.eligible
    ? html`<span class="good">yes</span>${
      candidate.eligibleSince
        ? html`
          <span class="soft">since ${moment(candidate.eligibleSince)}</span>
        `
        : ""
    }`
    : html`<span class="bad">no</span>`;
  return html`
    <tr>
      <td>${candidate.node}${roleOf(candidate.node, gateway)}</td>
      <td>${eligible}</td>
      <td>${candidate.rank}</td>
      <td>${candidate.reasons.map((reason) =>
        html`<p><strong>${reason.type}</strong> ${reason.message}</p>`
      )}</td>
    </tr>
  `;
}

function roleOf(node: string, { activeNodeName, standbyNodeNames }: GatewayView): Html | string {
  if (node === activeNodeName) {
    return html`
      <strong class="good">active</strong>
    `;
  }
  return standbyNodeNames.includes(node)
    ? html`
      <span class="soft">standby</span>
    `
    : "";
}

function policyCard(policies: readonly PolicyView[]): Html {
  return html`
    <section>
      <h2>Policies</h2>
      <div class="scroll">
        <table><tr><th>Policy</th><th>Gateway</th><th>Leaves by</th><th>Conditions</th></tr>
    ${policies.map((policy) =>
      html`
        <tr>
          <td>${policy.name}</td>
          <td>${listed(policy.gateways.map(({ name }) => name))}</td>
          <td>${listed(policy.gateways.flatMap(({ egressIP }) => egressIP ?? []))}</td>
          <td>${policy.conditions.map(conditionLine)}</td>
        </tr>
      `
    )}</table>
      </div>
    </section>
  `;
}

function conditionLine(condition: Condition): Html {
  const { type, status, message } = condition;
  // Conflicted is the one condition whose good state is False.
  const good = status === (type === "Conflicted" ? "False" : "True");
  return html`<p><strong class="${
    good ? "" : "bad"
  }">${type}</strong> ${status} <span class="soft">${message}</span></p>`;
}

function phaseClass({ phase, activeNodeName }: GatewayView): string {
  if (activeNodeName === null) return "bad";
  return phase === "Active" ? "good" : "busy";
}

function describeFailover({ from, to, reason, startTime, durationMilliseconds }: Failover): Html {
  const way = from === undefined ? `First taken by ${to}` : `Last failover: ${from} to ${to}`;
  const took = durationMilliseconds === undefined ? "under way" : `took ${durationMilliseconds} ms`;
  return html`${way}, ${moment(startTime)}, ${took} (${reason})`;
}

/** A time of RFC 3339, to the second and in words that need no decoding. */
function moment(time: string): Html {
  const [date = "", clock = ""] = time.split("T");
  return html`<time datetime="${time}">${date} ${clock.slice(0, 8)} UTC</time>`;
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}

function cspHash(text: string): string {
  const digest = sha256(new TextEncoder().encode(text));
  return `'sha256-${btoa(String.fromCharCode(...digest))}'`;
}
