/** Asks Cilium's agent on this node how it is. */
import type { Report } from "../core/types.ts";

const TIMEOUT_MILLISECONDS = 1_000;

/** Reads the healthz endpoint once; a failure is an answer too. */
export async function readCiliumHealth(url: string): Promise<NonNullable<Report["cilium"]>> {
  try {
    // `brief` leaves out the parts that are slow to compute; kubelet's probe of Cilium sends it too.
    const response = await fetch(url, {
      headers: { brief: "true" },
      signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
    });
    await response.body?.cancel();
    return response.ok
      ? { ready: true }
      : { ready: false, message: `healthz answers ${response.status}` };
  } catch (error) {
    return {
      ready: false,
      message: error instanceof Error && error.name === "TimeoutError"
        ? "no answer"
        : "no connection",
    };
  }
}
