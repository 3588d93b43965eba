/**
 * The sink of Knative's ApiServerSource and PingSource: each event is a tick, and between events nothing runs.
 *
 * It listens on the loopback address, where a Knative service's queue-proxy forwards requests to, so that nobody gets
 * past that proxy. A pod without it sets SALLYPORT_HOSTNAME.
 */
import process from "node:process";
import { ciliumPods, clusterOptions, readKnativePort } from "../src/program/environment.ts";
import { createCloudEventsApp } from "../src/http/cloud_events.ts";
import { serve } from "../src/http/server.ts";
import { Ticker } from "../src/controller/ticker.ts";
import { loadCluster } from "../src/kube/auth/load_cluster.ts";
import { createClient } from "../src/kube/http.ts";
import { logTick } from "../src/program/log.ts";
import { runProgram } from "../src/program/run_program.ts";
import { settle } from "../src/controller/run_ticks.ts";

await runProgram(async ({ environment, logger, signal }) => {
  const client = createClient(await loadCluster(clusterOptions(environment)));
  const ticker = new Ticker(() =>
    settle(client, {
      cilium: ciliumPods(environment),
      onTick: (result) => logTick(logger, result),
      onError: (error) => logger.error("{message}", { message: error.message }),
    }), { maxWaiting: 1_000 });
  const server = await serve({
    app: createCloudEventsApp({ ticker }),
    hostname: environment.SALLYPORT_HOSTNAME,
    port: readKnativePort(process.env),
    signal,
    graceMilliseconds: 20_000,
  });
  logger.info("Listening on {hostname}:{port}", { hostname: server.hostname, port: server.port });
  await server.closed;
  await client.close();
  return 0;
});
