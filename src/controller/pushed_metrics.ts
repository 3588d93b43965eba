/** Metrics of a process that ends before anybody scrapes it: pushed to a Prometheus Pushgateway. */
import { createMetrics } from "./metrics.ts";
import type { Metrics } from "./metrics.ts";

const TIMEOUT_MILLISECONDS = 5_000;

/** Metrics of one job are kept until the next push of that job. */
const JOB = "sallyport-tick";

export interface PushedMetrics extends Metrics {
  /** @throws Error when the Pushgateway cannot be reached or refuses */
  push(): Promise<void>;
}

/** @param url of the Pushgateway, as `http://pushgateway.monitoring:9091` */
export function createPushedMetrics(url: string): PushedMetrics {
  const metrics = createMetrics();
  const target = new URL(`metrics/job/${JOB}`, url.endsWith("/") ? url : `${url}/`);
  return {
    ...metrics,
    async push() {
      const response = await fetch(target, {
        method: "POST",
        headers: { "content-type": "text/plain; version=0.0.4" },
        body: await metrics.text(),
        signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
      }).catch((cause: unknown) => {
        throw new Error(`Cannot push metrics to ${target}: check SALLYPORT_PUSHGATEWAY`, { cause });
      });
      const said = await response.text();
      if (!response.ok) {
        throw new Error(`Cannot push metrics to ${target}: ${response.status} ${said}`.trim());
      }
    },
  };
}
