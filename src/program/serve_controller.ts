/** The controller with its HTTP side: what `functions/server.ts`, `sallyport serve` and the demo run. */
import { hostname } from "node:os";
import { Controller } from "../controller/controller.ts";
import type { ControllerOptions } from "../controller/controller.ts";
import type { KubeClient } from "../kube/client.ts";
import { createApp } from "../http/app.ts";
import { assertSafeToListen, isLoopback } from "../http/listen_address.ts";
import type { Metrics } from "../controller/metrics.ts";
import { serve } from "../http/server.ts";
import type { RunningServer } from "../http/server.ts";
import { StatusRenderer } from "../http/rendered_status.ts";
import { tokenFromFile } from "../http/token.ts";
import { createMetrics } from "../controller/metrics.ts";
import { withClient } from "./connect.ts";
import type { Program } from "./run_program.ts";
import { CILIUM_SETTINGS, ciliumPods, CLUSTER_SETTINGS } from "./settings.ts";
import { withObservers } from "./observers.ts";
import { createTickLog } from "./tick_log.ts";

const SETTINGS = [
  ...CLUSTER_SETTINGS,
  ...CILIUM_SETTINGS,
  "hostname",
  "port",
  "tokenFile",
  "serveEvery",
  "noticeURL",
] as const;

/** What `functions/server.ts` and `sallyport serve` run. */
export const controllerProgram: Program<typeof SETTINGS[number]> = {
  settings: SETTINGS,
  async run(settings, { logger, signal }) {
    const metrics = createMetrics();
    const log = createTickLog(logger);
    const target = { ...settings, onRequest: metrics.recordRequest };
    await withClient(
      target,
      (client) =>
        withObservers(client, { settings, log, logger }, async ({ client, ...observers }) => {
          const { server, ended } = await startController(client, {
            hostname: settings.hostname,
            port: settings.port,
            tokenFile: settings.tokenFile,
            everyMilliseconds: settings.serveEvery,
            cilium: ciliumPods(settings),
            instance: hostname(),
            metrics,
            ...observers,
            signal,
          });
          logger.info("Listening on {hostname}:{port}", {
            hostname: server.hostname,
            port: server.port,
          });
          await ended;
        }),
    );
    return true;
  },
};

export interface ControllerServerOptions extends ControllerOptions {
  readonly hostname: string;
  readonly port: number;
  readonly tokenFile?: string | undefined;
  readonly metrics: Metrics;
}

export interface RunningController {
  readonly controller: Controller;
  readonly server: RunningServer;
  /** Ends when the signal has aborted and everything is closed. */
  readonly ended: Promise<void>;
}

/** By so much a tick may be late, or slow, before the controller is called not ready. */
const FRESH_MILLISECONDS = 14_000;

/** By so much, before the status page says that ticks are late. */
const LATE_MILLISECONDS = 4_000;

/**
 * Starts ticking and listening.
 *
 * @throws ConfigError where it is not safe to listen; Error where it is not possible
 */
export async function startController(
  client: KubeClient,
  options: ControllerServerOptions,
): Promise<RunningController> {
  const { hostname, port, tokenFile, metrics, signal, onTick, onError } = options;
  const { everyMilliseconds = 1_000 } = options;
  assertSafeToListen({ hostname, tokenFile });
  const controller = new Controller(client, {
    ...options,
    onTick: (result) => {
      metrics.recordTick(result);
      onTick?.(result);
    },
    onError: (error, durationMilliseconds) => {
      if (durationMilliseconds !== undefined) metrics.recordFailedTick({ durationMilliseconds });
      onError?.(error, durationMilliseconds);
    },
  });
  const renderer = new StatusRenderer();
  const app = createApp({
    ticker: controller.ticker,
    status: () => controller.last && renderer.render(controller.last),
    metrics: () => metrics.text(),
    loopback: isLoopback(hostname),
    freshMilliseconds: FRESH_MILLISECONDS + everyMilliseconds,
    lateMilliseconds: LATE_MILLISECONDS + everyMilliseconds,
    signal,
    ...(tokenFile === undefined ? {} : { verifyToken: tokenFromFile(tokenFile, { onError }) }),
  });
  const server = await serve({ app, hostname, port, signal });
  const running = controller.run();
  return { controller, server, ended: Promise.all([running, server.closed]).then(() => {}) };
}
