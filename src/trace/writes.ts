/** When the writes of a tick happened. */
import type { ChangeResult } from "../cluster/apply.ts";
import { pathOf } from "../cluster/resources.ts";
import type { Milliseconds } from "../core/types.ts";
import type { TimedRequest } from "./requests.ts";

/** A write of a tick, and when it happened. */
export interface TimedWrite {
  readonly write: ChangeResult;
  readonly beganAt: Milliseconds;
  readonly endedAt: Milliseconds;
}

/** Writes of one path follow each other as their changes do. */
export function timedWrites(
  results: readonly ChangeResult[],
  { requests, endedAt }: {
    readonly requests: readonly TimedRequest[];
    /** For a write that was written with another's request. */
    readonly endedAt: Milliseconds;
  },
): readonly TimedWrite[] {
  const left = Map.groupBy(
    requests.filter(({ method }) => method !== "GET"),
    ({ path }) => path,
  );
  return results.filter(({ result }) => result !== "skipped").map((write) => {
    const request = left.get(pathOf(write.change))?.shift();
    return {
      write,
      beganAt: request?.sentAt ?? endedAt,
      endedAt: request?.answeredAt ?? endedAt,
    };
  });
}
