/** The agent of one node: heartbeats, and in VirtualIPAddress mode binds and announces the VIPs. */
import { createAgentApp } from "../src/agent/agent_app.ts";
import { linuxHands } from "../src/agent/linux_hands.ts";
import { PeerPings } from "../src/agent/pings.ts";
import { startAgent } from "../src/agent/run_agent.ts";
import { clusterOptions } from "../src/environment.ts";
import { serve } from "../src/http/server.ts";
import { loadCluster } from "../src/kube/config.ts";
import { ConfigError } from "../src/kube/errors.ts";
import { createClient } from "../src/kube/http.ts";
import { runProgram } from "../src/program.ts";

await runProgram(async ({ environment, logger, signal }) => {
  const nodeName = environment.SALLYPORT_NODE_NAME;
  if (nodeName === undefined) {
    throw new ConfigError(
      "Cannot tell which node this is: set SALLYPORT_NODE_NAME, by the downward API (spec.nodeName)",
    );
  }
  const client = createClient(await loadCluster(clusterOptions(environment)));
  const warn = (error: Error): void => logger.warn("{message}", { message: error.message });
  const { agent, ended } = startAgent(client, {
    nodeName,
    hands: linuxHands({ onFailure: warn }),
    stateDirectory: environment.SALLYPORT_STATE_DIRECTORY,
    ciliumHealthz: environment.SALLYPORT_CILIUM_HEALTHZ === "off"
      ? undefined
      : environment.SALLYPORT_CILIUM_HEALTHZ,
    createPings: (onChange) => new PeerPings([], { onChange, onFailure: warn }),
    onEvent: ({ event, ...details }) =>
      logger.info("{event} {ip} {message}", { event, ip: "", message: "", ...details }),
    signal,
  });
  const port = environment.SALLYPORT_AGENT_PORT;
  const app = createAgentApp(() => agent.status());
  const closing = new AbortController();
  const server = await serve({ app, hostname: "127.0.0.1", port, signal: closing.signal });
  await ended;
  closing.abort();
  await server.closed;
  await client.close();
  return 0;
});
