/** Asks Cilium's agent on this node how it is. */
import { get } from "node:http";
import type { Report } from "../core/types.ts";

const TIMEOUT_MILLISECONDS = 1_000;

type Health = NonNullable<Report["cilium"]>;

/**
 * Reads the healthz endpoint once; a failure is an answer too. By node:http, which the agent has loaded anyway: Deno's
 * fetch is another HTTP stack, of 3 MB.
 *
 * @param url with `http:`
 */
export function readCiliumHealth(url: string): Promise<Health> {
  const { promise, resolve } = Promise.withResolvers<Health>();
  // `brief` leaves out the parts that are slow to compute; kubelet's probe of Cilium sends it too.
  const request = get(url, { headers: { brief: "true" } }, (response) => {
    const { statusCode = 0 } = response;
    response.resume();
    resolve(
      statusCode >= 200 && statusCode < 300
        ? { ready: true }
        : { ready: false, message: `healthz answers ${statusCode}` },
    );
  }).on("error", () => resolve({ ready: false, message: "no connection" }));
  const timer = setTimeout(() => {
    resolve({ ready: false, message: "no answer" });
    request.destroy();
  }, TIMEOUT_MILLISECONDS);
  return promise.finally(() => clearTimeout(timer));
}
