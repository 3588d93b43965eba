/**
 * How long nobody answers for a virtual IP when its holder goes: Sallyport, from its bundles, and keepalived in the same
 * run, each on hosts in network namespaces of its own. Prints tables and keeps them in docs/benchmarks.md.
 *
 * `npm run bench:failover`; BENCH_RUNS times each way (default 10). `-- --only=TEXT` runs the ways whose name has the
 * text, `-- --ipv6` has a virtual IP of IPv6, `-- --print` leaves the page alone. Needs root, as the lab does.
 */
import { parseArgs } from "node:util";
import { contested } from "../lab/sampler.ts";
import type { Sample } from "../lab/sampler.ts";
import { sallyportNeeds, startSallyport, VIP, VIP6 } from "../lab/sallyport.ts";
import type { Sallyport, Variant } from "../lab/sallyport.ts";
import type { StreamResult } from "../lab/stream.ts";
import type { Lab } from "../lab/hosts.ts";
import { API_PORT, SERVICE_IP } from "../lab/hosts.ts";
import { pause } from "../lab/wait.ts";
import { missing, programs } from "../support/needs.ts";
import { bundle } from "../../src/build/bundle.ts";
import { PEER_WAYS, POWER_OFF_MILLISECONDS, WAYS } from "./failover_ways.ts";
import type { PeerWay, Way } from "./failover_ways.ts";
import { failoverTables } from "./failover_tables.ts";
import type { Group, PeerGroup, Results, Run } from "./failover_tables.ts";
import { splitOf } from "./failover_split.ts";
import { followStatuses } from "./gateway_statuses.ts";
import type { Statuses } from "./gateway_statuses.ts";
import { agentRequests, idleCosts } from "./idle_cost.ts";
import { startKeepalived } from "./keepalived.ts";
import type { Keepalived } from "./keepalived.ts";
import { DENO, imageFlags, runToExit } from "./measure.ts";
import { podLike } from "./pod_like.ts";
import { machine, publish, say } from "./report.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    only: { type: "string", default: "" },
    ipv6: { type: "boolean", default: false },
    print: { type: "boolean", default: false },
  },
});
const IP = values.ipv6 ? VIP6 : VIP;
const RUNS = Number(Deno.env.get("BENCH_RUNS") ?? 10);
const IDLE_MILLISECONDS = 40_000;
/** What is watched on after a move: the new holder's first announcements. */
const AFTERWARDS_MILLISECONDS = 1_500;

interface Series {
  readonly variant: Variant;
  readonly ways: readonly Way[];
}

const named = (...names: readonly string[]) => WAYS.filter(({ what }) => names.includes(what));
const POWER_OFF = named("power-off");
const SLOW_POWER_OFF = POWER_OFF.map((way) => ({ ...way, target: POWER_OFF_MILLISECONDS.noPeers }));

/** Peers only change how a dead node is found, standbys only how long a takeover takes. */
const SERIES: readonly Series[] = [
  { variant: { standby: "Bound", peers: true }, ways: WAYS },
  { variant: { standby: "Bound", peers: false }, ways: SLOW_POWER_OFF },
  { variant: { standby: "Unbound", peers: false }, ways: SLOW_POWER_OFF },
  {
    variant: { standby: "Unbound", peers: true },
    ways: named("cordon", "SIGTERM of the agent", "public interface down", "power-off"),
  },
];

const absent = missing([...sallyportNeeds, programs("keepalived")]);
if (absent !== null) throw new Error(`Cannot measure failovers: ${absent}`);
const scratch = await Deno.makeTempDir({ prefix: "sallyport-bench-" });
const codeCache = { DENO_DIR: `${scratch}/deno` };
try {
  await bundle({ outdir: `${scratch}/dist` });
  await warmCodeCache();
  const idle = values.only === "" || values.only === "idle" ? await measureIdle() : undefined;
  // Side by side, so that what else the machine does disturbs both alike.
  const [groups, peers] = values.only === "idle"
    ? [[], []]
    : await Promise.all([measureSallyport(), measureKeepalived()]);
  const results: Results = { groups, peers, ...(idle === undefined ? {} : { idle }) };
  const text = [
    `\`npm run bench:failover${
      values.ipv6 ? " -- --ipv6" : ""
    }\` on ${machine()}: ${RUNS} runs of each way. Milliseconds in which a client that asks the`,
    "virtual IP every 5 ms got no answer, from the last packet that was answered to the first one that was again, as",
    "p50 / p99 / longest (of fewer than 100 runs the p99 is the longest).",
    "",
    failoverTables(results),
  ].join("\n");
  if (values.print || values.only !== "") say(`\n${text}`);
  else await publish(values.ipv6 ? "failover-ipv6" : "failover", text);
} finally {
  await Deno.remove(scratch, { recursive: true });
}

/** As the images are built: without the cache an agent is 18 MB larger for good, since Deno has parsed its modules. */
async function warmCodeCache(): Promise<void> {
  const env = { ...codeCache, KUBERNETES_SERVICE_HOST: "none", SALLYPORT_NODE_NAME: "none" };
  for (const name of ["agent", "server", "agent", "server"]) {
    await runToExit([...DENO.measured, `${scratch}/dist/${name}.js`], { env, code: 2 });
  }
}

