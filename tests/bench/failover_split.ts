/** Where the time of a failover goes: outage = detect + decide + bind + announce. */
import type { Span } from "../lab/stream.ts";

/** Milliseconds; their sum is the outage. */
export interface Split {
  /** From the last packet that was answered to the start of the tick that decided the move. */
  readonly detect: number;
  /** Until that tick has written what it could. */
  readonly decide: number;
  /** Until the VIP was bound, looked for on the wire, reported, and phase Active written; 0 where it was prepared. */
  readonly bind: number;
  /** From phase Active to the first packet that was answered again. */
  readonly announce: number;
}

interface LogLine {
  readonly time: string;
  readonly decision?: string;
  /** Of a tick, milliseconds. */
  readonly took?: number;
}

/**
 * Reads the controller's log of one failover. All clocks are this machine's.
 *
 * @param activeAt when phase Active of the new holder was seen
 * @returns undefined where the move is not in the log
 */
export function splitOf(
  log: string,
  { outage, activeAt }: { readonly outage: Span; readonly activeAt: number },
): Split | undefined {
  const lines = log.split("\n").filter((line) => line.startsWith("{"))
    .map((line): LogLine => JSON.parse(line));
  // A tick's lines are written at its end, the last one tells how long it took.
  const first = lines.findIndex(({ decision }) => decision === "FailOver");
  const last = lines.slice(Math.max(first, 0)).find(({ took }) => took !== undefined);
  if (first < 0 || last?.took === undefined) return undefined;
  const decidedAt = Date.parse(last.time) - last.took;
  // A prepared takeover is one tick, which goes on for a little after phase Active.
  const writtenAt = Math.min(Date.parse(last.time), activeAt);
  return {
    detect: decidedAt - outage.from,
    decide: writtenAt - decidedAt,
    bind: activeAt - writtenAt,
    announce: outage.from + outage.milliseconds - activeAt,
  };
}
