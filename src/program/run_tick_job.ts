/** One tick, or a minute of them: what `functions/tick.ts` and `sallyport tick` run. */
import { hostname } from "node:os";
import { runTicks } from "../controller/run_ticks.ts";
import type { TickResult } from "../controller/tick.ts";
import { messageOf } from "../core/message.ts";
import { withClient } from "./connect.ts";
import type { Program, Running } from "./run_program.ts";
import { CILIUM_SETTINGS, ciliumPods, CLUSTER_SETTINGS } from "./settings.ts";
import type { Settings } from "./settings.ts";
import { withObservers } from "./observers.ts";
import { createTickLog } from "./tick_log.ts";

const SETTINGS = [
  ...CLUSTER_SETTINGS,
  ...CILIUM_SETTINGS,
  "tickFor",
  "tickEvery",
  "dryRun",
  "pushgateway",
  "noticeURL",
] as const;

export const tickJob: Program<typeof SETTINGS[number]> = { settings: SETTINGS, run: runTickJob };

/** @returns true when every tick succeeded that was not broken off */
export async function runTickJob(
  settings: Pick<Settings, typeof SETTINGS[number]>,
  { logger, signal, onTick }: Running & { readonly onTick?: (result: TickResult) => void },
): Promise<boolean> {
  const { pushgateway } = settings;
  // Loaded here only: most ticks push nothing.
  const metrics = pushgateway === undefined
    ? undefined
    : (await import("../controller/pushed_metrics.ts")).createPushedMetrics(pushgateway);
  // A move that is only decided must not read like one that was made.
  const log = createTickLog(settings.dryRun ? logger.with({ dryRun: true }) : logger);
  const target = { ...settings, onRequest: metrics?.recordRequest ?? (() => {}) };
  const succeeded = await withClient(
    target,
    (client) =>
      withObservers(client, { settings, log, logger }, (observers) =>
        runTicks(observers.client, {
          forMilliseconds: settings.tickFor,
          everyMilliseconds: settings.tickEvery,
          cilium: ciliumPods(settings),
          instance: hostname(),
          dryRun: settings.dryRun,
          onTick(result) {
            observers.onTick(result);
            metrics?.recordTick(result);
            onTick?.(result);
          },
          onError(error, durationMilliseconds) {
            observers.onError(error, durationMilliseconds);
            metrics?.recordFailedTick({ durationMilliseconds });
          },
          signal,
        })),
  );
  await metrics?.push().catch((error: unknown) =>
    logger.warn("{message}", { message: messageOf(error) })
  );
  return succeeded;
}
