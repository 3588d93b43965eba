/** The person's wish to end: Ctrl-C, or a supervisor's signal. */
import process from "node:process";

const wish = new AbortController();

/** Aborts at the first SIGTERM or SIGINT. */
export const stop: AbortSignal = wish.signal;

export function stopOnSignals(): void {
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => wish.abort());
}
