/** One-shot ticks on a large cluster: the bundled `functions/tick.ts`, from its process's start to its exit. */
import type { KubeClient, Traffic } from "../../src/kube/client.ts";
import { createClient } from "../../src/kube/http.ts";
import { oneShot, type Work, workOf } from "../support/one_shot.ts";
import { cpuMilliseconds } from "./idle_cost.ts";
import { type Cost, DENO, imageFlags, runToExit, spread } from "./measure.ts";
import type { PodLike } from "./pod_like.ts";
import { bytes, costCells, say, type Table } from "./report.ts";
import type { ScaleCluster } from "./scale_cluster.ts";
import { writeScript } from "./scale_requests.ts";

export const STEPS = ["first", "idle", "one failover", "50 failovers"] as const;
export type Step = typeof STEPS[number];

export const TICK_HEAD = [
  "nodes",
  "gateways",
  "tick",
  "wall time",
  "CPU time",
  "peak memory",
  "requests",
  "read",
  "writes",
  "API server's CPU time",
  "target",
];

/** What sends an idle tick's requests again, and drops the answers. */
const CLIENTS = ["undici", "fetch"] as const;

/** What a row is of: a tick, or its requests alone. */
type Subject = Step | typeof CLIENTS[number];

interface Sample extends Cost {
  readonly subject: Subject;
  /** CPU time of the API server meanwhile. */
  readonly serverMilliseconds: number;
}

export interface TickRowsOptions {
  readonly nodes: number;
  readonly gateways: number;
  readonly pod: PodLike;
  /** Where the bundles and Deno's code cache are. */
  readonly scratch: string;
  /** Of idle ticks; of the others, which take long to prepare, three. */
  readonly runs: number;
  readonly steps: readonly Step[];
  /** One policy over all gateways. */
  readonly spread?: boolean;
}

const TARGETS: Readonly<Record<string, string>> = {
  "5000 10 idle": "< 0.35 s, < 90 MB",
  "5000 500 idle": "< 0.8 s, < 128 MB",
};

/**
 * The rows of one size: each step RUNS times as a process, and once more within this one, whose requests are counted. After each
 * idle tick its requests are sent again by themselves.
 */
export async function tickRows(
  cluster: ScaleCluster,
  { nodes, gateways, pod, scratch, runs, steps, spread: isSpread = false }: TickRowsOptions,
): Promise<Table["rows"]> {
  const command = [...pod.prefix, ...DENO.measured, `${scratch}/dist/tick.js`];
  const image = await imageFlags("tick");
  const env = { ...pod.env, ...image.env, DENO_DIR: `${scratch}/deno` };
  const alone = [...pod.prefix, ...DENO.measured, `${scratch}/programs/scale_requests_program.js`];
  const script = `${scratch}/requests.json`;
  const samples: Sample[] = [];
  const measure = async (subject: Subject, line: readonly string[]) => {
    const { apiServer } = cluster.plane.pids();
    const before = cpuMilliseconds(apiServer);
    const cost = await runToExit(line, { env: { ...env, REQUESTS: script } });
    samples.push({ subject, ...cost, serverMilliseconds: cpuMilliseconds(apiServer) - before });
  };
  const times = (step: Step) => step === "idle" ? runs : Math.min(runs, 3);
  await cluster.reset(gateways, { spread: isSpread });
  // Fills the code cache, and makes all there is to make.
  await cluster.settle();
  await runToExit(command, { env });
  for (const step of steps) {
    for (let run = 0; run < times(step); run++) {
      await prepare(cluster, { step, gateways, isSpread });
      await measure(step, command);
      await check(cluster, { step, gateways, isSpread });
      if (step !== "idle") continue;
      await writeScript(script, cluster);
      for (const each of CLIENTS) await measure(each, [...alone, each]);
    }
  }
  const rows: string[][] = [];
  for (const step of steps) {
    await prepare(cluster, { step, gateways, isSpread });
    const work = await countWork(cluster.client);
    for (const subject of step === "idle" ? [step, ...CLIENTS] as const : [step]) {
      const taken = samples.filter((sample) => sample.subject === subject);
      rows.push([
        String(nodes),
        isSpread ? `${gateways}, one policy` : String(gateways),
        subject === step ? step : `${step}: its requests by ${subject} alone`,
        ...costCells(taken),
        String(work.requests),
        bytes(work.bytes),
        String(work.writes),
        `${(spread(taken.map((each) => each.serverMilliseconds)).median / 1_000).toFixed(2)} s`,
        TARGETS[`${nodes} ${gateways} ${subject}`] ?? "",
      ]);
      say(rows.at(-1)?.join(" | ") ?? "");
    }
  }
  return rows;
}

interface Situation {
  readonly step: Step;
  readonly gateways: number;
  readonly isSpread: boolean;
}

const moved = new WeakMap<ScaleCluster, ReadonlyMap<string, string>>();

async function prepare(
  cluster: ScaleCluster,
  { step, gateways, isSpread }: Situation,
): Promise<void> {
  if (step === "first") return await cluster.reset(gateways, { spread: isSpread });
  const what = step === "one failover" ? "one" : "many";
  await cluster.uncordon(what);
  await cluster.settle();
  moved.set(cluster, await cluster.holders());
  if (step !== "idle") await cluster.cordonHolder(what);
}

/** A tick that did something else than it was for is not worth a figure. */
async function check(cluster: ScaleCluster, { step, gateways }: Situation): Promise<void> {
  const after = await cluster.holders();
  const before = moved.get(cluster);
  const changed = [...after].filter(([name, holder]) => before?.get(name) !== holder).length;
  const expected = { first: undefined, idle: 0, "one failover": 1, "50 failovers": cluster.crowd };
  const wanted = expected[step];
  if (after.size !== gateways || (wanted !== undefined && changed !== wanted)) {
    throw new Error(
      `Cannot measure '${step}': ${after.size} of ${gateways} gateways are served, ${changed} moved, not ${wanted}`,
    );
  }
}

async function countWork(like: KubeClient): Promise<Work> {
  const seen: Traffic[] = [];
  const client = createClient(like.cluster, { onRequest: (one) => seen.push(one) });
  await oneShot(client);
  await client.close();
  return workOf(seen);
}
