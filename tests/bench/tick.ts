/**
 * What one tick costs: the bundled `functions/tick.ts`, from the process's start to its exit, on a real API server with
 * 3, 100 and 1,000 nodes. Prints tables and keeps them in docs/benchmarks.md.
 *
 * `npm run bench [-- tick] [--runs=N] [--sizes=3,100] [--print]`; `--print` leaves the page alone.
 */
import { parseArgs } from "node:util";
import { loadCluster } from "../../src/kube/auth/load_cluster.ts";
import type { KubeClient, Traffic } from "../../src/kube/client.ts";
import { createClient } from "../../src/kube/http.ts";
import { oneShot, type Work, workOf } from "../support/one_shot.ts";
import { NAMESPACE } from "../../src/core/names.ts";
import { startControlPlane } from "../support/control_plane.ts";
import { bundle } from "../../src/build/bundle.ts";
import { type Cost, DENO, findNode, type Runtime, runToExit } from "./measure.ts";
import { type PodLike, podLike } from "./pod_like.ts";
import {
  bytes,
  COST_HEADS,
  costCells,
  machine,
  markdown,
  publish,
  say,
  type Table,
} from "./report.ts";
import { standInAgents } from "../support/stand_in_agents.ts";
import { type Mode, TickCluster } from "./tick_cluster.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    runs: { type: "string", default: "7" },
    sizes: { type: "string", default: "3,100,1000" },
    print: { type: "boolean", default: false },
  },
});
const RUNS = Number(values.runs);
const SIZES = values.sizes.split(",").map(Number);

const STEPS = ["cold", "idle", "failover"] as const;
type Step = typeof STEPS[number];

/** Issue 3: a cold tick at 3 nodes; issue 6: to exit at three nodes. An idle tick writes nothing. */
const TARGETS = { cold: "< 0.5 s, < 100 MB", idle: "< 0.35 s, < 80 MB", failover: "1 process" };

const scratch = await Deno.makeTempDir({ prefix: "sallyport-bench-" });
try {
  await bundle({ outdir: `${scratch}/dist` });
  await using plane = await startControlPlane();
  await plane.createNamespace(NAMESPACE);
  const client = createClient(await loadCluster({ kubeconfig: plane.kubeconfigPath }));
  const cluster = new TickCluster(plane, client);
  await using pod = await podLike(plane);
  const tables = await measure(cluster, pod);
  await client.close();
  const text = [
    `\`npm run bench\` on ${machine()}: the bundled \`functions/tick.ts\`, from its process's start to its exit, against a real`,
    "kube-apiserver and etcd on the same machine. Nodes of about 10 kB and Cilium pods of about 8 kB, two gateways and three",
    `policies (\`k8s/examples/demo\`), up to 10 candidates. Authenticated by ${pod.how}. Median of ${RUNS} runs (least to most).`,
    "",
    tables.map(markdown).join("\n\n"),
  ].join("\n");
  if (values.print) say(`\n${text}`);
  else await publish("tick", text);
} finally {
  await Deno.remove(scratch, { recursive: true });
}

async function measure(cluster: TickCluster, pod: PodLike): Promise<readonly Table[]> {
  let starts: Table | undefined;
  const rows: Record<Mode, string[][]> = { primary: [], vip: [] };
  for (const size of SIZES) {
    say(`Filling the cluster with ${size} nodes`);
    await cluster.grow(size);
    await using agents = standInAgents(cluster.client, cluster.candidates);
    await agents.renewed;
    for (const mode of ["primary", "vip"] as const) {
      const command = [...pod.prefix, ...DENO.measured, `${scratch}/dist/tick.js`];
      const costs = Map.groupBy(await cycles(cluster, { mode, pod, command }), ({ step }) => step);
      const work = await countWork(cluster, mode);
      for (const step of STEPS) {
        const target = size === 3 || step !== "cold" ? TARGETS[step] : "";
        rows[mode].push(row({ size, step, target }, costs.get(step) ?? [], work[step]));
      }
    }
    starts ??= await measureStarts(cluster, { pod, size });
  }
  const head = ["nodes", "tick", ...COST_HEADS, "requests", "read", "writes", "target"];
  return [
    { title: "Addresses of the nodes", head, rows: rows.primary },
    {
      title: "One gateway with a virtual IP (the new holder's agent is waited for)",
      head,
      rows: rows.vip,
    },
    ...starts === undefined ? [] : [starts],
  ];
}

