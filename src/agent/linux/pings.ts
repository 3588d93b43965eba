/**
 * Who can be reached: one long-lived fping for all targets.
 *
 * A target counts as unreachable after some misses in a row, but only once it has answered (a network that filters ICMP
 * would else call everybody unreachable), and only as long as fping goes on telling (it says nothing while the node's
 * own interface is down: then the fault is ours and nothing is known).
 *
 * With the defaults a cut link is seen after 580 to 780 ms: three pings 200 ms apart, each given up after 180 ms.
 */

import { type Commands, hostCommands } from "./command.ts";
import { keepRunning } from "./kept_program.ts";

export interface PingOptions {
  readonly commands?: Commands;
  /** Between two pings to one target. Default 200. */
  readonly periodMilliseconds?: number;
  /** Misses in a row that make a target unreachable. Default 3. */
  readonly misses?: number;
  /** Ends everything. */
  readonly signal?: AbortSignal;
  /** Called with all unreachable addresses, sorted, when their set changes. */
  readonly onChange?: (unreachable: readonly string[]) => void;
  /** Called when fping could not be started or died; it is started again. */
  readonly onFailure?: (error: Error) => void;
}

interface Target {
  answered: boolean;
  missed: number;
  /** When fping last said something about it. Milliseconds, monotonic. */
  heardAt: number;
}

/** What fping said longer ago is no news: we were frozen and it is being read late. */
const STALE_PERIODS = 5;

/** Pings addresses until it is closed. */
export class PeerPings implements Disposable {
  readonly #commands: Commands;
  readonly #periodMilliseconds: number;
  readonly #misses: number;
  readonly #onChange: (unreachable: readonly string[]) => void;
  readonly #onFailure: (error: Error) => void;
  readonly #targets = new Map<string, Target>();
  #stop = () => {};
  #watch: ReturnType<typeof setInterval> | undefined;
  #reported = "";
  #closed = false;

  constructor(targets: Iterable<string>, options: PingOptions = {}) {
    const { commands = hostCommands, periodMilliseconds = 200, misses = 3, signal } = options;
    this.#commands = commands;
    this.#periodMilliseconds = periodMilliseconds;
    this.#misses = misses;
    this.#onChange = options.onChange ?? (() => {});
    this.#onFailure = options.onFailure ?? (() => {});
    signal?.addEventListener("abort", () => this.close(), { once: true });
    if (signal?.aborted) this.close();
    else this.setTargets(targets);
  }

  /** Makes the targets, IP addresses, exactly these. fping is started anew only if they differ; what is known of others is kept. */
  setTargets(addresses: Iterable<string>): void {
    const wanted = new Set(addresses);
    const isSame = wanted.size === this.#targets.size &&
      [...wanted].every((address) => this.#targets.has(address));
    if (isSame || this.#closed) return;
    for (const address of this.#targets.keys()) {
      if (!wanted.has(address)) this.#targets.delete(address);
    }
    for (const address of wanted) {
      if (this.#targets.has(address)) continue;
      this.#targets.set(address, { answered: false, missed: 0, heardAt: -Infinity });
    }
    this.#start();
    this.#tellChange();
  }

  /** Addresses that have answered before and missed the last pings, sorted. */
  unreachable(): string[] {
    const oldest = performance.now() - STALE_PERIODS * this.#periodMilliseconds;
    return [...this.#targets]
      .filter(([, { answered, missed, heardAt }]) =>
        answered && missed >= this.#misses && heardAt >= oldest
      )
      .map(([address]) => address)
      .sort();
  }

  /** Stops pinging. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#watch);
    this.#stop();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #start(): void {
    this.#stop();
    this.#stop = () => {};
    if (this.#targets.size === 0) return;
    const period = this.#periodMilliseconds;
    this.#stop = keepRunning({
      commands: this.#commands,
      argv: [
        "fping",
        ...["--loop", "--timestamp", "--period", String(period)],
        ...["--timeout", String(Math.max(1, period - 20)), "--interval", "1"],
        ...["--", ...this.#targets.keys()],
      ],
      onLine: (line) => this.#hear(line),
      onEnd: this.#onFailure,
    });
  }

  /** `[1795440623.59043] 10.0.0.2 : [6], timed out (…` or `… : [5], 64 bytes, 0.045 ms (…`. */
  #hear(line: string): void {
    const said = /^\[(\d+\.\d+)\] (\S+)\s+: \[\d+\], (timed out|\d+ bytes)/.exec(line);
    const target = this.#targets.get(said?.[2] ?? "");
    if (!said || !target) return;
    const age = Date.now() - Number(said[1]) * 1000;
    if (age > STALE_PERIODS * this.#periodMilliseconds) return;
    target.heardAt = performance.now();
    if (said[3] === "timed out") target.missed += 1;
    else Object.assign(target, { answered: true, missed: 0 });
    this.#tellChange();
  }

  #tellChange(): void {
    const unreachable = this.unreachable();
    const text = unreachable.join();
    if (text === this.#reported) return;
    this.#reported = text;
    clearInterval(this.#watch);
    // Once fping falls silent nobody else tells that nothing is known any more.
    if (text !== "") this.#watch = setInterval(() => this.#tellChange(), this.#periodMilliseconds);
    this.#onChange(unreachable);
  }
}
