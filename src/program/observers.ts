/** Who is told of ticks, whichever form the controller has: its log, traces, and whoever asked for notices. */
import type { TickResult } from "../controller/tick.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Logger } from "./log.ts";
import { startNotices } from "./notices.ts";
import type { Settings } from "./settings.ts";
import type { TickLog } from "./tick_log.ts";
import { traceController } from "./tracing.ts";

export interface Observers {
  /** The client to tick with. */
  readonly client: KubeClient;
  readonly onTick: (result: TickResult) => void;
  readonly onError: (error: Error, durationMilliseconds?: number) => void;
}

export interface ObserversOptions {
  readonly settings: Pick<Settings, "noticeURL">;
  readonly log: TickLog;
  readonly logger: Logger;
}

/** Runs something that ticks, and then sends what is still to be told. */
export async function withObservers<T>(
  client: KubeClient,
  { settings, log, logger }: ObserversOptions,
  run: (observers: Observers) => Promise<T>,
): Promise<T> {
  const traces = await traceController(client, logger);
  const notices = await startNotices(settings, logger);
  try {
    return await run({
      client: traces.client,
      onTick(result) {
        log.tick(result);
        traces.tick(result);
        notices.tick(result);
      },
      onError(error, durationMilliseconds) {
        log.error(error);
        traces.failed(error, durationMilliseconds);
      },
    });
  } finally {
    await Promise.all([traces.close(), notices.close()]);
  }
}