/** The programs as in pods: bundles, a service account's files, no kubeconfig. */
async function bringUp(): Promise<Sallyport & AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  const world = await startSallyport({
    ips: [IP],
    async programs(plane) {
      const pod = stack.use(await podLike(plane));
      const program = async (name: string, more: Readonly<Record<string, string>>) => {
        const { env, flags } = await imageFlags(name);
        return {
          argv: [...pod.prefix, ...DENO.plain, ...flags, `${scratch}/dist/${name}.js`],
          env: { ...pod.env, ...codeCache, ...env, ...more },
        };
      };
      const api = { KUBERNETES_SERVICE_HOST: SERVICE_IP, KUBERNETES_SERVICE_PORT: `${API_PORT}` };
      return { agent: await program("agent", api), controller: await program("server", {}) };
    },
  });
  const end = world[Symbol.asyncDispose].bind(world);
  world[Symbol.asyncDispose] = async () => {
    await end();
    await stack.disposeAsync();
  };
  return world;
}

async function measureIdle(): Promise<NonNullable<Results["idle"]>> {
  say("Sallyport idle");
  await using world = await bringUp();
  // Past the announcements and the first collection of garbage.
  await pause(25_000);
  const holder = await world.holder();
  const nodes = world.lab.nodes.map(({ name }) => name);
  const begun = performance.now();
  const before = await agentRequests(world.plane.api);
  const costs = await idleCosts(nodes.map((name) => world.agent(name).pid), {
    milliseconds: IDLE_MILLISECONDS,
  });
  const requests = await agentRequests(world.plane.api) - before;
  const seconds = (performance.now() - begun) / 1_000;
  return {
    agents: nodes.map((name, index) => ({
      role: name === holder ? "holder" : "standby",
      cost: costs[index] ?? { megabytes: NaN, childMegabytes: NaN, cpuPercent: NaN },
    })),
    requestsPerSecond: requests / seconds / nodes.length,
    seconds,
  };
}

async function measureSallyport(): Promise<readonly Group[]> {
  await using world = await bringUp();
  await using statuses = await followStatuses(world.plane.kubeconfigPath);
  const groups: Group[] = [];
  for (const { variant, ways } of SERIES) {
    const chosen = ways.filter(({ what }) => what.includes(values.only));
    if (chosen.length === 0) continue;
    await world.vary(variant);
    for (const way of chosen) {
      const series = await repeated(
        { what: way.what, repair: () => world.repair() },
        () => runOnce(world, { way, statuses }),
      );
      groups.push({ variant, way, ...series });
    }
  }
  return groups;
}

async function measureKeepalived(): Promise<readonly PeerGroup[]> {
  await using world = await startKeepalived(IP);
  const peers: PeerGroup[] = [];
  for (const way of PEER_WAYS) {
    const { what } = way;
    if (!WAYS.some((ours) => ours.peer === what && ours.what.includes(values.only))) continue;
    const series = await repeated(
      { what: `keepalived: ${what}`, repair: () => world.repair() },
      () => runPeerOnce(world, way),
    );
    peers.push({ what, ...series });
  }
  return peers;
}

/** A run that fails is told of and counted; the others go on after repair. */
async function repeated(
  { what, repair }: { readonly what: string; readonly repair: () => Promise<void> },
  once: () => Promise<Run>,
): Promise<{ readonly runs: readonly Run[]; readonly failed: number }> {
  const runs: Run[] = [];
  for (let count = 0; count < RUNS; count++) {
    try {
      runs.push(await once());
    } catch (error) {
      say(`${what}: ${error}`);
    }
    await repair();
  }
  say(`${what}: ${runs.map(describe).join(", ")}`);
  return { runs, failed: RUNS - runs.length };
}

async function runOnce(world: Sallyport, { way, statuses }: Once): Promise<Run> {
  const old = await world.holder();
  const log = (await world.controllerLog()).length;
  let activeAt = NaN;
  const seen = await watched(world, async () => {
    const active = statuses.next(({ phase, activeNodeName }) =>
      phase === "Active" && activeNodeName !== undefined && activeNodeName !== old
    );
    await way.sallyport(world, old);
    activeAt = await active;
  });
  const { outage } = seen.stream;
  const split = splitOf((await world.controllerLog()).slice(log), { outage, activeAt });
  return { ...runOf(seen), ...(split === undefined ? {} : { split }) };
}

async function runPeerOnce(world: Keepalived, way: PeerWay): Promise<Run> {
  return runOf(
    await watched(world, async () => {
      await way.keepalived(world);
      await world.takenOver();
    }),
  );
}

interface Once {
  readonly way: Way;
  readonly statuses: Statuses;
}

interface Seen {
  readonly stream: StreamResult;
  readonly samples: readonly Sample[];
}

/** Has a client ask all the time, and a bystander ask the wire who answers, while something happens. */
async function watched(
  { lab, ip }: { readonly lab: Lab; readonly ip: string },
  happen: () => Promise<void>,
): Promise<Seen> {
  const [stream, sampler] = await Promise.all([
    lab.client.stream({ ip }),
    lab.sampler({ ip, from: "observer" }),
  ]);
  await using _stream = stream;
  await using _sampler = sampler;
  // At any moment between two renewals, or two adverts: how long ago the last one was decides how soon the next is missed.
  await pause(200 + 1_000 * Math.random());
  await happen();
  await pause(AFTERWARDS_MILLISECONDS);
  return { stream: await stream.stop(), samples: await sampler.stop() };
}

function runOf({ stream, samples }: Seen): Run {
  const twice = contested(samples);
  const [first, last] = [twice[0], twice.at(-1)];
  return {
    outage: stream.outage.milliseconds,
    handedOver: stream.hosts.length > 1,
    samples: samples.length,
    contested: twice.length,
    contestedMilliseconds: first && last ? last.at - first.at : 0,
  };
}

function describe({ outage, contested, handedOver }: Run): string {
  const twice = contested > 0 ? ` (${contested} contested)` : "";
  return `${outage.toFixed(0)}${twice}${handedOver ? "" : " (same host)"}`;
}
