/** Tables on the terminal and in `docs/benchmarks.md`. */
import os from "node:os";
import { fileURLToPath } from "node:url";
import { type Cost, type Spread, spread } from "./measure.ts";

const FILE = fileURLToPath(new URL("../../docs/benchmarks.md", import.meta.url));

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Heads of the cells that `costCells` gives. */
export const COST_HEADS = ["wall time", "CPU time", "peak memory"] as const;

export function costCells(costs: readonly Cost[]): readonly string[] {
  return [
    seconds(spread(costs.map(({ milliseconds }) => milliseconds))),
    seconds(spread(costs.map(({ cpuMilliseconds }) => cpuMilliseconds))),
    megabytes(spread(costs.map((cost) => cost.megabytes))),
  ];
}

/** As `0.21 s (0.19 to 0.30)`. */
function seconds({ least, median, most }: Spread): string {
  const text = (milliseconds: number) => (milliseconds / 1000).toFixed(2);
  return `${text(median)} s (${text(least)} to ${text(most)})`;
}

/** As `61 MB (60 to 63)`. */
function megabytes({ least, median, most }: Spread): string {
  return `${median.toFixed(0)} MB (${least.toFixed(0)} to ${most.toFixed(0)})`;
}

export function bytes(count: number): string {
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)} MB`;
  return count >= 1e3 ? `${(count / 1e3).toFixed(1)} kB` : `${count} B`;
}

/** Cores and memory; nothing that names the machine. */
export function machine(): string {
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const load = os.loadavg()[0]?.toFixed(1);
  return `${os.availableParallelism()} cores, ${memory} GB, ${os.type()} ${os.arch()}, Deno ${Deno.version.deno}, ` +
    `load ${load} from this and other work`;
}

/** Prints text and puts it between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; adds these where they are not. */
export async function publish(name: string, text: string): Promise<void> {
  say(`\n${text}`);
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const section = `${begin}\n\n${text.trim()}\n\n${end}`;
  const page = await Deno.readTextFile(FILE).catch(() => "# Benchmarks\n");
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  await Deno.writeTextFile(
    FILE,
    from < 0 || to < from
      ? `${page.trimEnd()}\n\n${section}\n`
      : page.slice(0, from) + section + page.slice(to + end.length),
  );
}

/** A table as Markdown, its columns aligned. */
export function markdown({ title, head, rows }: Table): string {
  const width = head.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => (row[column] ?? "").length))
  );
  const line = (cells: readonly string[]) =>
    `| ${width.map((size, column) => (cells[column] ?? "").padEnd(size)).join(" | ")} |`;
  const rule = `|${width.map((size) => "-".repeat(size + 2)).join("|")}|`;
  return [`**${title}**`, "", line(head), rule, ...rows.map(line)].join("\n");
}

export function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
