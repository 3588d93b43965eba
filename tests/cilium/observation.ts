/** Everything that the world outside sees of a pod's traffic while something happens. */
import { pause } from "../lab/wait.ts";
import type { Gap } from "./flows.ts";
import type { Lab, PodName } from "./lab.ts";
import { wrongSource } from "./outside.ts";
import type { Fate, Traffic } from "./pod.ts";

const TRAFFIC: readonly Traffic[] = ["idle", "client", "server"];

export interface Observation {
  /** Longest time in which new flows got no answer. */
  readonly silenceMilliseconds: number;
  readonly gaps: readonly Gap[];
  readonly flows: number;
  readonly lost: number;
  /** The source addresses that the server told, each time it was another one. */
  readonly sources: readonly string[];
  /** Packets that came from another address than the VIP, of all that were captured. */
  readonly wrongSource: number;
  readonly connections: Readonly<Record<Traffic, Fate>>;
  /** When it began. Milliseconds since the epoch. */
  readonly startedAt: number;
}

export interface ObserveOptions {
  readonly vip: string;
  readonly pod?: PodName;
  /** Between two new flows. Default 5. */
  readonly everyMilliseconds?: number;
  /** How long to go on when it is over. Default 2500. */
  readonly afterMilliseconds?: number;
}

/** Lets a pod send new flows and hold connections while `action` happens, and tells what became of them. */
export async function observe(
  lab: Lab,
  { vip, pod = "selected", everyMilliseconds = 5, afterMilliseconds = 2500 }: ObserveOptions,
  action: () => Promise<void>,
): Promise<Observation> {
  const client = lab.pod(pod);
  const capture = await lab.outside.capture();
  const connections = await Promise.all(TRAFFIC.map((traffic) => client.connect(traffic)));
  const flows = await client.flows({ everyMilliseconds });
  await pause(1000);
  const startedAt = Date.now();
  await action();
  await pause(afterMilliseconds);
  const { flows: sent, ...result } = await flows.stop();
  const fates = await Promise.all(connections.map((connection) => connection.stop()));
  const [idle, busy, fed] = fates;
  if (idle === undefined || busy === undefined || fed === undefined) throw new Error("Unreachable");
  return {
    ...result,
    flows: sent.length,
    wrongSource: wrongSource(await capture.stop(), vip),
    connections: { idle, client: busy, server: fed },
    startedAt,
  };
}
