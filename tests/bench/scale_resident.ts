/** The resident controller on a large cluster: what it costs while nothing happens, and how soon a failover is written. */
import { PATHS } from "../../src/cluster/resources.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { list } from "../../src/kube/list.ts";
import { watch } from "../../src/kube/watch.ts";
import { freePort } from "../support/free_port.ts";
import { eventually } from "../support/raw_api.ts";
import { pause } from "../lab/wait.ts";
import { cpuMilliseconds, residentMegabytes } from "./idle_cost.ts";
import { DENO, imageFlags, spread } from "./measure.ts";
import type { PodLike } from "./pod_like.ts";
import { bytes, say, type Table } from "./report.ts";
import type { ScaleCluster } from "./scale_cluster.ts";
import { gatewayName } from "./scale_objects.ts";

/** What a resident controller has sent and received so far. */
export interface Counts {
  /** Without watches. */
  readonly requests: number;
  readonly writes: number;
  /** Begun. */
  readonly watches: number;
  /** Of answers and watches, those of Leases left out. */
  readonly bytes: number;
  /** Of the watch of Leases: what agents' renewals cost. */
  readonly leaseBytes: number;
  readonly ticks: number;
  readonly looks: number;
}

export const REST_HEAD = [
  "nodes",
  "gateways",
  "agents",
  "over",
  "requests",
  "received",
  "received of renewals",
  "writes",
  "CPU, of a core",
  "memory at its beginning, end, peak",
  "API server's CPU, of a core",
  "target",
];

export const NEWS_HEAD = [
  "nodes",
  "gateways",
  "agents",
  "what moves",
  "first gateway written",
  "all written",
  "controller's writes",
  "target",
];

export interface ResidentOptions {
  readonly nodes: number;
  readonly gateways: number;
  readonly agents: number;
  readonly pod: PodLike;
  readonly scratch: string;
  readonly seconds: number;
  readonly runs: number;
}

export interface ResidentRows {
  readonly rest: readonly string[];
  readonly news: Table["rows"];
}

const REST_TARGETS: Readonly<Record<string, string>> = {
  "1000 10": "< 3 requests/s, < 20 kB/s",
  "5000 500": "< 160 MB, flat",
};

/** On a cluster whose gateways are served. */
export async function residentRows(
  cluster: ScaleCluster,
  options: ResidentOptions,
): Promise<ResidentRows> {
  const { nodes, gateways, agents, seconds, runs } = options;
  await cluster.settle();
  await using controller = await startResident(options);
  await pause(10_000);
  const rest = await atRest(cluster, { controller, seconds });
  const row = [
    String(nodes),
    String(gateways),
    String(agents),
    `${seconds} s`,
    ...rest,
    REST_TARGETS[`${nodes} ${gateways}`] ?? "",
  ];
  say(row.join(" | "));
  const news: string[][] = [];
  for (const what of ["one", "many"] as const) {
    const moves: Move[] = [];
    for (let run = 0; run < runs; run++) moves.push(await moveOnce(cluster, { controller, what }));
    news.push([
      String(nodes),
      String(gateways),
      String(agents),
      what === "one" ? "1 gateway" : `${cluster.crowd} gateways`,
      times(moves.map(({ first }) => first)),
      times(moves.map(({ last }) => last)),
      counted(moves.map(({ writes }) => writes)),
      what === "one" && nodes === 5_000 && gateways === 500 ? "< 0.3 s" : "",
    ]);
    say(news.at(-1)?.join(" | ") ?? "");
  }
  return { rest: row, news };
}

interface Resident extends AsyncDisposable {
  readonly pid: number;
  counts(): Promise<Counts>;
}

