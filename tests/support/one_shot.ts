/** A tick as a CronJob runs it, and what it asked of the API server. */
import { runTicks } from "../../src/controller/run_ticks.ts";
import type { KubeClient, Traffic } from "../../src/kube/client.ts";

/** One tick. Returns whether it succeeded; throws what it throws. */
export function oneShot(client: KubeClient): Promise<boolean> {
  return runTicks(client, {
    forMilliseconds: 0,
    everyMilliseconds: 0,
    onTick: () => {},
    onError: (error) => {
      throw error;
    },
  });
}

/** What requests came to. */
export interface Work {
  readonly requests: number;
  /** Of the answers' bodies. */
  readonly bytes: number;
  readonly writes: number;
}

export function writesOf(seen: readonly Traffic[]): readonly Traffic[] {
  return seen.filter(({ method }) => method !== "GET");
}

export function workOf(seen: readonly Traffic[]): Work {
  return {
    requests: seen.length,
    bytes: seen.reduce((sum, { responseBytes }) => sum + responseBytes, 0),
    writes: writesOf(seen).length,
  };
}
