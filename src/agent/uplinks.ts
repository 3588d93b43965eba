/** What this node hears of the targets that its gateways' uplinks must reach. */
import { TIMINGS } from "../core/timings.ts";
import { uplinkKey } from "./core/uplinks.ts";
import type { UplinkAnswers, UplinkProbe } from "./core/view.ts";
import type { Hands, UplinkProber } from "./hands.ts";

export interface UplinksOptions {
  readonly hands: Pick<Hands, "probeUplinks">;
  /** Milliseconds of the node's monotonic clock. */
  readonly now: () => number;
  /** A target answers that did not, or cannot be asked. */
  readonly onNews: () => void;
  readonly signal: AbortSignal;
}

/** The loop is later than this now and then; by more, this process stood still, and heard nobody. */
const PROMPT_MILLISECONDS = 200;

export class Uplinks {
  readonly #options: UplinksOptions;
  readonly #answers = new Map<string, UplinkAnswers>();
  readonly #intervals = new Map<string, number>();
  #prober: UplinkProber | undefined;

  constructor(options: UplinksOptions) {
    this.#options = options;
  }

  get answers(): ReadonlyMap<string, UplinkAnswers> {
    return this.#answers;
  }

  /** Asks exactly these from now on; what is known of those that stay is kept. */
  set(probes: readonly UplinkProbe[]): void {
    const wanted = new Map(probes.map((probe) => [uplinkKey(probe), probe]));
    const isSame = wanted.size === this.#answers.size &&
      [...wanted.keys()].every((key) => this.#answers.has(key));
    if (isSame) return;
    for (const key of this.#answers.keys()) {
      if (wanted.has(key)) continue;
      this.#answers.delete(key);
      this.#intervals.delete(key);
    }
    for (const [key, { intervalMilliseconds }] of wanted) {
      if (this.#answers.has(key)) continue;
      this.#answers.set(key, { heardAt: this.#options.now(), answered: false });
      this.#intervals.set(key, intervalMilliseconds);
    }
    this.#prober ??= this.#start();
    this.#prober?.set(probes);
  }

  /** This process woke so much later than it was to: answers of that time are still to be read, and nobody is lost by it. */
  excuse(lateMilliseconds: number): void {
    if (lateMilliseconds < PROMPT_MILLISECONDS) return;
    for (const [key, answers] of this.#answers) {
      const heardAt = Math.min(answers.heardAt + lateMilliseconds, this.#options.now());
      this.#answers.set(key, { ...answers, heardAt });
    }
  }

  #start(): UplinkProber | undefined {
    const { hands, now, onNews, signal } = this.#options;
    return hands.probeUplinks?.({
      onAnswer: (key, ago) => {
        const before = this.#answers.get(key);
        if (before === undefined) return;
        const heardAt = Math.max(before.answered ? before.heardAt : -Infinity, now() - ago);
        const interval = this.#intervals.get(key) ?? 0;
        // The least that any gateway calls lost.
        const wasLost = heardAt - before.heardAt >= 2 * interval + TIMINGS.uplinkGraceMilliseconds;
        const backAt = wasLost ? heardAt : before.backAt;
        this.#answers.set(key, {
          heardAt,
          answered: true,
          ...(backAt === undefined ? {} : { backAt }),
        });
        // Told only where it may change what is reported: the loop need not run for each answer.
        const wasSilent = now() - before.heardAt > 1.1 * interval;
        if (!before.answered || before.problem !== undefined || wasSilent) onNews();
      },
      onBegin: (key) => {
        const before = this.#answers.get(key);
        if (before?.problem === undefined) return;
        this.#answers.set(key, { heardAt: now(), answered: false });
        onNews();
      },
      onProblem: (key, message) => {
        const before = this.#answers.get(key);
        if (before === undefined || before.problem === message) return;
        this.#answers.set(key, { ...before, problem: message });
        onNews();
      },
    }, signal);
  }
}
