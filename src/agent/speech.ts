/** For which VIPs the kernel lets this node speak, and until when: permissions that expire by themselves (see linux/gate.ts). */
import { TIMINGS } from "../core/timings.ts";
import type { AgentPlan } from "./core/view.ts";
import type { Hands } from "./hands.ts";

export interface SpeechOptions {
  readonly hands: Pick<Hands, "speak" | "mute" | "speaking">;
  /** Milliseconds of the node's monotonic clock. */
  readonly now: () => number;
  readonly onBegin: (ip: string) => void;
  /** Milliseconds that it took. */
  readonly onEnd: (ip: string, tookMilliseconds: number) => void;
}

export class Speech {
  readonly #options: SpeechOptions;
  readonly #until = new Map<string, number>();
  /** VIP -> until when the kernel was told that nobody else has the right to. */
  readonly #undisputedUntil = new Map<string, number>();

  constructor(options: SpeechOptions) {
    this.#options = options;
  }

  /** VIP -> until when it may be spoken for. */
  get until(): ReadonlyMap<string, number> {
    return this.#until;
  }

  /** Reads what an earlier process left to expire. */
  async takeUp(): Promise<void> {
    const { hands, now } = this.#options;
    const left = await hands.speaking();
    const at = now();
    for (const { ip, milliseconds } of left) this.#until.set(ip, at + milliseconds);
  }

  /** Silences VIPs at once. */
  async mute(ips: readonly string[]): Promise<void> {
    if (ips.length === 0) return;
    const began = this.#options.now();
    await this.#options.hands.mute(ips);
    for (const ip of ips) this.#end(ip, this.#options.now() - began);
  }

  /**
   * Silences what has lapsed. Permissions are renewed long before they lapse: this process was stopped, and an nft may
   * have been too, and do late what it was told.
   */
  async muteLapsed(): Promise<void> {
    const now = this.#options.now();
    await this.mute([...this.#until].filter(([, until]) => until <= now).map(([ip]) => ip));
  }

  /**
   * Lets the kernel speak for so long. A refresh that adds nothing is left out: between two renewals the permission stays
   * what it is.
   *
   * @returns false: it came too late for the kernel, which is silent now
   */
  async permit(entries: AgentPlan["speak"]): Promise<boolean> {
    const news = entries.map((entry) => ({
      ...entry,
      until: Math.max(entry.until, this.#until.get(entry.ip) ?? 0),
    })).filter(({ ip, until, undisputedUntil = 0 }) =>
      until > (this.#until.get(ip) ?? 0) || undisputedUntil > (this.#undisputedUntil.get(ip) ?? 0)
    );
    if (news.length === 0) return true;
    if (!await this.#tell(news)) {
      await this.mute(news.map(({ ip }) => ip));
      return false;
    }
    for (const { ip, until, undisputedUntil } of news) {
      if (!this.#until.has(ip)) this.#options.onBegin(ip);
      this.#until.set(ip, until);
      if (undisputedUntil !== undefined) this.#undisputedUntil.set(ip, undisputedUntil);
    }
    return true;
  }

  /**
   * The kernel counts from the moment that it is told. Where that was late, since the node is slow or this process was
   * stopped, it is told again how little is left. False: nothing is left, or it was late each time.
   */
  async #tell(entries: AgentPlan["speak"]): Promise<boolean> {
    const { hands, now } = this.#options;
    for (let attempt = 0; attempt < 3; attempt++) {
      const began = now();
      const left = entries.map(({ until, undisputedUntil, ...entry }) => ({
        ...entry,
        milliseconds: Math.floor(until - began),
        ...(undisputedUntil === undefined
          ? {}
          : { undisputedMilliseconds: Math.max(0, Math.floor(undisputedUntil - began)) }),
      }));
      if (left.some(({ milliseconds }) => milliseconds < 1)) return false;
      await hands.speak(left);
      if (now() - began <= TIMINGS.promptMilliseconds) return true;
    }
    return false;
  }

  #end(ip: string, tookMilliseconds: number): void {
    this.#undisputedUntil.delete(ip);
    if (this.#until.delete(ip)) this.#options.onEnd(ip, tookMilliseconds);
  }
}
