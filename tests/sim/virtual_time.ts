/**
 * Time, timers and chance under our control: events happen in an order that the seed alone decides.
 *
 * While a world runs, `setTimeout`, `Date`, `performance.now` and `Math.random` are the world's. Everything that one
 * event sets off in promises is done before the next event.
 */
import { setImmediate } from "node:timers";

/** When every simulation begins. */
export const EPOCH = Date.UTC(2026, 10, 23, 10);

/** An event that is to happen. */
export interface Pending {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  readonly process: Process | undefined;
  cancelled: boolean;
}

export class VirtualTime {
  /** Milliseconds since the beginning. */
  now = 0;
  /** Called after each event. */
  onEvent: () => void = () => {};
  events = 0;
  readonly #random: () => number;
  readonly #timers = new Map<number, Pending>();
  #queue: Pending[] = [];
  #order = 0;
  #current: Process | undefined;

  constructor(seed: number) {
    this.#random = mulberry32(seed);
  }

  /** 0 up to 1. */
  random(): number {
    return this.#random();
  }

  /** Between two durations. */
  between(least: number, most: number): number {
    return least + this.#random() * (most - least);
  }

  /** Lets something happen after a delay; to a process only while it runs. */
  after(delay: number, run: () => void, process?: Process): Pending {
    const event: Pending = {
      at: this.now + Math.max(0, delay),
      order: this.#order++,
      run,
      process,
      cancelled: false,
    };
    push(this.#queue, event);
    return event;
  }

  /** Lets time pass, with the world's clocks and timers in place of the real ones. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    using _installed = this.#install();
    while (true) {
      const next = this.#queue[0];
      if (next === undefined || next.at > end) break;
      pop(this.#queue);
      if (next.cancelled || next.process?.takes(next) === false) continue;
      this.now = Math.max(this.now, next.at);
      this.#current = next.process;
      next.run();
      await drained();
      this.#current = undefined;
      this.events++;
      this.onEvent();
    }
    this.now = end;
  }

  /** Runs code of a process at once, as a part of the event that is under way. */
  within<T>(process: Process, run: () => T): T {
    const before = this.#current;
    this.#current = process;
    try {
      return run();
    } finally {
      this.#current = before;
    }
  }

  #install(): Disposable {
    // deno-lint-ignore no-this-alias -- the class below has a `this` of its own
    const time = this;
    const real = { setTimeout, clearTimeout, Date, random: Math.random };
    class WorldDate extends Date {
      constructor(...given: [] | [number]) {
        super(given[0] ?? WorldDate.now());
      }
      static override now(): number {
        return EPOCH + Math.floor(time.now) + (time.#current?.clockError ?? 0);
      }
    }
    Reflect.set(globalThis, "Date", WorldDate);
    Reflect.set(
      globalThis,
      "setTimeout",
      (run: () => void, delay = 0) => time.#setTimer(run, delay),
    );
    Reflect.set(globalThis, "clearTimeout", (id: number | undefined) => time.#clearTimer(id));
    Math.random = () => time.#random();
    Object.defineProperty(performance, "now", { value: () => time.now, configurable: true });
    return {
      [Symbol.dispose]() {
        Reflect.set(globalThis, "Date", real.Date);
        Reflect.set(globalThis, "setTimeout", real.setTimeout);
        Reflect.set(globalThis, "clearTimeout", real.clearTimeout);
        Math.random = real.random;
        Reflect.deleteProperty(performance, "now");
      },
    };
  }

  #setTimer(run: () => void, delay: number): number {
    const process = this.#current;
    const event = this.after(delay, run, process);
    this.#timers.set(event.order, event);
    return event.order;
  }

  #clearTimer(id: number | undefined): void {
    const timer = this.#timers.get(id ?? -1);
    if (timer !== undefined) timer.cancelled = true;
    this.#timers.delete(id ?? -1);
  }
}

/** A program that can be stopped, continued and killed between any two of its events. */
export class Process {
  /** Of its wall clock, milliseconds; nothing may depend on it. */
  readonly clockError: number;
  readonly name: string;
  readonly #time: VirtualTime;
  #state: "runs" | "frozen" | "dead" = "runs";
  #missed: Pending[] = [];
  frozenAt = -Infinity;
  thawedAt = -Infinity;

  constructor(time: VirtualTime, name: string) {
    this.#time = time;
    this.name = name;
    this.clockError = Math.round(time.between(-60_000, 60_000));
  }

  get state(): "runs" | "frozen" | "dead" {
    return this.#state;
  }

  /** Lets something happen to this process; never, when it is dead by then; late, when it is frozen. */
  after(delay: number, run: () => void): Pending {
    return this.#time.after(delay, run, this);
  }

  /** A promise that resolves after a while of the process. */
  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => this.after(delay, resolve));
  }

  /** Tells whether an event may happen now; else keeps it for later, or forgets it. */
  takes(event: Pending): boolean {
    if (this.#state === "frozen") this.#missed.push(event);
    return this.#state === "runs";
  }

  freeze(): void {
    if (this.#state !== "runs") return;
    this.#state = "frozen";
    this.frozenAt = this.#time.now;
  }

  /** What was missed happens now: timers and packets in an order that is nobody's promise. */
  thaw(): void {
    if (this.#state !== "frozen") return;
    this.#state = "runs";
    this.thawedAt = this.#time.now;
    const missed = this.#missed.filter(({ cancelled }) => !cancelled);
    this.#missed = [];
    const shuffled = this.#time.random() < 0.5;
    for (const event of missed) {
      const again = this.after(shuffled ? this.#time.between(0, 3) : 0, () => {
        if (!event.cancelled) event.run();
      });
      again.cancelled = event.cancelled;
    }
  }

  kill(): void {
    this.#state = "dead";
    this.#missed = [];
  }
}

/** Resolves when every promise that could settle has done so. */
function drained(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function push(heap: Pending[], event: Pending): void {
  let index = heap.push(event) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !isBefore(event, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = event;
}

function pop(heap: Pending[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  while (true) {
    let child = 2 * index + 1;
    const [left, right] = [heap[child], heap[child + 1]];
    if (left === undefined) break;
    if (right !== undefined && isBefore(right, left)) child++;
    const lower = heap[child];
    if (lower === undefined || !isBefore(lower, last)) break;
    heap[index] = lower;
    index = child;
  }
  heap[index] = last;
}

function isBefore(a: Pending, b: Pending): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A small generator of even numbers; the same seed gives the same numbers. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
