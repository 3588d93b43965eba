import { messageOf } from "../core/message.ts";
import type { Milliseconds } from "../core/types.ts";

export interface TickRequest {
  /** Decide and stop before anything is written. */
  readonly dryRun: boolean;
}

export interface TickerOptions {
  /** Triggers that may wait for a tick that has not started; default 32. */
  readonly maxWaiting?: number;
  /** Clock for `last`, milliseconds since any fixed moment; default `Date.now`. */
  readonly now?: () => Milliseconds;
}

/** How the last tick that was not a dry run ended. */
export interface LastTick {
  readonly finishedAt: Milliseconds;
  /** Absent after a tick that succeeded. */
  readonly error?: string;
  /** After a tick that failed: when the last one that succeeded had ended; absent: none had. */
  readonly succeededAt?: Milliseconds;
}

/** More triggers wait than a ticker holds. The tick that they wait for will come: nothing is lost by giving up. */
export class TooManyTriggersError extends Error {
  override readonly name = "TooManyTriggersError";
}

/** A tick that waits for its turn, and everyone who waits for it. */
interface Waiting<Result> {
  readonly result: Promise<Result>;
  readonly start: () => Promise<void>;
  triggers: number;
}

/**
 * Runs at most one tick at a time in this process.
 *
 * A tick that runs may have observed the cluster before the change that a trigger tells of, so triggers that come while
 * one runs share one following tick. Dry runs are shared among dry runs only. This saves work; overlapping ticks of
 * other processes are harmless by design.
 */
export class Ticker<Result> {
  readonly #run: (request: TickRequest) => Promise<Result>;
  readonly #maxWaiting: number;
  readonly #now: () => Milliseconds;
  #running: Promise<void> | undefined;
  #real: Waiting<Result> | undefined;
  #dry: Waiting<Result> | undefined;
  #last: LastTick | undefined;

  constructor(run: (request: TickRequest) => Promise<Result>, options: TickerOptions = {}) {
    this.#run = run;
    this.#maxWaiting = options.maxWaiting ?? 32;
    this.#now = options.now ?? Date.now;
  }

  /** Undefined until the first tick has ended. */
  get last(): LastTick | undefined {
    return this.#last;
  }

  /** Notes a tick that was none of this ticker's: what is known told that there is nothing to do. */
  noteQuiet(): void {
    this.#last = { finishedAt: this.#now() };
  }

  /** Triggers that wait for a tick that has not started. */
  get waiting(): number {
    return (this.#real?.triggers ?? 0) + (this.#dry?.triggers ?? 0);
  }

  /**
   * Resolves with the result of a tick that starts now or after the one that runs.
   *
   * Rejects with what the tick throws, or with {@linkcode TooManyTriggersError}.
   */
  trigger(request: TickRequest = { dryRun: false }): Promise<Result> {
    if (this.waiting >= this.#maxWaiting) {
      return Promise.reject(
        new TooManyTriggersError(`Cannot wait for a tick as ${this.waiting} triggers wait already`),
      );
    }
    const waiting = this.#join(request);
    waiting.triggers++;
    this.#running ??= this.#work();
    return waiting.result;
  }

  /** Resolves when no tick runs and none waits. */
  async idle(): Promise<void> {
    await this.#running;
  }

  #join(request: TickRequest): Waiting<Result> {
    if (request.dryRun) return this.#dry ??= this.#enqueue(request);
    return this.#real ??= this.#enqueue(request);
  }

  #enqueue(request: TickRequest): Waiting<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const start = () => this.#tick(request).then(resolve, reject);
    return { result: promise, start, triggers: 0 };
  }

  async #work(): Promise<void> {
    for (let next = this.#take(); next !== undefined; next = this.#take()) await next.start();
    this.#running = undefined;
  }

  /** What writes goes first. */
  #take(): Waiting<Result> | undefined {
    const next = this.#real ?? this.#dry;
    if (next === this.#real) this.#real = undefined;
    else this.#dry = undefined;
    return next;
  }

  async #tick(request: TickRequest): Promise<Result> {
    try {
      const result = await this.#run(request);
      if (!request.dryRun) this.#last = { finishedAt: this.#now() };
      return result;
    } catch (error) {
      if (!request.dryRun) {
        this.#last = failedAfter(this.#last, {
          finishedAt: this.#now(),
          error: messageOf(error),
        });
      }
      throw error;
    }
  }
}

function failedAfter(
  before: LastTick | undefined,
  failure: Required<Pick<LastTick, "finishedAt" | "error">>,
): LastTick {
  const succeededAt = before?.error === undefined ? before?.finishedAt : before.succeededAt;
  return { ...failure, ...(succeededAt === undefined ? {} : { succeededAt }) };
}
