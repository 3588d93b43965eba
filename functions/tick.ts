/** One tick, or a minute of them: the CronJob's container. Exit code 0: done; 1: a tick failed; 2: bad configuration. */
import process from "node:process";
import { parseArgs } from "node:util";
import { parseDuration } from "../src/program/duration.ts";
import { ciliumPods, clusterOptions } from "../src/program/environment.ts";
import { loadCluster } from "../src/kube/auth/load_cluster.ts";
import { createClient } from "../src/kube/http.ts";
import { logTick } from "../src/program/log.ts";
import { runProgram } from "../src/program/run_program.ts";
import { runTicks } from "../src/controller/run_ticks.ts";

await runProgram(async ({ environment, logger, signal }) => {
  const { values } = parseArgs({
    args: process.argv.slice(2),
    options: { for: { type: "string", default: "0s" }, every: { type: "string", default: "5s" } },
  });
  const pushgateway = environment.SALLYPORT_PUSHGATEWAY;
  // Loaded here only: most ticks push nothing.
  const metrics = pushgateway === undefined
    ? undefined
    : (await import("../src/controller/pushed_metrics.ts")).createPushedMetrics(pushgateway);
  const client = createClient(await loadCluster(clusterOptions(environment)), {
    onRequest: (traffic) => metrics?.recordRequest(traffic),
  });
  const succeeded = await runTicks(client, {
    forMilliseconds: parseDuration(values.for),
    everyMilliseconds: parseDuration(values.every),
    cilium: ciliumPods(environment),
    dryRun: environment.SALLYPORT_DRY_RUN,
    onTick: (result) => {
      logTick(logger, result);
      metrics?.recordTick(result);
    },
    onError: (error, durationMilliseconds) => {
      logger.error("{message}", { message: error.message });
      metrics?.recordFailedTick({ durationMilliseconds });
    },
    signal,
  });
  await metrics?.push().catch((error: Error) =>
    logger.warn("{message}", { message: error.message })
  );
  await client.close();
  return succeeded ? 0 : 1;
});
