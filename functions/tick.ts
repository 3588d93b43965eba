/** One tick, or a minute of them: the CronJob's container. Exit code 0: done; 1: a tick failed; 2: bad configuration. */
import process from "node:process";
import { parseArgs } from "node:util";
import { parseDuration } from "../src/duration.ts";
import { ciliumPods, clusterOptions } from "../src/environment.ts";
import { loadCluster } from "../src/kube/config.ts";
import { createClient } from "../src/kube/http.ts";
import { logTick } from "../src/log.ts";
import { runProgram } from "../src/program.ts";
import { runTicks } from "../src/run_ticks.ts";

await runProgram(async ({ environment, logger, signal }) => {
  const { values } = parseArgs({
    args: process.argv.slice(2),
    options: { for: { type: "string", default: "0s" }, every: { type: "string", default: "5s" } },
  });
  const client = createClient(await loadCluster(clusterOptions(environment)));
  const succeeded = await runTicks(client, {
    forMilliseconds: parseDuration(values.for),
    everyMilliseconds: parseDuration(values.every),
    cilium: ciliumPods(environment),
    dryRun: environment.SALLYPORT_DRY_RUN,
    onTick: (result) => logTick(logger, result),
    onError: (error) => logger.error("{message}", { message: error.message }),
    signal,
  });
  await client.close();
  return succeeded ? 0 : 1;
});
