/**
 * Time limits as abort signals. Written out since a timer of `AbortSignal.timeout` cannot be cleared, and since each
 * `AbortSignal.any` stays in memory for as long as the signals that it joins (Deno 2.9.6: 1.3 kB; an agent joins one a
 * second to a signal that lives for months). `sleep` is that of `node:timers/promises` for every runtime, and throws the
 * signal's own reason.
 */

/** The reason with which a deadline's signal aborts. */
export class DeadlineExceeded extends Error {
  override readonly name = "DeadlineExceeded";

  constructor(milliseconds: number) {
    super(`no answer within ${Math.round(milliseconds)} ms`);
  }
}

/**
 * Runs work that must end within `milliseconds` or when `signal` aborts. The work gets a signal that says so, and is no
 * longer waited for then, whether it listens or not.
 *
 * @throws DeadlineExceeded, the signal's reason, or what the work throws
 */
export async function within<T>(
  options: { readonly milliseconds: number; readonly signal?: AbortSignal | undefined },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal } = options;
  // Of a time that is over already there is nothing left.
  const milliseconds = Math.max(0, options.milliseconds);
  signal?.throwIfAborted();
  const inner = new AbortController();
  const follow = () => inner.abort(signal?.reason);
  const timer = setTimeout(() => inner.abort(new DeadlineExceeded(milliseconds)), milliseconds);
  signal?.addEventListener("abort", follow, { once: true });
  try {
    return await new Promise<T>((resolve, reject) => {
      inner.signal.addEventListener("abort", () => reject(inner.signal.reason), { once: true });
      work(inner.signal).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", follow);
  }
}

/** The longest that a timer can wait; one that is told more ends at once. */
const LONGEST_MILLISECONDS = 2 ** 31 - 1;

/**
 * Waits; for Infinity until the signal aborts.
 *
 * @throws the signal's reason as soon as it aborts
 */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      if (milliseconds !== Infinity) {
        timer = setTimeout(resolve, Math.min(milliseconds, LONGEST_MILLISECONDS));
      }
      stop = () => reject(signal?.reason);
      signal?.addEventListener("abort", stop, { once: true });
    });
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) signal?.removeEventListener("abort", stop);
  }
}
