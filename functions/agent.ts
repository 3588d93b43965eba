/** The agent of one node: heartbeats, and in VirtualIPAddress mode binds and announces the VIPs. */
import { runAgentProgram } from "../src/program/serve_agent.ts";
import { agentPace, clusterOptions } from "../src/program/environment.ts";
import { loadCluster } from "../src/kube/auth/load_cluster.ts";
import { ConfigError } from "../src/kube/errors.ts";
import { createClient } from "../src/kube/http.ts";
import { runProgram } from "../src/program/run_program.ts";

await runProgram(async ({ environment, logger, signal }) => {
  const nodeName = environment.SALLYPORT_NODE_NAME;
  if (nodeName === undefined) {
    throw new ConfigError(
      "Cannot tell which node this is: set SALLYPORT_NODE_NAME, by the downward API (spec.nodeName)",
    );
  }
  const client = createClient(await loadCluster(clusterOptions(environment)));
  await runAgentProgram(client, {
    nodeName,
    stateDirectory: environment.SALLYPORT_STATE_DIRECTORY,
    ciliumHealthz: environment.SALLYPORT_CILIUM_HEALTHZ,
    port: environment.SALLYPORT_AGENT_PORT,
    pace: agentPace(environment),
    logger,
    signal,
  });
  await client.close();
  return 0;
});
