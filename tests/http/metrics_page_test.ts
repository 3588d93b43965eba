/** `docs/metrics.md` lists the metrics that there are. `UPDATE_PAGES=1` writes its tables anew. */
import assert from "node:assert/strict";
import { NOT_STARTED } from "../../src/agent/agent_status.ts";
import { createMetrics } from "../../src/controller/metrics.ts";
import { agentMetrics } from "../../src/http/agent_metrics.ts";

const PAGE = new URL("../../docs/metrics.md", import.meta.url);

const SCRAPES: Readonly<Record<string, () => Promise<string>>> = {
  "The controller": () => createMetrics().text(),
  "The agent": () => agentMetrics(NOT_STARTED),
};

/** Of the HELP and TYPE lines, sorted by name. */
function tableOf(scrape: string): string {
  const types = new Map(
    [...scrape.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]),
  );
  const rows = [...scrape.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) =>
    `| \`${name}\` | ${types.get(name)} | ${help} |`
  );
  return ["| metric | type | what it is |", "|---|---|---|", ...rows.sort()].join("\n");
}

for (const [title, scrape] of Object.entries(SCRAPES)) {
  Deno.test(`docs/metrics.md lists the metrics of ${title.toLowerCase()}`, async () => {
    const page = await Deno.readTextFile(PAGE);
    const [before, section = ""] = page.split(`## ${title}\n`);
    const table = /^\|[^]*?\|\n(?!\|)/m.exec(section)?.[0].trimEnd() ?? "";
    const wanted = tableOf(await scrape());
    if (Deno.env.get("UPDATE_PAGES") === "1") {
      const text = section.replace(table, () => wanted);
      await Deno.writeTextFile(PAGE, `${before}## ${title}\n${text}`);
      return;
    }
    assert.equal(table, wanted, "Run: UPDATE_PAGES=1 npm test -- tests/http/metrics_page_test.ts");
  });
}
