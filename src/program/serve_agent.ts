/** The agent as a program on a Linux node: its loop, its tools, its health endpoint, its log. */
import type { Hono } from "hono";
import { asError } from "../core/message.ts";
import { serve } from "../http/server.ts";
import type { RunningServer } from "../http/server.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Logger } from "./log.ts";
import { NOT_STARTED } from "../agent/agent_status.ts";
import type { AgentEvent, AgentStatus } from "../agent/agent_status.ts";
import type { Agent } from "../agent/agent.ts";
import { createAgentApp, createScrapeApp } from "../http/agent_app.ts";
import type { Pace } from "../agent/core/pace.ts";
import { linuxHands } from "../agent/linux/linux_hands.ts";
import { PeerPings } from "../agent/linux/pings.ts";
import { startAgent } from "../agent/run_agent.ts";
import { DEFAULT_PACE } from "../agent/core/pace.ts";
import { ConfigError } from "../kube/errors.ts";
import { RequestCounts } from "./request_counts.ts";
import { createAgentLog } from "./agent_log.ts";
import { withClient } from "./connect.ts";
import { traceAgent } from "./tracing.ts";
import type { Program } from "./run_program.ts";
import { CLUSTER_SETTINGS } from "./settings.ts";
import type { ListenAddress, Settings } from "./settings.ts";

const SETTINGS = [
  ...CLUSTER_SETTINGS,
  "nodeName",
  "nodeAddresses",
  "agentPort",
  "agentMetrics",
  "stateDirectory",
  "ciliumHealthz",
  "announcements",
  "announceEvery",
  "reannounceEvery",
  "probeEvery",
] as const;

/** What `functions/agent.ts` and `sallyport agent` run. */
export const agentProgram: Program<typeof SETTINGS[number]> = {
  settings: SETTINGS,
  async run(settings, { logger, signal }) {
    const { nodeName, nodeAddresses, stateDirectory, ciliumHealthz } = settings;
    const { agentPort: port, agentMetrics: scrapedAt } = settings;
    if (nodeName === undefined) {
      throw new ConfigError(
        "Cannot tell which node this is: give --node, or set SALLYPORT_NODE_NAME by the downward API (spec.nodeName)",
      );
    }
    const pace = agentPace(settings);
    const requests = new RequestCounts();
    const traces = await traceAgent(nodeName, logger);
    const options = {
      nodeName,
      nodeAddresses,
      stateDirectory,
      ciliumHealthz,
      port,
      scrapedAt,
      requests,
      pace,
      logger,
      onEvent: traces.event,
      signal,
    };
    try {
      await withClient(
        { ...settings, onRequest: (request) => requests.add(request) },
        (client) => runAgentProgram(client, options),
      );
    } finally {
      await traces.close();
    }
    return true;
  },
};

/** How the agent paces itself on the wire. */
export function agentPace(
  settings: Pick<
    Settings,
    "announcements" | "announceEvery" | "reannounceEvery" | "probeEvery"
  >,
): Pace {
  return {
    ...DEFAULT_PACE,
    announcements: settings.announcements,
    announceMilliseconds: settings.announceEvery,
    refreshMilliseconds: settings.reannounceEvery,
    probeMilliseconds: settings.probeEvery,
  };
}

export interface AgentProgramOptions {
  /** The node's name in the cluster. */
  readonly nodeName: string;
  /** Its addresses there. */
  readonly nodeAddresses?: readonly string[] | undefined;
  /** Where the agent remembers what it bound; a folder that a reboot empties. */
  readonly stateDirectory: string;
  /** URL of Cilium's healthz; `off`: not asked. */
  readonly ciliumHealthz: string;
  readonly pace: Pace;
  /** Where the kubelet's probes are answered, on the loopback address. */
  readonly port: number;
  /** Where Prometheus may ask for metrics, an address of the node; undefined: on the loopback address alone. */
  readonly scrapedAt?: ListenAddress | undefined;
  readonly requests?: RequestCounts;
  readonly logger: Logger;
  /** Told of all that the log is told of. */
  readonly onEvent?: (event: AgentEvent) => void;
  /** SIGTERM: hand over, then return. */
  readonly signal: AbortSignal;
}

/** V8 sees no need to collect in a process that allocates so little, and keeps what the start left behind. */
const COLLECT_MILLISECONDS = 20_000;

/** Runs the agent until it has handed over. */
export async function runAgentProgram(
  client: KubeClient,
  options: AgentProgramOptions,
): Promise<void> {
  const { nodeAddresses, ciliumHealthz, port, scrapedAt, requests, logger, onEvent, ...rest } =
    options;
  const { warn, event: tell } = createAgentLog(logger);
  const closing = new AbortController();
  const running: { agent?: Agent } = {};
  const status = (): AgentStatus => ({
    ...running.agent?.status() ?? NOT_STARTED,
    ...(requests === undefined ? {} : { requests: requests.all }),
  });
  const app = createAgentApp(status);
  // Before anything is done to the node: a port that is taken must not end an agent that already serves.
  const server = await serve({ app, hostname: "127.0.0.1", port, signal: closing.signal });
  const scraped = scrapedAt && await startScraping(createScrapeApp(status), {
    ...scrapedAt,
    signal: closing.signal,
    onFailure: warn,
  });
  const { agent, ended } = startAgent(client, {
    ...rest,
    hands: linuxHands({
      apiServer: client.cluster.server,
      nodeAddresses,
      signal: closing.signal,
      onFailure: warn,
    }),
    ciliumHealthz: ciliumHealthz === "off" ? undefined : ciliumHealthz,
    createPings: (onChange) => new PeerPings([], { onChange, onFailure: warn }),
    onEvent(event) {
      tell(event);
      onEvent?.(event);
    },
  });
  running.agent = agent;
  const collecting = setInterval(collectGarbage, COLLECT_MILLISECONDS);
  await ended;
  clearInterval(collecting);
  closing.abort();
  await Promise.all([server.closed, scraped?.closed]);
}

/** An agent that nobody can scrape serves all the same: what is wrong is told, and that is all. */
async function startScraping(
  app: Hono,
  options: ListenAddress & {
    readonly signal: AbortSignal;
    readonly onFailure: (error: Error) => void;
  },
): Promise<RunningServer | undefined> {
  try {
    return await serve({ app, ...options });
  } catch (error) {
    options.onFailure(asError(error));
    return undefined;
  }
}

/** Where V8 was started with --expose-gc, as in the image; some 10 ms. */
function collectGarbage(): void {
  const collect: unknown = Reflect.get(globalThis, "gc");
  if (typeof collect === "function") collect();
}