function row(
  { size, step, target }: { readonly size: number; readonly step: Step; readonly target: string },
  costs: readonly Cost[],
  work: Work,
): string[] {
  return [
    String(size),
    step,
    ...costCells(costs),
    String(work.requests),
    bytes(work.bytes),
    String(work.writes),
    size > 3 && step === "idle" ? "0 writes" : step === "idle" ? `${target}, 0 writes` : target,
  ];
}

interface Sample extends Cost {
  readonly step: Step;
}

/** One run that is not counted, which fills Deno's code cache, then RUNS of cold, idle and failover. */
async function cycles(
  cluster: TickCluster,
  { mode, pod, command }: {
    readonly mode: Mode;
    readonly pod: PodLike;
    readonly command: readonly string[];
  },
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const env = { ...pod.env, DENO_DIR: `${scratch}/deno` };
  for (let run = -1; run < RUNS; run++) {
    const counted = new Map<Step, Sample>();
    await inTurn(cluster, mode, {
      run: async (step) => void counted.set(step, { step, ...await runToExit(command, { env }) }),
    });
    if (run >= 0) samples.push(...counted.values());
  }
  return samples;
}

/** The same again within this process, whose requests are counted. */
async function countWork(cluster: TickCluster, mode: Mode): Promise<Record<Step, Work>> {
  const work: Partial<Record<Step, Work>> = {};
  const seen: Traffic[] = [];
  const client: KubeClient = createClient(cluster.client.cluster, {
    onRequest: (one) => seen.push(one),
  });
  await inTurn(cluster, mode, {
    async run(step) {
      seen.length = 0;
      await oneShot(client);
      work[step] = workOf(seen);
    },
  });
  await client.close();
  return work as Record<Step, Work>;
}

/** Brings about each situation, has it met by a run, and makes sure that the run did what it was for. */
async function inTurn(
  cluster: TickCluster,
  mode: Mode,
  { run }: { readonly run: (step: Step) => Promise<void> },
): Promise<void> {
  await cluster.reset(mode);
  await run("cold");
  const first = await cluster.holders();
  check([...first.values()].every((holder) => holder !== ""), "a cold tick elects");
  await idle(cluster, { run });
  await cluster.cordon(first.values());
  await run("failover");
  const second = await cluster.holders();
  check([...first].every(([name, holder]) => second.get(name) !== holder), "one process moves it");
}

/** On a machine that is too busy the stand-in agents' heartbeats are late, and then there is something to write. */
async function idle(
  cluster: TickCluster,
  { run }: { readonly run: (step: Step) => Promise<void> },
): Promise<void> {
  for (let attempt = 1;; attempt++) {
    await cluster.settle();
    const before = await cluster.fingerprint();
    await run("idle");
    if (await cluster.fingerprint() === before) return;
    check(attempt < 3, "an idle tick writes nothing");
    say("Once more, as something was to be written");
  }
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`Cannot go on as this does not hold: ${what}`);
}

/** An idle tick at three nodes, started in other ways; in turn, so that a noisy machine disturbs all alike. */
async function measureStarts(
  cluster: TickCluster,
  { pod, size }: { readonly pod: PodLike; readonly size: number },
): Promise<Table> {
  await cluster.settle();
  const bundled = `${scratch}/dist/tick.js`;
  const cached = { DENO_DIR: `${scratch}/deno` };
  const named = { ...cached, SALLYPORT_KUBECONFIG: cluster.plane.kubeconfigPath };
  const node = await findNode();
  const of = (runtime: Runtime) => [...pod.prefix, ...runtime.measured, bundled];
  const starts: readonly {
    name: string;
    command: readonly string[];
    env: Record<string, string>;
  }[] = [
    { name: `Deno, ${pod.how}`, command: of(DENO), env: { ...pod.env, ...cached } },
    {
      name: "the same without a code cache (DENO_DIR empty or not writable)",
      command: of(DENO),
      env: { ...pod.env, DENO_DIR: "/proc/none" },
    },
    { name: "Deno, a kubeconfig", command: [...DENO.measured, bundled], env: named },
    ...node === undefined ? [] : [
      { name: `${node.name}, ${pod.how}`, command: of(node), env: { ...pod.env } },
      { name: `${node.name}, a kubeconfig`, command: [...node.measured, bundled], env: named },
    ],
  ];
  const costs = starts.map((): Cost[] => []);
  for (let run = -1; run < RUNS; run++) {
    for (const [index, { command, env }] of starts.entries()) {
      const cost = await runToExit(command, { env });
      if (run >= 0) costs[index]?.push(cost);
    }
  }
  return {
    title: `An idle tick at ${size} nodes by how it is started`,
    head: ["started as", ...COST_HEADS],
    rows: starts.map(({ name }, index) => [
      name,
      ...costCells(costs[index] ?? []),
    ]),
  };
}
