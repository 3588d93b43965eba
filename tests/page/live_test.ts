/** The page in a real browser, with and without its script, while its cluster changes and while nothing does. */
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { edit } from "../support/builders.ts";
import { chromium, startChromium } from "../support/chromium.ts";
import { testWith } from "../support/needs.ts";
import { eventually } from "../support/raw_api.ts";
import { later } from "../support/obedient_agents.ts";
import { changesOf, noteChanges, openTab, type Tab } from "./browser.ts";
import { PageWorld } from "./page_world.ts";
import { EVIL, evil, failover, one, thirteen } from "./scenes.ts";
import type { Snapshot } from "../../src/core/types.ts";

/** One browser for all of them: it takes seconds to start. */
testWith([chromium], "the page in a browser", async (t) => {
  await using browser = await startChromium();
  for (const [name, body] of Object.entries(BEHAVIOURS)) {
    await t.step(name, () => body(browser));
  }
});

const BEHAVIOURS: Readonly<Record<string, (browser: Browser) => Promise<void>>> = {
  async "only what changed is another: scroll, selection and what one opened stay"(browser) {
    await using world = await ticked(thirteen());
    await using tab = await openTab(browser, { url: world.url });
    const { page } = tab;
    await page.locator("#gateway-team-7 > summary").click();
    await page.evaluate(`
      document.querySelector("#gateway-team-7").scrollIntoView({ block: "center" });
      getSelection().selectAllChildren(document.querySelector("#gateway-team-7 .chip.active strong"));
      document.querySelector("#gateway-team-7 > summary").focus();
    `);
    const seen = () =>
      page.evaluate(`({
        selected: getSelection().toString(),
        focus: document.activeElement.parentNode.id,
        open: document.querySelector("#gateway-team-7").open,
      })`);
    const top = () =>
      page.evaluate<number>(
        `document.querySelector("#gateway-team-7").getBoundingClientRect().top`,
      );
    const [before, topBefore] = [await seen(), await top()];
    await noteChanges(page);
    world.tick((snapshot) =>
      edit(later(snapshot, 1), { nodes: { "egress-6": { cordoned: true } } })
    );
    await world.pass(500);
    await page.locator("#gateway-team-3.busy[open]").waitFor();
    assert.deepEqual(await seen(), before);
    assert.ok(Math.abs(await top() - topBefore) < 1, `${topBefore} px, then ${await top()} px`);
    // Whose nodes are other, the moves, the policies that go by other ways; nothing of the untouched reports.
    const changes = await changesOf(page);
    assert.ok(changes.includes("gateway-team-3") && changes.includes("verdict"), changes.join());
    for (const same of ["policy-nightly-reports", "filter", "found"]) {
      assert.ok(!changes.includes(same), `${same} in ${changes}`);
    }
  },

  async "at rest nothing changes but the words of times, also over many ticks"(browser) {
    await using world = await ticked(thirteen());
    await using tab = await openTab(browser, { url: world.url });
    await heard(world, tab);
    await noteChanges(tab.page);
    for (let second = 0; second < 6; second += 2) {
      world.tick((snapshot) => later(snapshot, 2));
      for (let looks = 0; looks < 4; looks++) await world.time.pass(500);
    }
    await heard(world, tab);
    const changes = await changesOf(tab.page);
    assert.deepEqual(changes.filter((id) => id !== "time"), []);
    // It was noted: the last good tick is another.
    assert.deepEqual(changes, ["time"]);
  },

  async "ticks that are late turn the strip red and say so in words, by the stream"(browser) {
    await using world = await ticked(one());
    await using tab = await openTab(browser, { url: world.url });
    const { page } = tab;
    await page.locator("#strip.good").waitFor();
    assert.equal(await page.title(), "Well · Sallyport");
    await heard(world, tab);
    await world.pass(25_000);
    await page.locator("#strip.bad").waitFor();
    const told = await page.getByRole("status").first().innerText();
    assert.match(told, /Ticks are late: the last good one ended 25 s ago/);
    assert.equal(await page.title(), "Not well · Sallyport");
    assert.deepEqual(tab.complaints, []);
  },

  async "without JavaScript the page is whole, and red when ticks are late"(browser) {
    await using world = await ticked(failover());
    await using tab = await openTab(browser, { url: world.url, javaScriptEnabled: false });
    const { page } = tab;
    const text = await page.locator("main").innerText();
    for (const told of ["Moving to egress-5", "taking over", "Under way", "served by reports"]) {
      assert.ok(text.includes(told), told);
    }
    assert.equal(await page.getByLabel("Filter").isVisible(), false);
    await page.locator("#gateway-team-7 > summary").click();
    assert.match(
      await page.locator("#gateway-team-7").innerText(),
      /kubectl sallyport explain team-7/,
    );
    world.now += 60_000;
    await page.getByRole("link", { name: "Look again" }).click();
    await page.locator("#strip.bad").waitFor();
    assert.match(await page.locator("#strip").innerText(), /Ticks are late.* ended 1 min ago/);
  },

  async "a page that was opened before the first tick becomes the status page by itself"(browser) {
    await using world = await PageWorld.start(thirteen());
    await using tab = await openTab(browser, { url: world.url });
    const { page } = tab;
    assert.match(await page.locator("#verdict").innerText(), /No tick has ended yet/);
    assert.equal(await page.locator(".empty").first().isVisible(), true);
    world.tick();
    await world.pass(500);
    await page.locator("#gateway-team-10").waitFor();
    assert.equal(await page.locator('[data-list="gateways"] > details').count(), 13);
    assert.equal(await page.locator('[data-list="moves"] > li').count(), 20);
    assert.equal(await page.locator(".empty:visible").count(), 0);
  },

  async "a page that hears nothing any more says so, once"(browser) {
    await using world = await ticked(one());
    await using tab = await openTab(browser, { url: "about:blank" });
    const { page } = tab;
    await page.clock.install();
    await page.goto(world.url);
    await heard(world, tab);
    await world.stop();
    await page.clock.runFor(5_000);
    assert.equal(await page.getByRole("alert").innerText(), "");
    await page.clock.runFor(3_000);
    const told = await page.getByRole("alert").innerText();
    assert.match(
      told,
      /^This page hears nothing from the controller: what it shows is of .+, and may be over\.$/,
    );
    await page.locator("#strip.lost").waitFor();
    assert.equal(await page.title(), "Lost · Sallyport");
    await noteChanges(page);
    await page.clock.runFor(10_000);
    assert.deepEqual((await changesOf(page)).filter((id) => id !== "time"), []);
  },

  async "names that are markup are text, also when they come by the stream"(browser) {
    await using world = await ticked(evil());
    await using tab = await openTab(browser, { url: world.url });
    const { page, complaints } = tab;
    await heard(world, tab);
    world.tick((snapshot) => edit(later(snapshot, 1), { nodes: { [EVIL]: { cordoned: false } } }));
    await world.pass(500);
    await page.locator("#gateway-web .taking-over", { hasText: EVIL }).waitFor();
    assert.equal(await page.locator("main script").count(), 0);
    assert.ok((await page.locator("#warnings").innerText()).includes(EVIL));
    assert.deepEqual(complaints, []);
  },

  async "what an anchor or a line of the strip leads to is open, and not hidden by the strip, which is low on a phone"(
    browser,
  ) {
    await using world = await ticked(failover());
    for (const look of ["light", "phone"] as const) {
      await using tab = await openTab(browser, { url: world.url, look });
      await leadsBelowStrip(tab, { url: world.url, most: look === "phone" ? 150 : 450 });
    }
  },

  async "all can be done by keyboard: filter, open, copy"(browser) {
    await using world = await ticked(thirteen());
    await using tab = await openTab(browser, {
      url: world.url,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const { page } = tab;
    await press(page, { key: "Tab", until: `document.activeElement.id === "filter"` });
    await page.keyboard.type("team-7");
    const shown = page.locator('[data-list="gateways"] > :visible');
    assert.equal(await shown.count(), 1);
    assert.equal(await shown.getAttribute("id"), "gateway-team-7");
    assert.equal(await page.locator("output#found").innerText(), "1 of 13");
    await press(page, { key: "Tab", until: `document.activeElement.closest("#gateway-team-7")` });
    const outline = await page.evaluate(`getComputedStyle(document.activeElement).outlineStyle`);
    assert.equal(outline, "solid");
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("#gateway-team-7").getAttribute("open"), "");
    await press(page, { key: "Tab", until: `document.activeElement.nodeName === "BUTTON"` });
    await page.keyboard.press("Enter");
    await page.locator("#told", { hasText: "Copied" }).waitFor();
    const copied = await page.evaluate(`navigator.clipboard.readText()`);
    assert.equal(copied, "kubectl sallyport explain team-7");
  },
};

async function ticked(snapshot: Snapshot): Promise<PageWorld> {
  const world = await PageWorld.start(snapshot);
  world.tick();
  return world;
}

/** The page has heard its stream, and knows what time it is. */
async function heard(world: PageWorld, { page }: Tab): Promise<void> {
  // Not Playwright's own waiting: the page's policy forbids what it does.
  const at = () => page.evaluate<number>(`heardAt`);
  const before = await at();
  for (let looks = 0; looks < 4; looks++) await world.time.pass(500);
  await eventually("the page has heard its stream", async () => await at() > before);
}

async function press(
  page: Tab["page"],
  { key, until }: { readonly key: string; readonly until: string },
): Promise<void> {
  for (let presses = 0; presses < 40; presses++) {
    await page.keyboard.press(key);
    if (await page.evaluate(`Boolean(${until})`)) return;
  }
  throw new Error(`40 times ${key} do not lead to where ${until}`);
}

async function leadsBelowStrip(
  { page }: Tab,
  { url, most }: { readonly url: string; readonly most: number },
): Promise<void> {
  const innerHeight = await page.evaluate<number>(`innerHeight`);
  const isBelowStrip = async (selector: string) => {
    const [strip, target] = await Promise.all(
      ["#strip", selector].map((each) => page.locator(each).boundingBox()),
    );
    assert.ok(strip && target, selector);
    assert.ok(strip.height < most, `The strip is ${strip.height} px high`);
    const seen = target.y >= strip.y + strip.height && target.y < innerHeight;
    assert.ok(
      seen,
      `${selector}: ${target.y} px, the strip ends at ${strip.y + strip.height} px`,
    );
  };
  await page.getByRole("link", { name: "team-4: Moving to egress-5" }).click();
  await isBelowStrip("#gateway-team-4 > summary");
  await page.goto(`${url}#gateway-team-7`);
  assert.equal(await page.locator("#gateway-team-7").getAttribute("open"), "");
  await isBelowStrip("#gateway-team-7 > summary");
  // Anew, as from somebody's message.
  await page.goto("about:blank");
  await page.goto(`${url}#moves`);
  await isBelowStrip("#moves");
}
