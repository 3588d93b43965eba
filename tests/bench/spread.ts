/**
 * What several gateways do for a policy on real Cilium, seen from outside: `npm run bench -- spread [DEATHS] [MOVES]`, by default
 * 30 each.
 *
 * Three gateways with three virtual IPs on three holders, pods on four nodes that send new flows every 20 ms. One holder loses
 * its links, or its gateway is moved; what the pods of the other two lose, and who changes the address, is counted. Then the
 * bandwidth of 1, 2 and 3 gateways whose ports are limited, and entries of the agents' maps. Needs what `npm run test:e2e` needs.
 */
import { missing } from "../support/needs.ts";
import { NEEDS } from "../cilium/e2e.ts";
import { cleanUp, mapEntries } from "../cilium/gateways.ts";
import { type Lab, startLab } from "../cilium/lab.ts";
import {
  AT_HOME,
  CROSSWISE,
  holderDies,
  inForce,
  plannedMove,
  PODS,
  putSpreadPolicy,
  spread,
  type SpreadSeen,
  throughput,
  vipOf,
} from "../cilium/spread.ts";
import { pause } from "../lab/wait.ts";
import { machine, markdown, publish } from "./report.ts";

/** Time for Cilium's rate limit of policy events, one a second, to be over. Milliseconds. */
const REST = 4_000;

/** Pods of the gateways that nothing happens to. */
const UNTOUCHED = ["far", "away"] as const;

const [deaths = 30, moves = 30] = Deno.args.map(Number);
const reason = missing(NEEDS);
if (reason !== null) {
  say(`Skipped: ${reason}`);
  Deno.exit(0);
}
const tables: string[] = [];
{
  await using lab = await startLab({ wide: true });
  const died = await repeat(deaths, lab, holderDies);
  const moved = await repeat(
    moves,
    lab,
    (lab, count) => plannedMove(lab, count % 2 === 0 ? "node-c" : "node-d"),
  );
  await cleanUp(lab);
  tables.push(harmTable([["one of three holders dies", died], ["one gateway is moved", moved]]));
  tables.push(await bandwidthTable(lab));
}
await publish("spread", tables.join("\n\n"));

async function repeat(
  times: number,
  lab: Lab,
  act: (lab: Lab, count: number) => Promise<SpreadSeen>,
): Promise<readonly SpreadSeen[]> {
  const all: SpreadSeen[] = [];
  for (let count = 1; count <= times; count++) {
    // Made anew, since a gateway returns ever later to a node that comes and goes.
    await cleanUp(lab);
    await spread(lab, { shares: CROSSWISE });
    await inForce(lab, CROSSWISE);
    await pause(REST);
    const seen = await act(lab, count);
    all.push(seen);
    say(`${count}/${times}: ${JSON.stringify(seen)}`);
  }
  return all;
}

function harmTable(
  series: readonly (readonly [what: string, seen: readonly SpreadSeen[]])[],
): string {
  const head = [
    "what",
    "runs",
    "flows of the other two gateways' pods",
    "lost of these (target 0)",
    "pods that changed their address (target 0)",
    "packets from other addresses (target 0)",
    "the gateway's own share: median, longest silence ms",
  ];
  const rows = series.filter(([, seen]) => seen.length > 0).map(([what, seen]) => {
    const others = seen.flatMap(({ pods }) => UNTOUCHED.map((pod) => pods[pod]));
    const changed = seen.flatMap(({ pods }) =>
      PODS.filter((pod) => pods[pod].sources.some((source) => source !== vipOf(CROSSWISE[pod])))
    );
    const silences = seen.map(({ pods }) => pods.selected.silenceMilliseconds).sort((a, b) =>
      a - b
    );
    return [
      what,
      String(seen.length),
      String(others.reduce((sum, { flows }) => sum + flows, 0)),
      String(others.reduce((sum, { lost }) => sum + lost, 0)),
      String(changed.length),
      String(seen.reduce((sum, { wrongSource }) => sum + wrongSource, 0)),
      [silences[Math.floor(silences.length / 2)], silences.at(-1)].map((each) =>
        (each ?? NaN).toFixed(0)
      ).join(", "),
    ];
  });
  const title =
    `Three gateways, one of which fails or moves, real Cilium, four nodes on one machine (${machine()})`;
  return markdown({ title, head, rows });
}

async function bandwidthTable(lab: Lab): Promise<string> {
  await spread(lab, { shares: AT_HOME, count: 1 });
  const rows: string[][] = [];
  for (const count of [1, 2, 3]) {
    await putSpreadPolicy(lab, count);
    await pause(REST);
    const runs: number[] = [];
    for (let run = 0; run < 3; run++) runs.push(await throughput(lab, { seconds: 5 }));
    runs.sort((a, b) => a - b);
    const [low = NaN, median = NaN, high = NaN] = runs;
    rows.push([
      String(count),
      String(20 * count),
      `${median.toFixed(1)} (${low.toFixed(1)} to ${high.toFixed(1)})`,
      String(await mapEntries(lab)),
    ]);
    say(`${count} gateways: ${runs.map((each) => each.toFixed(1)).join(", ")} Mbit/s`);
  }
  const head = [
    "gateways",
    "their ports together, Mbit/s",
    "pods together, Mbit/s: median of 3 (range)",
    "entries in all agents' maps",
  ];
  const title =
    "Bandwidth of a policy over 1, 2, 3 gateways, each node's port limited to 20 Mbit/s";
  return markdown({ title, head, rows });
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
