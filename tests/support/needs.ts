/**
 * Tests that need something of the machine (root, a program, a real component) and say why when they are skipped.
 *
 * The reason is part of the skipped test's name, so every report shows it.
 */
import { isOnPath } from "../../src/build/go_build.ts";

/** What a test needs: a sentence that says what is missing, or null when it is there. */
export type Need = () => string | null;

/** Registers a test that runs when all needs are met and is otherwise skipped with the first reason. */
export function testWith(
  needs: readonly Need[],
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  const reason = missing(needs);
  if (reason === null) Deno.test(name, fn);
  else Deno.test({ name: `${name} (skipped: ${reason})`, ignore: true, fn });
}

/** The first unmet need, or null. */
export function missing(needs: readonly Need[]): string | null {
  for (const need of needs) {
    const reason = need();
    if (reason !== null) return reason;
  }
  return null;
}

/** The effective user is root. */
export function root(): string | null {
  return Deno.uid() === 0 ? null : "needs root";
}

/** Programs that are found on PATH. */
export function programs(...names: readonly string[]): Need {
  return () => {
    const absent = names.filter((name) => !isOnPath(name));
    return absent.length === 0 ? null : `needs ${absent.join(", ")}`;
  };
}

/** A file, for instance a binary that a build leaves. */
export function file(path: string, hint: string): Need {
  return () => exists(path) ? null : `needs ${hint}`;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
