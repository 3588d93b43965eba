/** Notes when requests to the API server were sent and answered, for the spans of a tick. */
import type { KubeClient } from "../kube/client.ts";
import type { Milliseconds } from "../core/types.ts";

export interface TimedRequest {
  readonly method: string;
  readonly path: string;
  /** Since the epoch. */
  readonly sentAt: Milliseconds;
  readonly answeredAt: Milliseconds;
}

/** More of them in one tick leave the first ones out. */
const MOST = 2_000;

export interface RequestTimes {
  readonly client: KubeClient;
  /** What was answered since the last call. */
  take(): readonly TimedRequest[];
}

export function timeRequests(client: KubeClient, now: () => Milliseconds = Date.now): RequestTimes {
  let noted: TimedRequest[] = [];
  return {
    client: {
      ...client,
      async request(request) {
        const sentAt = now();
        try {
          return await client.request(request);
        } finally {
          const { method, path } = request;
          if (noted.length === MOST) noted = noted.slice(MOST / 2);
          noted.push({ method, path, sentAt, answeredAt: now() });
        }
      },
    },
    take() {
      const taken = noted;
      noted = [];
      return taken;
    },
  };
}
