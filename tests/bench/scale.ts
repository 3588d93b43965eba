/**
 * What a large cluster costs: ticks, the resident controller, agents and `decide` on a real API server with up to 5,000
 * nodes and 500 gateways, made from a fixed seed. Prints tables and keeps them in docs/benchmarks.md.
 *
 * `npm run bench:scale [-- --nodes=100,1000,5000 --gateways=10,100,500 --runs=N --only=ticks --print]`
 */
import { parseArgs } from "node:util";
import { NAMESPACE } from "../../src/core/names.ts";
import { loadCluster } from "../../src/kube/auth/load_cluster.ts";
import { createClient } from "../../src/kube/http.ts";
import { bundle } from "../../src/build/bundle.ts";
import { startControlPlane } from "../support/control_plane.ts";
import { podLike } from "./pod_like.ts";
import { machine, markdown, publish, say, type Table } from "./report.ts";
import { ScaleCluster } from "./scale_cluster.ts";
import { TICK_HEAD, tickRows } from "./scale_ticks.ts";

const PARTS = ["ticks"] as const;

const { values } = parseArgs({
  args: Deno.args,
  options: {
    nodes: { type: "string", default: "100,1000,5000" },
    gateways: { type: "string", default: "10,100,500" },
    runs: { type: "string", default: "5" },
    only: { type: "string", default: PARTS.join() },
    print: { type: "boolean", default: false },
  },
});
const numbers = (text: string) => text.split(",").map(Number);
const runs = Number(values.runs);
const parts = values.only.split(",");

const scratch = await Deno.makeTempDir({ prefix: "sallyport-bench-" });
try {
  await bundle({ outdir: `${scratch}/dist` });
  await using plane = await startControlPlane();
  await plane.createNamespace(NAMESPACE);
  const client = createClient(await loadCluster({ kubeconfig: plane.kubeconfigPath }), {
    connections: 32,
  });
  const cluster = new ScaleCluster(plane, client);
  await using pod = await podLike(plane);
  const ticks: string[][] = [];
  for (const nodes of numbers(values.nodes)) {
    say(`Filling the cluster with ${nodes} nodes`);
    await cluster.grow(nodes);
    if (!parts.includes("ticks")) continue;
    for (const gateways of numbers(values.gateways)) {
      const rows = await tickRows(cluster, { nodes, gateways, pod, scratch, runs });
      ticks.push(...rows.map((row) => [...row]));
    }
  }
  await client.close();
  const tables: Table[] = [{ title: "One tick as a process", head: TICK_HEAD, rows: ticks }];
  await show(
    "scale-ticks",
    [
      `\`npm run bench:scale\` on ${machine()}`,
      "",
      tables.map(markdown).join("\n\n"),
    ].join("\n"),
  );
} finally {
  await Deno.remove(scratch, { recursive: true });
}

async function show(name: string, text: string): Promise<void> {
  if (values.print) say(`\n${text}`);
  else await publish(name, text);
}
