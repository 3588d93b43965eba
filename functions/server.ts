/** The resident controller: ticks by itself, and answers HTTP (health, metrics, status page, `POST /tick`). */
import { ciliumPods, clusterOptions } from "../src/program/environment.ts";
import { startController } from "../src/program/serve_controller.ts";
import { createMetrics } from "../src/controller/metrics.ts";
import { loadCluster } from "../src/kube/auth/load_cluster.ts";
import { createClient } from "../src/kube/http.ts";
import { logTick } from "../src/program/log.ts";
import { runProgram } from "../src/program/run_program.ts";

await runProgram(async ({ environment, logger, signal }) => {
  const metrics = createMetrics();
  const client = createClient(await loadCluster(clusterOptions(environment)), {
    onRequest: (traffic) => metrics.recordRequest(traffic),
  });
  const { server, ended } = await startController(client, {
    hostname: environment.SALLYPORT_HOSTNAME,
    port: environment.SALLYPORT_PORT,
    tokenFile: environment.SALLYPORT_TOKEN_FILE,
    everyMilliseconds: environment.SALLYPORT_EVERY,
    cilium: ciliumPods(environment),
    metrics,
    onTick: (result) => logTick(logger, result),
    onError: (error) => logger.error("{message}", { message: error.message }),
    signal,
  });
  logger.info("Listening on {hostname}:{port}", { hostname: server.hostname, port: server.port });
  await ended;
  await client.close();
  return 0;
});
