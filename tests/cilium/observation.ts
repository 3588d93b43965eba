/** Everything that the world outside sees of a pod's traffic while something happens. */
import { familyOf } from "../../src/core/ip_family.ts";
import { pause } from "../lab/wait.ts";
import type { Gap } from "./flows.ts";
import type { Lab, PodName } from "./lab.ts";
import { SERVERS, type Sources, wrongSource } from "./outside.ts";
import type { Fate, Traffic } from "./pod.ts";

const TRAFFIC: readonly Traffic[] = ["idle", "client", "server"];

/** Of what leaves with one VIP. */
export interface Observation {
  readonly vip: string;
  /** Longest time in which new flows got no answer. */
  readonly silenceMilliseconds: number;
  readonly gaps: readonly Gap[];
  readonly flows: number;
  readonly lost: number;
  /** The source addresses that the server told, each time it was another one. */
  readonly sources: readonly string[];
  /** Packets of the VIP's family that came from another address, of all that were captured. */
  readonly wrongSource: number;
  readonly connections: Readonly<Record<Traffic, Fate>>;
  /** When it began. Milliseconds since the epoch. */
  readonly startedAt: number;
}

export interface ObserveOptions {
  /** Those of the gateway; each has flows and connections of its own. */
  readonly vips: readonly string[];
  readonly pod?: PodName;
  /** Between two new flows. Default 5. */
  readonly everyMilliseconds?: number;
  /** How long to go on when it is over. Default 2500. */
  readonly afterMilliseconds?: number;
}

/** Lets a pod send new flows and hold connections while `action` happens, and tells of each VIP what became of them. */
export async function observe(
  lab: Lab,
  { vips, pod = "selected", everyMilliseconds = 5, afterMilliseconds = 2500 }: ObserveOptions,
  action: () => Promise<void>,
): Promise<readonly Observation[]> {
  const client = lab.pod(pod);
  const capture = await lab.outside.capture();
  const running = await Promise.all(vips.map(async (vip) => {
    const address = SERVERS[familyOf(vip)];
    const connections = await Promise.all(
      TRAFFIC.map((traffic) => client.connect(traffic, { address })),
    );
    return { vip, connections, flows: await client.flows({ address, everyMilliseconds }) };
  }));
  await pause(1000);
  const startedAt = Date.now();
  await action();
  await pause(afterMilliseconds);
  const seen = await Promise.all(running.map(async ({ vip, connections, flows }) => {
    const { flows: sent, ...result } = await flows.stop();
    const fates = await Promise.all(connections.map((connection) => connection.stop()));
    const [idle, busy, fed] = fates;
    if (idle === undefined || busy === undefined || fed === undefined) {
      throw new Error("Unreachable");
    }
    const fate = { idle, client: busy, server: fed };
    return { vip, ...result, flows: sent.length, connections: fate, startedAt };
  }));
  const sources = await capture.stop();
  return seen.map((each) => ({
    ...each,
    wrongSource: wrongSource(alike(sources, each.vip), [each.vip]),
  }));
}

/** Those of an address' family. */
function alike(sources: Sources, ip: string): Sources {
  return Object.fromEntries(
    Object.entries(sources).filter(([source]) => familyOf(source) === familyOf(ip)),
  );
}
