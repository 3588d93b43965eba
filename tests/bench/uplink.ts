/**
 * How long clients go without when a holder's way out dies, and what watching it costs.
 *
 * `npm run bench uplink`; BENCH_RUNS cuts of each interval (default 10). `-- --only=cuts|costs` measures one of the two, `-- --print`
 * leaves docs/benchmarks.md alone. Needs root, as the lab does.
 */
import { parseArgs } from "node:util";
import { CLIENT_IP } from "../lab/hosts.ts";
import { contested } from "../lab/sampler.ts";
import { CANDIDATE, sallyportNeeds, startSallyport } from "../lab/sallyport.ts";
import type { Sallyport } from "../lab/sallyport.ts";
import { pause, until } from "../lab/wait.ts";
import { missing } from "../support/needs.ts";
import { idleCosts } from "./idle_cost.ts";
import type { IdleCost } from "./idle_cost.ts";
import { spread } from "./measure.ts";
import { machine, publish, say } from "./report.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    only: { type: "string", default: "" },
    print: { type: "boolean", default: false },
  },
});
const RUNS = Number(Deno.env.get("BENCH_RUNS") ?? 10);
const IDLE_MILLISECONDS = 30_000;
const FAILURES = 3;
/** Beside the intervals: the last answer may be on its way, and another node must be told. */
const TARGET_MILLISECONDS = 300;
const GATEWAYS = 10;
/** What looking may cost an agent that looks for ten gateways. */
const TARGET = { cpuPercent: 0.3, megabytes: 3 } as const;

const absent = missing(sallyportNeeds);
if (absent !== null) throw new Error(`Cannot measure uplinks: ${absent}`);
await using world = await startSallyport();
const costs = values.only === "cuts" ? [] : await measureCosts(world);
const rows: string[] = [];
for (const intervalMilliseconds of values.only === "costs" ? [] : [1_000, 200]) {
  await world.vary({ uplink: { targets: [`icmp:${CLIENT_IP}`], intervalMilliseconds } });
  rows.push(await measureCuts(world, intervalMilliseconds));
}
const text = [
  `\`npm run bench uplink\` on ${machine()}: ${RUNS} cuts of each interval, ${FAILURES} failures, targets that answer pings.`,
  "",
  "| interval | from the cut to the new holder's first answer: median (least to most) | two answer | target | |",
  "|---|---|---|---|---|",
  ...rows,
  "",
  `An agent that looks for ${GATEWAYS} gateways, two pings and a connection a second, less the same agent that does not look, over ${
    IDLE_MILLISECONDS / 1_000
  } s each:`,
  "",
  "| agent | CPU, of a core | RSS | RSS of its programs | target | |",
  "|---|---|---|---|---|---|",
  ...costs,
].join("\n");
if (values.print || values.only !== "") say(`\n${text}`);
else await publish("uplink", text);

async function measureCuts(
  world: Sallyport,
  interval: number,
): Promise<string> {
  const times: number[] = [];
  let twice = 0;
  for (let run = 0; run < RUNS; run++) {
    await watching(world);
    // Anywhere between two probes.
    await pause(Math.random() * interval);
    const old = await world.holder();
    await using sampler = await world.lab.sampler({ ip: world.ip });
    await using stream = await world.lab.client.stream({ ip: world.ip });
    await pause(300);
    const cutAt = Date.now();
    await world.lab.node(old).loseUplink();
    const holder = await world.settled({ other: old, standbys: 0 });
    await pause(500);
    const { answers } = await stream.stop();
    const first = answers.find(({ host, receivedAt }) => host === holder && receivedAt > cutAt);
    if (first === undefined) throw new Error(`${holder} never answered`);
    times.push(first.receivedAt - cutAt);
    if (contested(await sampler.stop()).length > 0) twice++;
    const { lastFailover, history } = await world.status();
    const took = Math.round(first.receivedAt - cutAt);
    say(
      `${interval} ms, run ${
        run + 1
      }: ${took} ms, of which the handover ${lastFailover?.durationMilliseconds} (${
        history?.[0]?.message
      })`,
    );
    await world.lab.node(old).restoreUplink();
    await world.settled();
  }
  const { least, median, most } = spread(times);
  const target = FAILURES * interval + TARGET_MILLISECONDS;
  return `| ${interval} ms | ${median.toFixed(0)} ms (${least.toFixed(0)} to ${
    most.toFixed(0)
  }) | ${twice === 0 ? "never" : `${twice} of ${RUNS} runs`} | <= ${target} ms | ${
    most <= target ? "met" : "**missed**"
  } |`;
}

/** Until every candidate looks, and each that was down counts again. */
async function watching(world: Sallyport): Promise<void> {
  await until("candidates that look", async () => {
    const { candidates = [], conditions = [] } = await world.status();
    const degraded = conditions.find(({ type }) => type === "Degraded");
    return degraded?.reason === "AllEligible" &&
        candidates.every(({ reasons }) => reasons.length === 0) || undefined;
  }, { timeoutMilliseconds: 60_000 });
}

async function measureCosts(world: Sallyport): Promise<readonly string[]> {
  const names = world.lab.nodes.map(({ name }) => name);
  const gateways = () =>
    Array.from({ length: GATEWAYS - 1 }, (_, index) => ({
      apiVersion: "network.deckhouse.io/v1alpha1",
      kind: "EgressGateway",
      metadata: { name: `more-${index}` },
      spec: {
        nodeSelector: CANDIDATE,
        sourceIP: {
          mode: "PrimaryIPFromEgressGatewayNodeInterface",
          primaryIPFromEgressGatewayNodeInterface: { interfaceName: "eth1" },
        },
      },
    }));
  const cost = async () => {
    // Past what a change costs, and the first collection of garbage.
    await pause(12_000);
    return await idleCosts(names.map((name) => world.agent(name).pid), {
      milliseconds: IDLE_MILLISECONDS,
    });
  };
  await world.plane.api.apply(gateways());
  const without = await cost();
  const uplink = { targets: [`icmp:${CLIENT_IP}`, "icmp:10.60.0.60", `tcp:${CLIENT_IP}:9`] };
  for (const { metadata: { name } } of gateways()) {
    await world.plane.api.patch(
      `/apis/network.deckhouse.io/v1alpha1/egressgateways/${name}`,
      { spec: { failureDetection: { uplink } } },
    );
  }
  await world.vary({ uplink });
  const looking = await cost();
  for (const { metadata: { name } } of gateways()) {
    await world.plane.api.delete(`/apis/network.deckhouse.io/v1alpha1/egressgateways/${name}`);
  }
  return names.map((name, index) => row(name, without[index], looking[index]));
}

function row(name: string, before: IdleCost | undefined, after: IdleCost | undefined): string {
  if (before === undefined || after === undefined) throw new Error(`No figures of ${name}`);
  const cpu = after.cpuPercent - before.cpuPercent;
  const [own, children] = [
    after.megabytes - before.megabytes,
    after.childMegabytes - before.childMegabytes,
  ];
  const met = cpu <= TARGET.cpuPercent && own + children <= TARGET.megabytes;
  return `| ${name} | ${cpu.toFixed(2)} % (${before.cpuPercent.toFixed(2)} to ${
    after.cpuPercent.toFixed(2)
  }) | ${own.toFixed(1)} MB | ${
    children.toFixed(1)
  } MB | <= ${TARGET.cpuPercent} %, ${TARGET.megabytes} MB | ${met ? "met" : "**missed**"} |`;
}
