/**
 * Cold starts: time and peak memory of each function's bundle from its process's start until it is of use, at three
 * nodes. Prints a table and keeps it in docs/benchmarks.md.
 *
 * `npm run bench:cold [-- --runs=N --print]`; `--print` leaves the page alone.
 */
import { parseArgs } from "node:util";
import { NAMESPACE } from "../../src/core/names.ts";
import { loadCluster } from "../../src/kube/auth/load_cluster.ts";
import { createClient } from "../../src/kube/http.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { startControlPlane } from "../support/control_plane.ts";
import { bundle } from "../../src/build/bundle.ts";
import { nodeName } from "./cluster_objects.ts";
import {
  type Cost,
  DENO,
  findNode,
  imageFlags,
  type Runtime,
  runToExit,
  runUntil,
} from "./measure.ts";
import { podLike } from "./pod_like.ts";
import { COST_HEADS, costCells, machine, markdown, publish, say } from "./report.ts";
import { SmallCluster } from "./small_cluster.ts";
import { freePort } from "../support/free_port.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { runs: { type: "string", default: "7" }, print: { type: "boolean", default: false } },
});
const RUNS = Number(values.runs);

const PING = {
  "ce-specversion": "1.0",
  "ce-id": "1",
  "ce-source": "/bench",
  "ce-type": "dev.knative.sources.ping",
};

interface Start {
  readonly name: string;
  readonly until: string;
  readonly target: string;
  run(runtime: Runtime): Promise<Cost>;
}

const scratch = await Deno.makeTempDir({ prefix: "sallyport-bench-" });
try {
  const bundles = await bundle({ outdir: `${scratch}/dist` });
  const kilobytes = (name: string) => {
    const found = bundles.find(({ path }) => path.endsWith(`/${name}.js`));
    return `${((found?.bytes ?? NaN) / 1000).toFixed(0)} kB`;
  };
  await using plane = await startControlPlane();
  await plane.createNamespace(NAMESPACE);
  const client = createClient(await loadCluster({ kubeconfig: plane.kubeconfigPath }));
  const cluster = new SmallCluster(plane, client);
  await cluster.fill(3);
  await cluster.settle();
  await using pod = await podLike(plane);
  const node = await findNode();
  const agentImage = await imageFlags("agent");

  const env = (more: Readonly<Record<string, string>> = {}) => ({
    ...pod.env,
    DENO_DIR: `${scratch}/deno`,
    SALLYPORT_STATE_DIRECTORY: `${scratch}/state`,
    ...more,
  });
  const file = (name: string) => `${scratch}/dist/${name}.js`;
  const answers = (port: number, path: string, init?: RequestInit) => async () => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
    await response.body?.cancel();
    return response.ok;
  };

  const starts: readonly Start[] = [{
    name: "tick",
    until: "exit, nothing to do",
    target: "< 0.35 s, < 80 MB",
    run: ({ measured }) => runToExit([...pod.prefix, ...measured, file("tick")], { env: env() }),
  }, {
    name: "server",
    until: "`/readyz` answers 200: a tick has succeeded",
    target: "",
    run: async ({ plain }) => {
      const port = freePort();
      return await runUntil([...pod.prefix, ...plain, file("server")], {
        env: env({ SALLYPORT_PORT: String(port) }),
        ready: answers(port, "/readyz"),
      });
    },
  }, {
    name: "knative",
    until: "an event's tick is answered",
    target: "",
    run: async ({ plain }) => {
      const port = freePort();
      return await runUntil([...pod.prefix, ...plain, file("knative")], {
        env: env({ PORT: String(port) }),
        ready: answers(port, "/", { method: "POST", headers: PING }),
      });
    },
  }, {
    name: "agent",
    until: "the first renewal of its Lease",
    target: "",
    run: async ({ plain }) => {
      const path = `${PATHS.Lease}/${nodeName(0)}`;
      await plane.api.delete(path).catch(() => {});
      const flags = plain.includes("run") ? agentImage.flags : [];
      return await runUntil([...pod.prefix, ...plain, ...flags, file("agent")], {
        env: env({
          ...agentImage.env,
          SALLYPORT_NODE_NAME: nodeName(0),
          SALLYPORT_AGENT_PORT: String(freePort()),
          SALLYPORT_CILIUM_HEALTHZ: "off",
        }),
        ready: async () => (await plane.api.request({ path })).status === 200,
      });
    },
  }];

  const rows: string[][] = [];
  for (const runtime of [DENO, ...node === undefined ? [] : [node]]) {
    const costs = starts.map((): Cost[] => []);
    // The first run fills Deno's code cache. In turn, so that a noisy machine disturbs all alike.
    for (let run = -1; run < RUNS; run++) {
      for (const [index, start] of starts.entries()) {
        const cost = await start.run(runtime);
        if (run >= 0) costs[index]?.push(cost);
      }
    }
    for (const [index, { name, until, target }] of starts.entries()) {
      const of = costs[index] ?? [];
      rows.push([
        runtime.name,
        name,
        until,
        kilobytes(name),
        ...costCells(of),
        target,
      ]);
    }
  }
  await client.close();
  const head = ["runtime", "function", "until", "loads", ...COST_HEADS, "target"];
  const text = [
    `\`npm run bench:cold\` on ${machine()}: three nodes, a real API server on the same machine, authenticated by ${pod.how}.`,
    `Median of ${RUNS} runs (least to most), Deno's code cache warm.`,
    "",
    markdown({ title: "Cold starts", head, rows }),
  ].join("\n");
  if (values.print) say(`\n${text}`);
  else await publish("cold", text);
} finally {
  await Deno.remove(scratch, { recursive: true });
}
