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
import { withObservers } from "./observers.ts";
import { createTickLog } from "./tick_log.ts";

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
    await withClient(
      settings,
      (client) =>
        withObservers(client, { settings, log, logger }, async ({ client, ...observers }) => {
          const ticker = new Ticker(() =>
            settle(client, { cilium: ciliumPods(settings), instance: hostname(), ...observers })
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
        }),
    );
    return true;
  },
};