async function startResident(
  { pod, scratch }: Pick<ResidentOptions, "pod" | "scratch">,
): Promise<Resident> {
  const port = freePort();
  const image = await imageFlags("server");
  const [file = "", ...args] = [
    ...pod.prefix,
    ...DENO.plain,
    `${scratch}/programs/scale_resident_program.js`,
  ];
  const child = new Deno.Command(file, {
    args,
    env: { ...pod.env, ...image.env, DENO_DIR: `${scratch}/deno`, SALLYPORT_PORT: String(port) },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  const answers = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await eventually("the controller is ready", async () => {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    await response?.body?.cancel();
    return response?.ok === true;
  }, { timeoutMilliseconds: 60_000 });
  return {
    pid: child.pid,
    async counts() {
      await input.write(new TextEncoder().encode("\n"));
      let text = "";
      while (!text.endsWith("\n")) {
        const { value } = await answers.read();
        if (value === undefined) throw new Error("Cannot count: the controller has ended");
        text += value;
      }
      return JSON.parse(text);
    },
    async [Symbol.asyncDispose]() {
      await input.close();
      await answers.cancel();
      await child.status;
    },
  };
}

async function atRest(
  { plane }: ScaleCluster,
  { controller, seconds }: { readonly controller: Resident; readonly seconds: number },
): Promise<readonly string[]> {
  const { pid } = controller;
  const { apiServer } = plane.pids();
  const begun = performance.now();
  const before = await controller.counts();
  const cpu = [pid, apiServer].map(cpuMilliseconds);
  const begin = residentMegabytes(pid);
  await pause(seconds * 1_000);
  const after = await controller.counts();
  const passed = performance.now() - begun;
  const [own = NaN, server = NaN] = [pid, apiServer].map((each, index) =>
    (cpuMilliseconds(each) - (cpu[index] ?? NaN)) / passed * 100
  );
  const perSecond = (key: keyof Counts) => (after[key] - before[key]) / passed * 1_000;
  return [
    `${perSecond("requests").toFixed(2)} a second`,
    `${bytes(Math.round(perSecond("bytes")))} a second`,
    `${bytes(Math.round(perSecond("leaseBytes")))} a second`,
    String(after.writes - before.writes),
    `${own.toFixed(1)} %`,
    `${begin.toFixed(0)}, ${residentMegabytes(pid).toFixed(0)}, ${
      peakMegabytes(pid).toFixed(0)
    } MB`,
    `${server.toFixed(1)} %`,
  ];
}

function peakMegabytes(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]) / 1024;
}

interface Move {
  /** Milliseconds from when the API server had taken the cordon. */
  readonly first: number;
  readonly last: number;
  readonly writes: number;
}

/** The holder is cordoned; until each of its gateways is active elsewhere, its policies written. */
async function moveOnce(
  cluster: ScaleCluster,
  { controller, what }: { readonly controller: Resident; readonly what: "one" | "many" },
): Promise<Move> {
  await cluster.uncordon(what);
  const before = await writesAtRest(controller);
  const count = what === "one" ? 1 : cluster.crowd;
  const names = Array.from(
    { length: count },
    (_, index) => gatewayName(index + +(what === "many")),
  );
  const old = await cluster.holders();
  const { moved } = await followMoves(cluster.client, { names, old });
  const at = await cluster.cordonHolder(what);
  const seen = await moved;
  const writes = await writesAtRest(controller) - before;
  return { first: (seen[0] ?? NaN) - at, last: (seen.at(-1) ?? NaN) - at, writes };
}

/** How much the controller has written, once it has not written for a while. */
async function writesAtRest(controller: Resident): Promise<number> {
  for (let last = NaN;;) {
    const { writes } = await controller.counts();
    if (writes === last) return writes;
    last = writes;
    await pause(2_500);
  }
}

/** When each of these gateways is seen active on another node. */
async function followMoves(
  client: KubeClient,
  { names, old }: { readonly names: readonly string[]; readonly old: ReadonlyMap<string, string> },
): Promise<{ readonly moved: Promise<readonly number[]> }> {
  const { resourceVersion } = await list(client, PATHS.EgressGateway, { decode: () => undefined });
  const stop = AbortSignal.timeout(60_000);
  const missing = new Set(names);
  const seen: number[] = [];
  const following = async (): Promise<readonly number[]> => {
    for await (
      const { object } of watch(client, PATHS.EgressGateway, { resourceVersion, signal: stop })
    ) {
      const { metadata: { name = "" }, status = {} } = object as {
        readonly metadata: { readonly name?: string };
        readonly status?: { readonly activeNodeName?: string; readonly phase?: string };
      };
      if (status.phase !== "Active" || status.activeNodeName === old.get(name)) continue;
      if (missing.delete(name)) seen.push(performance.now());
      if (missing.size === 0) break;
    }
    return seen;
  };
  return { moved: following() };
}

function times(values: readonly number[]): string {
  const { least, median, most } = spread(values);
  const text = (milliseconds: number) => (milliseconds / 1_000).toFixed(2);
  return `${text(median)} s (${text(least)} to ${text(most)})`;
}

function counted(values: readonly number[]): string {
  const { least, median, most } = spread(values);
  return least === most ? String(median) : `${median} (${least} to ${most})`;
}
