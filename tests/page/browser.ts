/** A tab of a real browser that shows a status page, and what one can ask of it. */
import { createRequire } from "node:module";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

/** How people look at it. */
export const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1_280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1_280, height: 900 } },
  phone: {
    colorScheme: "light",
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
  },
  // The narrowest that WCAG 1.4.10 wants to see without scrolling in two directions.
  narrow: { colorScheme: "dark", viewport: { width: 320, height: 640 }, isMobile: true },
} as const satisfies Readonly<Record<string, BrowserContextOptions>>;

export interface Tab extends AsyncDisposable {
  readonly page: Page;
  /** Errors of the page and of its policy, and what it wrote to the console. */
  readonly complaints: readonly string[];
}

export async function openTab(
  browser: Browser,
  { url, look = "light", ...options }: BrowserContextOptions & {
    readonly url: string;
    readonly look?: keyof typeof LOOKS;
  },
): Promise<Tab> {
  const context = await browser.newContext({ ...LOOKS[look], ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", async (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  await page.goto(url);
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
}

/** What axe finds, one line each; none: no violation. */
export async function violations(page: Page): Promise<readonly string[]> {
  const axe: { readonly source: string } = createRequire(import.meta.url)("axe-core");
  await page.evaluate(axe.source);
  return await page.evaluate<readonly string[]>(`
    axe.run({ rules: { "target-size": { enabled: true } } }).then(({ violations }) =>
      violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) =>
        id + ": " + help + ": " + html.slice(0, 200) + " " + failureSummary)))
  `);
}

/** How much wider the page is than what is seen of it, in CSS pixels. */
export function overhang(page: Page): Promise<number> {
  return page.evaluate<number>(
    `document.documentElement.scrollWidth - document.documentElement.clientWidth`,
  );
}

/** As a person would, all at once. */
export async function unfoldAll(page: Page): Promise<void> {
  await page.evaluate(`for (const each of document.querySelectorAll("details")) each.open = true`);
}

/** Notes what changes from now on; `changesOf` tells. */
export async function noteChanges(page: Page): Promise<void> {
  await page.evaluate(`
    window.changes = [];
    new MutationObserver((records) => {
      for (const { target } of records) {
        const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
        const place = element?.closest("time, [id]");
        changes.push(place?.nodeName === "TIME" ? "time" : place?.id ?? "?");
      }
    }).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true, attributes: true });
  `);
}

/** The ids of what changed, and \`time\` for the words of a time; each once, sorted. */
export async function changesOf(page: Page): Promise<readonly string[]> {
  const changes = await page.evaluate<readonly string[]>(`changes`);
  return [...new Set(changes)].sort();
}
