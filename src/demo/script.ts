/** What the demo does by itself: fails the active node once, and repairs it. Anyone who takes over ends that. */

export interface ScriptOptions {
  readonly failAfterMilliseconds: number;
  readonly repairAfterMilliseconds: number;
  /** Fails the active node; gives its name, undefined where there is none yet. */
  readonly fail: () => string | undefined;
  readonly repair: (node: string) => void;
  readonly now?: () => number;
}

export class Script {
  readonly #options: ScriptOptions;
  readonly #now: () => number;
  #due: number;
  #failed: string | undefined;
  #ended = false;

  constructor(options: ScriptOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#due = this.#now() + options.failAfterMilliseconds;
  }

  /** Does what is due. */
  advance(): void {
    if (this.#ended || this.#now() < this.#due) return;
    const { fail, repair, repairAfterMilliseconds } = this.#options;
    if (this.#failed !== undefined) {
      repair(this.#failed);
      this.#ended = true;
      return;
    }
    this.#failed = fail();
    if (this.#failed !== undefined) this.#due = this.#now() + repairAfterMilliseconds;
  }

  /** Somebody else decides from now on. */
  end(): void {
    this.#ended = true;
  }

  /** What comes next, in a sentence; empty when nothing does. */
  next(): string {
    if (this.#ended) return "";
    const seconds = Math.max(0, Math.ceil((this.#due - this.#now()) / 1_000));
    return this.#failed === undefined
      ? `In ${seconds} s the active node of payments loses power by itself`
      : `In ${seconds} s ${this.#failed} gets its power back by itself`;
  }
}
