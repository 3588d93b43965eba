/** The same reads by client-go: `tests/support/go/informers`, built when this machine has none yet. */
import { fileURLToPath } from "node:url";
import { cached, digest } from "../../src/build/cache.ts";
import { goBuild, hasGo, say as sayBuild } from "../../src/build/go_build.ts";
import { NAMESPACE } from "../../src/core/names.ts";
import { cpuMilliseconds } from "./idle_cost.ts";
import { spread } from "./measure.ts";
import { bytes, say, type Table } from "./report.ts";
import type { ScaleCluster } from "./scale_cluster.ts";
import { POOL_LABEL } from "./scale_objects.ts";

const SOURCE = fileURLToPath(new URL("../support/go/informers", import.meta.url));

export const GO_HEAD = [
  "nodes",
  "gateways",
  "program",
  "objects kept",
  "wall time",
  "CPU time",
  "peak memory",
  "requests",
  "bodies",
  "on the wire",
  "API server's CPU time",
];

const MODES = {
  lists: "Go, typed lists of the same",
  selected: "Go, informers: nodes by label, all Cilium pods, what no decision needs left out",
  informers: "Go, informers: all nodes, all Cilium pods",
} as const;

interface Told {
  readonly requests: number;
  readonly bodies: number;
  readonly network: number;
  readonly objects: number;
}

/** One row for each way; none on a machine without Go. */
export async function informerRows(
  cluster: ScaleCluster,
  { nodes, gateways, runs }: {
    readonly nodes: number;
    readonly gateways: number;
    readonly runs: number;
  },
): Promise<Table["rows"]> {
  if (!hasGo()) return [];
  const program = await cached(await entry(), async (output) => {
    sayBuild("Building the Go informers, once for this machine: a minute or two");
    await goBuild({
      name: "the informers",
      cwd: SOURCE,
      args: ["-ldflags=-s -w", "-o", output, "."],
    });
  });
  const rows: string[][] = [];
  for (const mode of ["lists", "selected", "informers"] as const) {
    const taken = [];
    for (let run = 0; run < runs; run++) taken.push(await runOnce(cluster, { program, mode }));
    const text = (values: readonly number[], digits: number) => {
      const { least, median, most } = spread(values);
      return [median, least, most].map((value) => value.toFixed(digits));
    };
    const seconds = (values: readonly number[]) => {
      const [median, least, most] = text(values.map((value) => value / 1_000), 2);
      return `${median} s (${least} to ${most})`;
    };
    const [megabytes, least, most] = text(taken.map((each) => each.megabytes), 0);
    const { objects = NaN, requests = NaN, bodies = NaN, network = NaN } = taken[0]?.told ?? {};
    rows.push([
      String(nodes),
      String(gateways),
      MODES[mode],
      String(objects),
      seconds(taken.map(({ milliseconds }) => milliseconds)),
      seconds(taken.map(({ cpu }) => cpu)),
      `${megabytes} MB (${least} to ${most})`,
      String(requests),
      bytes(bodies),
      bytes(network),
      seconds(taken.map(({ server }) => server)),
    ]);
    say(rows.at(-1)?.join(" | ") ?? "");
  }
  return rows;
}

/** From its start until everything is read. */
async function runOnce(
  { plane }: ScaleCluster,
  { program, mode }: { readonly program: string; readonly mode: keyof typeof MODES },
): Promise<{
  readonly told: Told;
  readonly milliseconds: number;
  readonly cpu: number;
  readonly server: number;
  readonly megabytes: number;
}> {
  const { apiServer } = plane.pids();
  const before = cpuMilliseconds(apiServer);
  const start = performance.now();
  const child = new Deno.Command(program, {
    // A shell in between would be measured too; the process waits for its input to end in every mode.
    args: [mode, plane.kubeconfigPath, POOL_LABEL, NAMESPACE],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const answers = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await answers.read();
  const milliseconds = performance.now() - start;
  if (value === undefined) throw new Error(`Cannot measure ${mode}: the program has ended`);
  const cpu = cpuMilliseconds(child.pid);
  const status = await Deno.readTextFile(`/proc/${child.pid}/status`);
  const megabytes = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
  const server = cpuMilliseconds(apiServer) - before;
  await child.stdin.close();
  await answers.cancel();
  await child.status;
  return { told: JSON.parse(value), milliseconds, cpu, server, megabytes };
}

async function entry(): Promise<string> {
  const texts = await Promise.all(
    ["go.mod", "go.sum", "main.go"].map((file) => Deno.readTextFile(`${SOURCE}/${file}`)),
  );
  return `informers-${digest(...texts)}`;
}
