/**
 * The sink of Knative's ApiServerSource and PingSource: each event is a tick, and between events nothing runs. What
 * `functions/knative.ts` and `sallyport knative` run.
 *
 * It listens on the loopback address, where a Knative service's queue-proxy forwards requests to, so that nobody gets
 * past that proxy. A pod without it sets SALLYPORT_HOSTNAME.
 */
import { hostname } from "node:os";
import { settle } from "../controller/run_ticks.ts";
import { Ticker } from "../controller/ticker.ts";
import { createCloudEventsApp } from "../http/cloud_events.ts";
import { serve } from "../http/server.ts";
import { withClient } from "./connect.ts";
import type { Program } from "./run_program.ts";
import { CILIUM_SETTINGS, ciliumPods, CLUSTER_SETTINGS } from "./settings.ts";
import { startNotices } from "./notices.ts";
import { createTickLog } from "./tick_log.ts";
import { traceController } from "./tracing.ts";

const SETTINGS = [
  ...CLUSTER_SETTINGS,
  ...CILIUM_SETTINGS,
  "hostname",
  "eventsPort",
  "noticeURL",
] as const;

/** A tick under way may be a move, which takes seconds. */
const GRACE_MILLISECONDS = 20_000;

export const eventsProgram: Program<typeof SETTINGS[number]> = {
  settings: SETTINGS,
  async run(settings, { logger, signal }) {
    const log = createTickLog(logger);
    await withClient(settings, async (client) => {
      const traces = await traceController(client, logger);
      const notices = await startNotices(settings, logger);
      const ticker = new Ticker(() =>
        settle(traces.client, {
          cilium: ciliumPods(settings),
          instance: hostname(),
          onTick(result) {
            log.tick(result);
            traces.tick(result);
            notices.tick(result);
          },
          onError(error, durationMilliseconds) {
            log.error(error);
            traces.failed(error, durationMilliseconds);
          },
        })
      );
      const server = await serve({
        app: createCloudEventsApp({ ticker }),
        hostname: settings.hostname,
        port: settings.eventsPort,
        signal,
        graceMilliseconds: GRACE_MILLISECONDS,
      });
      logger.info("Listening on {hostname}:{port}", {
        hostname: server.hostname,
        port: server.port,
      });
      await server.closed;
      await Promise.all([traces.close(), notices.close()]);
    });
    return true;
  },
};
