/**
 * The status page's program: takes over from the stream what changed, and nothing else, so that what one has scrolled to,
 * selected or opened stays. Without it the page is complete, and a snapshot.
 */
export const SCRIPT = String.raw`
"use strict";
const $ = (id) => document.getElementById(id);
const main = document.querySelector("main");
document.documentElement.classList.add("is-live");
// A sign of life comes each 2 s.
const LOST_MILLISECONDS = 6000;
let heardAt = performance.now();
let lastHeard = clockNow();
let title = document.title;
let ahead = Date.parse(main.dataset.now) - Date.now();

function clockNow() {
  return new Date().toLocaleTimeString();
}

function heard() {
  heardAt = performance.now();
  lastHeard = clockNow();
}

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

/** Makes one element like another, touching only what differs; what a person did to it (open, hidden) stays. */
function morph(from, to) {
  if (from.nodeName !== to.nodeName) return from.replaceWith(to);
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  // The words of a time are ours, and so is the button of a command.
  if (from.nodeName === "TIME" && from.dateTime === to.dateTime) return;
  if (from.querySelector(":scope > button") && from.firstChild.textContent === to.textContent) return;
  if (from.dataset.level === "good" && to.dataset.level !== "good") from.open = true;
  const kept = (name) => name === "open" || name === "hidden";
  for (const { name } of [...from.attributes]) if (!kept(name) && !to.hasAttribute(name)) from.removeAttribute(name);
  for (const { name, value } of to.attributes) if (!kept(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  const [old, fresh] = [[...from.childNodes], [...to.childNodes]];
  fresh.forEach((child, i) => old[i] ? morph(old[i], child) : from.append(child));
  for (const child of old.slice(fresh.length)) child.remove();
}

/** What somebody who has scrolled down looks at: what has the focus or is selected, else the first that is seen. */
function mark() {
  if (scrollY === 0) return undefined;
  const top = $("strip").getBoundingClientRect().bottom;
  const isSeen = (element) => {
    const place = element.getBoundingClientRect();
    return place.bottom > top && place.top < innerHeight && place.height > 0;
  };
  const blockOf = (node) => (node?.nodeType === Node.TEXT_NODE ? node.parentElement : node)?.closest("[data-list] > [id]");
  const selection = getSelection();
  const touched = [document.activeElement, selection.isCollapsed ? null : selection.anchorNode].map(blockOf);
  return [...touched, ...main.querySelectorAll("[data-list] > [id]")].find((element) => element && isSeen(element));
}

/** Makes changes under which an element stays where it is seen. The browser's own anchor would go with what goes elsewhere. */
function stayingAt(element, change) {
  const before = element?.getBoundingClientRect().top;
  change();
  if (element?.isConnected) scrollBy({ top: element.getBoundingClientRect().top - before, behavior: "instant" });
}

function takeOver({ blocks, order }) {
  for (const { id, html } of blocks) {
    const known = $(id);
    if (known) morph(known, parsed(html));
  }
  if (order) reorder(new Map(blocks.map(({ id, html }) => [id, html])), order);
  for (const card of main.querySelectorAll("details[open]")) addButtons(card);
}

/** Puts what is new, or another, where it belongs. What is the same stays where it is, and so does what one looks at. */
function reorder(fresh, order) {
  const lists = Object.entries(order);
  const wanted = new Set(lists.flatMap(([, ids]) => ids));
  for (const element of main.querySelectorAll("[data-list] > [id]")) if (!wanted.has(element.id)) element.remove();
  for (const [name, ids] of lists) {
    const list = main.querySelector('[data-list="' + name + '"]');
    let next = null;
    for (const id of [...ids].reverse()) {
      const known = $(id);
      const element = known ?? parsed(fresh.get(id));
      if (fresh.has(id) && (element.parentNode !== list || element.nextElementSibling !== next)) {
        if (known && list.moveBefore) list.moveBefore(element, next);
        else list.insertBefore(element, next);
      }
      next = element;
    }
  }
}

function inWords(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h";
  return Math.floor(seconds / 86400) + " d";
}

function showAges() {
  const now = Date.now() + ahead;
  const selection = getSelection();
  for (const time of document.querySelectorAll("time")) {
    const at = Date.parse(time.dateTime);
    const words = inWords(now - at) + " ago";
    if (Number.isNaN(at) || time.textContent === words) continue;
    if (!selection.isCollapsed && selection.containsNode(time, true)) continue;
    time.firstChild.data = words;
  }
  const silent = performance.now() - heardAt;
  const isLost = silent > LOST_MILLISECONDS;
  // Said once: a screen reader would read each second out.
  const words = isLost ? "This page hears nothing from the controller: what it shows is of " + lastHeard + ", and may be over." : "";
  if ($("lost").textContent !== words) $("lost").textContent = words;
  $("strip").classList.toggle("lost", isLost);
  document.title = isLost ? "Lost · Sallyport" : title;
}

function showFound() {
  const words = $("filter").value.toLowerCase().split(/\s+/);
  let [found, all] = [0, 0];
  for (const card of main.querySelectorAll('[data-list="gateways"] > *')) {
    const text = card.textContent.toLowerCase();
    const hidden = !words.every((word) => text.includes(word));
    if (card.hidden !== hidden) card.hidden = hidden;
    all++;
    if (!hidden) found++;
  }
  const told = found === all ? "" : found + " of " + all;
  if ($("found").textContent !== told) $("found").textContent = told;
}

function follow() {
  const stream = new EventSource("events?version=" + encodeURIComponent(main.dataset.version));
  stream.addEventListener("verdict", ({ data }) => {
    heard();
    const { level, verdict } = JSON.parse(data);
    const list = $("verdict").cloneNode(false);
    list.innerHTML = verdict;
    stayingAt(mark(), () => morph($("verdict"), list));
    $("strip").className = level;
    title = { bad: "Not well", busy: "Look", good: "Well" }[level] + " · Sallyport";
    showAges();
  });
  stream.addEventListener("pulse", ({ data }) => {
    heard();
    const { now, good } = JSON.parse(data);
    ahead = Date.parse(now) - Date.now();
    const time = $("good").querySelector("time");
    if (time && good) time.dateTime = time.title = good;
    else if (good) $("good").replaceChildren("Last good tick ", timeOf(good), ".");
    showAges();
  });
  stream.addEventListener("blocks", ({ data, lastEventId }) => {
    heard();
    stayingAt(mark(), () => {
      takeOver(JSON.parse(data));
      showAges();
      showFound();
    });
    main.dataset.version = lastEventId;
  });
  // A stream that was refused does not come back by itself.
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
}

function timeOf(time) {
  const element = document.createElement("time");
  element.dateTime = time;
  element.append(time);
  return element;
}

/** Commands can be copied while one sees them. */
function addButtons(card) {
  for (const item of card.querySelectorAll(".commands > li")) {
    if (item.querySelector("button")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append("Copy");
    button.setAttribute("aria-label", "Copy " + item.textContent);
    item.append(" ", button);
  }
}

/** What an anchor leads to is not hidden by the strip, however high that is. */
function leaveRoom() {
  document.documentElement.style.scrollPaddingTop = $("strip").offsetHeight + 8 + "px";
}

function openTarget() {
  const target = $(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const folded = target.closest("details");
  if (folded) folded.open = true;
  leaveRoom();
  target.scrollIntoView();
}

document.addEventListener("click", async ({ target }) => {
  const code = target.closest(".commands button")?.parentNode.querySelector("code");
  if (!code) return;
  try {
    await navigator.clipboard.writeText(code.textContent);
    target.firstChild.data = "Copied";
    $("told").textContent = "Copied " + code.textContent;
    setTimeout(() => target.firstChild.data = "Copy", 2000);
  } catch {
    getSelection().selectAllChildren(code);
  }
});
// Does not bubble.
document.addEventListener("toggle", ({ target }) => target.open && addButtons(target), true);
new ResizeObserver(leaveRoom).observe($("strip"));
$("filter").addEventListener("input", showFound);
addEventListener("hashchange", openTarget);
for (const card of document.querySelectorAll("details[open]")) addButtons(card);
openTarget();
showFound();
setInterval(showAges, 1000);
follow();
`;
