/** What a run of tests came to, in the runner's own words. */
export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  /** Names of ignored tests; by convention a name ends in `(skipped: REASON)`, see tests/support/needs.ts. */
  readonly skipped: readonly string[];
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

/**
 * Reads the JUnit file that `deno test --junit-path` writes.
 *
 * Deno 2.9 lists tests that a filter left out as skipped too, but without a `time`: those are not counted.
 */
export function readJunit(xml: string): TestReport {
  let passed = 0;
  let failed = 0;
  const skipped: string[] = [];
  for (
    const [, attributes = "", body = ""] of xml.matchAll(
      /<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs,
    )
  ) {
    if (/<(failure|error)\b/.test(body)) failed++;
    else if (!/<skipped\b/.test(body)) passed++;
    else if (/\stime="/.test(attributes)) {
      skipped.push(unescape(/\sname="([^"]*)"/.exec(attributes)?.[1] ?? "?"));
    }
  }
  return { passed, failed, skipped };
}

function unescape(text: string): string {
  return text.replace(/&(\w+|#x?[0-9a-fA-F]+);/g, (whole, entity: string) => {
    if (!entity.startsWith("#")) return ENTITIES[entity] ?? whole;
    const code = entity.startsWith("#x")
      ? parseInt(entity.slice(2), 16)
      : parseInt(entity.slice(1));
    return String.fromCodePoint(code);
  });
}
