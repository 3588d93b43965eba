/** Time that passes when a test says so, for programs that are given the `sleep` to wait by. */
import type { sleep } from "../../src/kube/deadline.ts";

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

export class VirtualTime {
  #now = 0;
  #sleepers: readonly Sleeper[] = [];

  readonly sleep: typeof sleep = async (milliseconds, signal) => {
    signal?.throwIfAborted();
    await new Promise<void>((wake, reject) => {
      this.#sleepers = [...this.#sleepers, { until: this.#now + milliseconds, wake }];
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  };

  /** Lets all come to where they wait, wakes whom it is time for, and lets these do what they woke up for. */
  async pass(milliseconds: number): Promise<void> {
    await settled();
    this.#now += milliseconds;
    const due = this.#sleepers.filter(({ until }) => until <= this.#now);
    this.#sleepers = this.#sleepers.filter(({ until }) => until > this.#now);
    for (const { wake } of due) wake();
    await settled();
  }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}
