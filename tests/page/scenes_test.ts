/**
 * Each scene in a real browser, as it is looked at: nothing is wider than the screen, and axe finds nothing.
 *
 * `SCREENSHOTS=FOLDER npm test -- tests/page/scenes_test.ts` keeps the pictures.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import type { Snapshot } from "../../src/core/types.ts";
import { chromium, startChromium } from "../support/chromium.ts";
import { testWith } from "../support/needs.ts";
import { type LOOKS, openTab, overhang, unfoldAll, violations } from "./browser.ts";
import { PageWorld } from "./page_world.ts";
import { evil, failover, fiveHundred, nothing, one, thirteen } from "./scenes.ts";

type Look = keyof typeof LOOKS;

const SCENES: Readonly<
  Record<string, { readonly scene: () => Snapshot; readonly looks: readonly Look[] }>
> = {
  "no gateway": { scene: nothing, looks: ["light", "phone"] },
  "one gateway": { scene: one, looks: ["light", "phone"] },
  "13 gateways": { scene: thirteen, looks: ["light", "phone"] },
  "a failover": { scene: failover, looks: ["light", "dark", "phone", "narrow"] },
  "a node named <script>": { scene: evil, looks: ["dark", "narrow"] },
};

const screenshots = Deno.env.get("SCREENSHOTS");

testWith(
  [chromium],
  "all scenes, light and dark, on a desk and on phones, are whole",
  async (t) => {
    await using browser = await startChromium();
    for (const [name, { scene, looks }] of Object.entries(SCENES)) {
      await using world = await PageWorld.start(scene());
      world.tick();
      for (const look of looks) {
        await t.step(`${name}, ${look}`, () => isWhole(browser, { world, look, name }));
      }
    }
  },
);

async function isWhole(
  browser: Browser,
  { world, look, name }: {
    readonly world: PageWorld;
    readonly look: Look;
    readonly name: string;
  },
): Promise<void> {
  await using tab = await openTab(browser, { url: world.url, look });
  const { page, complaints } = tab;
  assert.equal(await overhang(page), 0);
  if (screenshots !== undefined) {
    const path = join(screenshots, `${name.replace(/\W+/g, "-")}-${look}.png`);
    await page.screenshot({ path, fullPage: true });
  }
  await unfoldAll(page);
  assert.equal(await overhang(page), 0);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(complaints, []);
}

testWith(
  [chromium],
  "500 gateways are one megabyte, found by a filter and by their anchors",
  async () => {
    await using browser = await startChromium();
    await using world = await PageWorld.start(fiveHundred());
    world.tick();
    const response = await fetch(world.url);
    const bytes = (await response.arrayBuffer()).byteLength;
    assert.ok(bytes < 1_100_000, `${bytes} bytes`);
    await using tab = await openTab(browser, { url: `${world.url}#gateway-team-321` });
    const { page, complaints } = tab;
    assert.equal(await page.locator("#gateway-team-321").getAttribute("open"), "");
    const strip = await page.locator("#strip").boundingBox();
    const card = await page.locator("#gateway-team-321").boundingBox();
    assert.ok(strip !== null && card !== null && card.y >= strip.y + strip.height && card.y < 600);
    await page.getByLabel("Filter").fill("egress-000");
    const shown = page.locator('[data-list="gateways"] > :visible');
    const told = await page.locator("#found").textContent();
    assert.match(told ?? "", /^\d+ of 500$/);
    assert.equal(`${await shown.count()} of 500`, told);
    assert.ok(await shown.count() >= 20);
    assert.equal(await overhang(page), 0);
    if (screenshots !== undefined) await page.screenshot({ path: join(screenshots, "500.png") });
    assert.deepEqual(complaints, []);
  },
);
