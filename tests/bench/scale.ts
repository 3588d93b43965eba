/**
 * What a large cluster costs: ticks, the resident controller, agents and `decide` on a real API server with up to 5,000
 * nodes and 500 gateways, made from a fixed seed. Prints tables and keeps them in docs/benchmarks.md.
 *
 * `npm run bench:scale [-- --sizes=100x10,5000x500 --only=ticks,resident --steps=idle --runs=N --seconds=600 --print]`
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { NAMESPACE } from "../../src/core/names.ts";
import { loadCluster } from "../../src/kube/auth/load_cluster.ts";
import { createClient } from "../../src/kube/http.ts";
import { bundle } from "../../src/build/bundle.ts";
import { startControlPlane } from "../support/control_plane.ts";
import { GO_HEAD, informerRows } from "./informers.ts";
import { podLike } from "./pod_like.ts";
import { machine, markdown, publish, say, type Table } from "./report.ts";
import { AGENT_HEAD, agentRows } from "./scale_agents.ts";
import { DECIDE_HEAD, decideRows } from "./scale_decide.ts";
import { ScaleCluster } from "./scale_cluster.ts";
import { NEWS_HEAD, residentRows, REST_HEAD } from "./scale_resident.ts";
import { STEPS, TICK_HEAD, tickRows } from "./scale_ticks.ts";

const PARTS = ["ticks", "spread", "go", "resident", "agents", "decide"] as const;

/** As many as a policy may name. */
const SPREAD = 16;

const FROM_NEWS = "The resident controller: from the news until it is written";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    // Nodes x gateways, the number of nodes never less than before.
    sizes: {
      type: "string",
      default: [100, 1_000, 5_000].flatMap((nodes) =>
        [10, 100, 500].map((gateways) => `${nodes}x${gateways}`)
      ).join(),
    },
    steps: { type: "string", default: STEPS.join() },
    runs: { type: "string", default: "5" },
    seconds: { type: "string", default: "600" },
    only: { type: "string", default: PARTS.join() },
    print: { type: "boolean", default: false },
  },
});
const sizes = values.sizes.split(",").map((size) => {
  const [nodes = NaN, gateways = NaN] = size.split("x").map(Number);
  return { nodes, gateways };
});
const runs = Number(values.runs);
const seconds = Number(values.seconds);
const parts = values.only.split(",");

const scratch = await Deno.makeTempDir({ prefix: "sallyport-bench-" });
try {
  await bundle({ outdir: `${scratch}/dist` });
  await bundle({
    entries: ["scale_resident_program.ts", "scale_requests_program.ts"].map((name) =>
      fileURLToPath(new URL(name, import.meta.url))
    ),
    outdir: `${scratch}/programs`,
  });
  await using plane = await startControlPlane();
  await plane.createNamespace(NAMESPACE);
  const client = createClient(await loadCluster({ kubeconfig: plane.kubeconfigPath }), {
    connections: 32,
  });
  const cluster = new ScaleCluster(plane, client);
  await using pod = await podLike(plane);
  const go: (readonly string[])[] = [];
  const agents: (readonly string[])[] = [];
  const renewing: (readonly string[])[] = [];
  const renewed: (readonly string[])[] = [];
  const ticks: (readonly string[])[] = [];
  const spread: (readonly string[])[] = [];
  const rest: (readonly string[])[] = [];
  const news: (readonly string[])[] = [];
  for (const { nodes, gateways } of sizes) {
    say(`${nodes} nodes, ${gateways} gateways`);
    await cluster.grow(nodes);
    const steps = STEPS.filter((step) => values.steps.split(",").includes(step));
    const size = { nodes, gateways, pod, scratch, runs, steps };
    if (parts.includes("ticks")) ticks.push(...await tickRows(cluster, size));
    if (parts.includes("go")) {
      if (!parts.includes("ticks")) await cluster.reset(gateways);
      await cluster.settle();
      go.push(...await informerRows(cluster, { nodes, gateways, runs: Math.min(3, runs) }));
    }
    if (parts.includes("resident")) {
      await cluster.reset(gateways);
      const rows = await residentRows(cluster, { ...size, agents: 0, seconds });
      rest.push(rows.rest);
      news.push(...rows.news);
    }
  }
  if (parts.includes("spread")) {
    const { nodes = NaN } = sizes.at(-1) ?? {};
    const size = { nodes, gateways: SPREAD, pod, scratch, runs };
    const steps = ["first", "idle", "one failover"] as const;
    for (const isSpread of [false, true]) {
      spread.push(...await tickRows(cluster, { ...size, steps, spread: isSpread }));
    }
  }
  if (parts.includes("agents")) {
    const size = sizes.at(-1) ?? { nodes: NaN, gateways: NaN };
    const measured = await agentRows(cluster, { ...size, pod, scratch, runs, seconds });
    agents.push(...measured.rows);
    renewing.push(measured.resident.rest);
    renewed.push(...measured.resident.news);
  }
  await client.close();
  const alone = parts.includes("decide") ? decideRows() : { rows: [], fit: "" };
  // A section for each part, so that a part can be measured anew by itself.
  const sections: Readonly<Record<typeof PARTS[number], readonly Table[]>> = {
    ticks: [{ title: "One tick as a process", head: TICK_HEAD, rows: ticks }],
    spread: [{
      title: `One tick with ${SPREAD} gateways, 1 to 3 policies for each or one over all`,
      head: TICK_HEAD,
      rows: spread,
    }],
    go: [{ title: "The same reads by client-go", head: GO_HEAD, rows: go }],
    resident: [
      { title: "The resident controller at rest", head: REST_HEAD, rows: rest },
      { title: FROM_NEWS, head: NEWS_HEAD, rows: news },
    ],
    agents: [
      { title: "What agents cost", head: AGENT_HEAD, rows: agents },
      {
        title: "The resident controller beside agents that renew each second",
        head: REST_HEAD,
        rows: renewing,
      },
      { title: `${FROM_NEWS}, virtual IPs`, head: NEWS_HEAD, rows: renewed },
    ],
    decide: [{ title: `decide alone: ${alone.fit}`, head: DECIDE_HEAD, rows: alone.rows }],
  };
  for (const part of PARTS.filter((each) => parts.includes(each))) {
    const command = `\`npm run bench:scale -- --only=${part}\` on ${machine()}`;
    const text = `${command}, ${runs} runs.\n\n${sections[part].map(markdown).join("\n\n")}`;
    if (values.print) say(`\n${text}`);
    else await publish(`scale-${part}`, text);
  }
} finally {
  await Deno.remove(scratch, { recursive: true });
}
