/** Waiting that always ends. */

export interface WaitOptions {
  /** Default 5000. */
  readonly timeoutMilliseconds?: number;
  /** Default 20. */
  readonly everyMilliseconds?: number;
}

/** Resolves after so long. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Asks again and again until the answer is neither undefined nor false, and gives it.
 *
 * @param what ends the sentence "Waited 5000 ms for …"
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { timeoutMilliseconds = 5000, everyMilliseconds = 20 }: WaitOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + timeoutMilliseconds;
  while (true) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>;
    if (performance.now() > end) throw new Error(`Waited ${timeoutMilliseconds} ms for ${what}`);
    await pause(everyMilliseconds);
  }
}
