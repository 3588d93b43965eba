/** The agent as it runs on a node: its loop with the API server, the tools and the pings that it needs. */
import { join } from "node:path";
import type { KubeClient } from "../kube/client.ts";
import { sleep } from "../kube/deadline.ts";
import { decodeGateway } from "../cluster/decoders/kinds.ts";
import { Reflector } from "../kube/reflector.ts";
import { PATHS } from "../cluster/resources.ts";
import type { Gateway } from "../core/types.ts";
import { Agent } from "./agent.ts";
import type { AgentEvent } from "./agent_status.ts";
import { readCiliumHealth } from "./cilium_health.ts";
import type { Pace } from "./core/pace.ts";
import type { Hands } from "./hands.ts";
import { recall, remember } from "./memory.ts";
import { renew } from "./renewal.ts";

export interface RunAgentOptions {
  readonly nodeName: string;
  readonly hands: Hands;
  readonly stateDirectory: string;
  /** Cilium's healthz; undefined: not asked. */
  readonly ciliumHealthz: string | undefined;
  /** Makes the pinger: it is told the targets whenever they may have changed, and tells who does not answer. */
  readonly createPings: (onChange: (unreachable: readonly string[]) => void) => Pings;
  readonly pace?: Pace;
  readonly onEvent?: (event: AgentEvent) => void;
  /** SIGTERM: the agent hands over, then `ended` resolves. */
  readonly signal: AbortSignal;
}

export interface Pings extends Disposable {
  setTargets(addresses: Iterable<string>): void;
}

export interface RunningAgent {
  readonly agent: Agent;
  readonly ended: Promise<void>;
}

/** How often Cilium's health is asked for. */
const HEALTH_MILLISECONDS = 2_000;

/** A listing that hangs must not outlast a short partition. */
const LIST_MILLISECONDS = 3_000;

/** Starts the agent. */
export function startAgent(client: KubeClient, options: RunAgentOptions): RunningAgent {
  const { nodeName, hands, stateDirectory, ciliumHealthz, createPings, pace, onEvent, signal } =
    options;
  const statePath = join(stateDirectory, "bindings.json");
  const stop = new AbortController();
  const agent = new Agent({
    nodeName,
    hands,
    renew: (report, context) => renew(client, { nodeName, report, ...context }),
    recall: () => recall(statePath),
    remember: (bindings) => remember(statePath, bindings),
    relist: () => duties.relist(),
    setPingTargets: (targets) =>
      pings.setTargets([...new Set(Object.values(targets).flat())].sort()),
    ...(pace === undefined ? {} : { pace }),
    ...(onEvent === undefined ? {} : { onEvent }),
  });
  const pings = createPings((unreachable) => agent.setUnreachable(new Set(unreachable)));
  const duties = new Reflector<Gateway>(client, PATHS.EgressGateway, {
    decode: (item) => {
      const decoded = decodeGateway(item);
      return "object" in decoded ? decoded.object : undefined;
    },
    keyOf: ({ uid }) => uid,
    onChange: (gateways) => agent.setGateways(gateways),
    onError: () => agent.noteUnreadable(),
    listMilliseconds: LIST_MILLISECONDS,
    signal: stop.signal,
  });
  signal.addEventListener("abort", () => agent.leave(), { once: true });
  const following = duties.run();
  const asking = ciliumHealthz === undefined
    ? undefined
    : watchHealth(ciliumHealthz, { agent, signal: stop.signal });
  const run = async (): Promise<void> => {
    try {
      await agent.run();
    } finally {
      stop.abort();
      pings[Symbol.dispose]();
      await Promise.all([following, asking]);
    }
  };
  return { agent, ended: run() };
}

async function watchHealth(
  url: string,
  { agent, signal }: { agent: Agent; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    agent.setCilium(await readCiliumHealth(url));
    await sleep(HEALTH_MILLISECONDS, signal).catch(() => {});
  }
}
