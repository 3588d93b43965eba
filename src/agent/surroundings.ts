/** The node as the agent last looked at it: its interfaces, and its way out. */
import { TIMINGS } from "../core/timings.ts";
import type { HostInterface } from "./core/view.ts";
import type { Hands, Watch } from "./hands.ts";

export interface SurroundingsOptions {
  readonly hands: Pick<
    Hands,
    "interfaces" | "defaultRouteInterface" | "defaultRouteInterface6" | "needed" | "watch"
  >;
  /** Milliseconds of the node's monotonic clock. */
  readonly now: () => number;
}

export class Surroundings {
  readonly #options: SurroundingsOptions;
  #watch: Watch | undefined;
  #interfaces: readonly HostInterface[] = [];
  #defaultRouteInterface: string | undefined;
  #defaultRouteInterface6: string | undefined;
  #needed: ReadonlyMap<string, string> = new Map();
  #lookedAt = -Infinity;

  constructor(options: SurroundingsOptions) {
    this.#options = options;
  }

  get interfaces(): readonly HostInterface[] {
    return this.#interfaces;
  }

  get defaultRouteInterface(): string | undefined {
    return this.#defaultRouteInterface;
  }

  get defaultRouteInterface6(): string | undefined {
    return this.#defaultRouteInterface6;
  }

  /** Addresses that the node must reach, and what each is. */
  get needed(): ReadonlyMap<string, string> {
    return this.#needed;
  }

  /** Calls back when something has changed, where the kernel tells it; the next look is then due. */
  follow(onChange: () => void, signal: AbortSignal): void {
    this.#watch = this.#options.hands.watch?.(() => {
      this.forget();
      onChange();
    }, signal);
  }

  /** What is known is old: the next look is due. */
  forget(): void {
    this.#lookedAt = -Infinity;
  }

  /** Looks when a look is due; true: it did. */
  async look(): Promise<boolean> {
    const { hands, now } = this.#options;
    const at = now();
    const often = this.#watch?.works() ? TIMINGS.watchedLookMilliseconds : TIMINGS.lookMilliseconds;
    if (at - this.#lookedAt < often) return false;
    [
      this.#interfaces,
      this.#defaultRouteInterface,
      this.#defaultRouteInterface6,
      this.#needed,
    ] = await Promise.all([
      hands.interfaces(),
      hands.defaultRouteInterface(),
      hands.defaultRouteInterface6?.(),
      hands.needed?.() ?? new Map(),
    ]);
    this.#lookedAt = at;
    return true;
  }

  /** Looks at the interfaces alone, as after a change of our own. */
  async lookAgain(): Promise<readonly HostInterface[]> {
    return this.#interfaces = await this.#options.hands.interfaces();
  }
}
