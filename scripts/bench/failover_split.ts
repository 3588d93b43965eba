/** Where the time of a failover goes: outage = detect + decide + bind + announce. */
import type { GatewayStatus } from "../../src/core/types.ts";
import type { Span } from "../../tests/lab/stream.ts";

/** Milliseconds; their sum is the outage. */
export interface Split {
  /** From the last packet that was answered to the observation on which the move was decided. */
  readonly detect: number;
  /** From there until the deciding tick has written what it could. */
  readonly decide: number;
  /** Until the VIP was bound, looked for on the wire, reported, and phase Active written; 0 where it was prepared. */
  readonly bind: number;
  /** From phase Active to the first packet that was answered again. */
  readonly announce: number;
}

interface LogLine {
  readonly time: string;
  readonly gateway?: string;
  readonly decision?: string;
}

/**
 * Reads the controller's log of one failover, and the status that it led to. All clocks are this machine's.
 *
 * @returns undefined where the move is not in the log
 */
export function splitOf(
  log: string,
  { outage, status: { lastFailover } }: { readonly outage: Span; readonly status: GatewayStatus },
): Split | undefined {
  const end = outage.from + outage.milliseconds;
  const decidedAt = Date.parse(lastFailover?.startTime ?? "");
  const activeAt = decidedAt + (lastFailover?.durationMilliseconds ?? NaN);
  const lines = log.split("\n").filter(Boolean).map((line): LogLine => JSON.parse(line));
  const decided = lines.find(({ decision, time }) =>
    decision === "FailOver" && Date.parse(time) >= decidedAt
  );
  if (decided === undefined || Number.isNaN(activeAt)) return undefined;
  // A tick's lines are written at its end; a prepared takeover is one tick, which ends after phase Active.
  const tickEnd = Math.min(Date.parse(decided.time), activeAt);
  return {
    detect: decidedAt - outage.from,
    decide: tickEnd - decidedAt,
    bind: activeAt - tickEnd,
    announce: end - activeAt,
  };
}
