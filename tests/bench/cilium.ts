/**
 * What moves cost on real Cilium, seen from outside: `npm run bench -- cilium [MOVES] [POWER_OFFS] [FAMILIES]`, by default 30, 10
 * and `IPv4,IPv6`.
 *
 * Each is repeated with a standby that has the VIPs bound and one that has not. The gateway has a VIP of each of these families, and of each
 * new flows start every 5 ms, and three TCP connections are held meanwhile: an idle one, one in which the client sends, one
 * in which the server does. Needs what `npm run test:e2e` needs.
 */
import { familyName, familyOf } from "../../src/core/ip_family.ts";
import { missing } from "../support/needs.ts";
import { NEEDS } from "../cilium/e2e.ts";
import { cleanUp, pin, putGateway, putPolicy, seenAs, settled } from "../cilium/gateways.ts";
import { type Lab, startLab } from "../cilium/lab.ts";
import { type Observation, observe } from "../cilium/observation.ts";
import { DESTINATIONS } from "../cilium/outside.ts";
import { pause } from "../lab/wait.ts";
import { machine, markdown, publish } from "./report.ts";

const TRAFFIC = ["idle", "client", "server"] as const;

/** Misses of three pings at 200 ms, and the renewal that the holder must have missed as well. Milliseconds. */
const DETECTION = 2_200;

/** Time for Cilium's rate limit of policy events, one a second, to be over before the next move. Milliseconds. */
const REST = 4_000;

type Standby = "Bound" | "Unbound";

interface Series {
  readonly name: string;
  readonly target: string;
  /** Of each run, one of each VIP. */
  readonly seen: readonly (readonly Observation[])[];
}

const [moves = 30, powerOffs = 10] = Deno.args.slice(0, 2).map(Number);
const families = (Deno.args[2] ?? "IPv4,IPv6").split(",");
/** Of one gateway: all are moved at once. */
const VIPS = ["172.31.0.200", "fd00:31::200"].filter((vip) =>
  families.includes(familyName(familyOf(vip)))
);
const reason = missing(NEEDS);
if (reason !== null) {
  say(`Skipped: ${reason}`);
  Deno.exit(0);
}
const series: Series[] = [];
{
  await using lab = await startLab({ dual: true });
  for (const standby of ["Bound", "Unbound"] as const) {
    const target = standby === "Bound" ? "p99 100" : "-";
    series.push({
      name: `Planned move, standby ${standby}`,
      target,
      seen: await repeat(moves, lab, { standby, move: plannedMove }),
    });
    series.push({
      name: `Power-off, standby ${standby}`,
      target: standby === "Bound" ? `${DETECTION + 100}` : "-",
      seen: await repeat(powerOffs, lab, { standby, move: powerOff }),
    });
  }
}
await publish(
  VIPS.length > 1 ? "cilium" : `cilium-${families.join().toLowerCase()}`,
  table(series),
);

async function repeat(
  times: number,
  lab: Lab,
  { standby, move }: {
    readonly standby: Standby;
    readonly move: (lab: Lab) => Promise<readonly Observation[]>;
  },
): Promise<Series["seen"]> {
  await putGateway(lab, { ips: VIPS, standby });
  await putPolicy(lab, { destinationCIDRs: VIPS.map((vip) => DESTINATIONS[familyOf(vip)]) });
  const seen: (readonly Observation[])[] = [];
  for (let count = 1; count <= times; count++) {
    await settled(lab, { timeoutMilliseconds: 60_000 });
    for (const source of VIPS) await seenAs(lab, "selected", { source });
    await pause(REST);
    const observations = await move(lab);
    seen.push(observations);
    for (const { vip, silenceMilliseconds, wrongSource, connections } of observations) {
      say(
        `${standby} ${move.name} ${count}/${times}, ${vip}: ${
          silenceMilliseconds.toFixed(0)
        } ms, ` +
          `wrong source ${wrongSource}, ${JSON.stringify(connections)}`,
      );
    }
  }
  await cleanUp(lab);
  return seen;
}

async function plannedMove(lab: Lab): Promise<readonly Observation[]> {
  const to = lab.otherGateway((await settled(lab)).activeNodeName).name;
  return await observe(lab, { vips: VIPS }, async () => {
    await pin(lab, to);
    await settled(lab, { on: to });
  });
}

async function powerOff(lab: Lab): Promise<readonly Observation[]> {
  await pin(lab, undefined);
  const from = lab.node((await settled(lab)).activeNodeName ?? "");
  try {
    return await observe(lab, { vips: VIPS }, async () => {
      await from.host.cut();
      await settled(lab, { on: lab.otherGateway(from.name).name, standby: false });
    });
  } finally {
    await from.host.restore();
  }
}

function table(all: readonly Series[]): string {
  const head = [
    "what",
    "family",
    "runs",
    "p50 ms",
    "p99 ms",
    "max ms",
    "target ms",
    "wrong-source packets (target 0)",
    ...TRAFFIC.map((traffic) => `TCP ${traffic} survived`),
  ];
  const rows = all.filter(({ seen }) => seen.length > 0).flatMap(({ name, target, seen }) =>
    VIPS.map((vip) => {
      const of = seen.flatMap((run) => run.filter((each) => each.vip === vip));
      const times = of.map(({ silenceMilliseconds }) => silenceMilliseconds).sort((a, b) => a - b);
      return [
        name,
        familyName(familyOf(vip)),
        String(of.length),
        ...[0.5, 0.99, 1].map((part) => quantile(times, part).toFixed(0)),
        target,
        String(of.reduce((sum, { wrongSource }) => sum + wrongSource, 0)),
        ...TRAFFIC.map((traffic) =>
          `${of.filter(({ connections }) => connections[traffic].survived).length}/${of.length}`
        ),
      ];
    })
  );
  const title =
    `Time without answers for new flows, real Cilium, three nodes on one machine (${machine()})`;
  return markdown({ title, head, rows });
}

/** Of sorted numbers, the one that this part of them does not exceed. */
function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
