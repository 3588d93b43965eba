/** A real browser for the tests of the status page: Debian's package `chromium`, driven by Playwright. */
import { createRequire } from "node:module";
import type { Browser } from "playwright-core";
import { isOnPath } from "../../src/build/go_build.ts";

const NAME = "chromium";

/** Why there can be none on this machine, or null. */
export function chromium(): string | null {
  return isOnPath(NAME) ? null : `needs ${NAME} on PATH (Debian: apt install ${NAME})`;
}

/** Starts a browser; it ends when it is disposed of. */
export async function startChromium(): Promise<Browser> {
  // Its entry for imports names an export that Deno does not find; and 2 s of loading are for those who start one.
  const playwright: typeof import("playwright-core") = createRequire(import.meta.url)(
    "playwright-core",
  );
  return await playwright.chromium.launch({
    executablePath: pathOf(NAME),
    // Chromium refuses to sandbox what root runs, and CI runs as root. All that is opened is ours.
    args: ["--no-sandbox"],
  });
}

function pathOf(program: string): string {
  const { stdout } = new Deno.Command("which", { args: [program] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}
