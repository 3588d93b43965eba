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
  at: number;
  readonly order: number;
  readonly run: () => void;
  readonly process: Process | undefined;
  /** How long the machine of the process had been paused when `at` was counted. */
  paused: number;
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
      paused: process?.pausedMilliseconds ?? 0,
      cancelled: false,
    };
    this.put(event);
    return event;
  }

  /** Queues an event, or queues it anew. */
  put(event: Pending): void {
    push(this.#queue, event);
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
        const { now, clockError } = time.#current ?? { now: time.now, clockError: 0 };
        return EPOCH + Math.floor(now) + clockError;
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
    Object.defineProperty(performance, "now", {
      value: () => (time.#current ?? time).now,
      configurable: true,
    });
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
  clockError: number;
  readonly name: string;
  readonly #time: VirtualTime;
  #frozen = false;
  #dead = false;
  #pausedAt: number | undefined;
  #pausedBefore = 0;
  #missed: Pending[] = [];
  frozenAt = -Infinity;
  thawedAt = -Infinity;

  constructor(time: VirtualTime, name: string) {
    this.#time = time;
    this.name = name;
    this.clockError = Math.round(time.between(-60_000, 60_000));
  }

  get state(): "runs" | "stopped" | "dead" {
    if (this.#dead) return "dead";
    return this.#frozen || this.#pausedAt !== undefined ? "stopped" : "runs";
  }

  /** How long its machine has been paused, all in all. */
  get pausedMilliseconds(): number {
    return this.#pausedBefore +
      (this.#pausedAt === undefined ? 0 : this.#time.now - this.#pausedAt);
  }

  /** Its monotonic clock: it stands while the machine is paused. */
  get now(): number {
    return this.#time.now - this.pausedMilliseconds;
  }

  /** Lets something happen to this process; never, when it is dead by then; late, when it is stopped. */
  after(delay: number, run: () => void): Pending {
    return this.#time.after(delay, run, this);
  }

  /** A promise that resolves after a while of the process. */
  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => this.after(delay, resolve));
  }

  /** Tells whether an event may happen now; else keeps it for later, or forgets it. */
  takes(event: Pending): boolean {
    if (this.state === "runs" && event.paused < this.#pausedBefore) this.#postpone(event);
    else if (this.state === "runs") return true;
    else if (this.state === "stopped") this.#missed.push(event);
    return false;
  }

  /** SIGSTOP, or a node that is out of memory: clocks and timers of the kernel go on. */
  freeze(): void {
    if (this.#dead || this.#frozen) return;
    this.#frozen = true;
    this.frozenAt = this.#time.now;
  }

  /** What was missed happens now: timers and packets in an order that is nobody's promise. */
  thaw(): void {
    if (!this.#frozen || this.#dead) return;
    this.#frozen = false;
    this.#goOn();
  }

  /** Its machine is stopped with its clocks and timers, as a virtual machine is; `resume` lets all go on. */
  pause(): void {
    if (this.#dead || this.#pausedAt !== undefined) return;
    this.#pausedAt = this.#time.now;
    this.frozenAt = this.#time.now;
  }

  resume(): void {
    if (this.#pausedAt === undefined || this.#dead) return;
    this.#pausedBefore = this.pausedMilliseconds;
    this.#pausedAt = undefined;
    this.#goOn();
  }

  kill(): void {
    this.#dead = true;
    this.#missed = [];
  }

  #goOn(): void {
    if (this.state !== "runs") return;
    this.thawedAt = this.#time.now;
    const shuffled = this.#time.random() < 0.5;
    for (const event of this.#missed.splice(0)) {
      if (event.cancelled) continue;
      this.#postpone(event);
      if (event.at <= this.#time.now && shuffled) event.at += this.#time.between(0, 3);
    }
  }

  /** A timer that was set before a pause ends as much later as the pause was long. */
  #postpone(event: Pending): void {
    event.at = Math.max(this.#time.now, event.at + this.#pausedBefore - event.paused);
    event.paused = this.#pausedBefore;
    this.#time.put(event);
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
