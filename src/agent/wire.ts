/** What the agent does on the wire in the background: looks for other owners of its VIPs, and announcements. */
import type { AgentPlan, Announcements, Probe } from "./core/view.ts";
import type { Hands } from "./hands.ts";

export interface WireOptions {
  readonly hands: Pick<Hands, "announce" | "probe">;
  /** Milliseconds of the node's monotonic clock. */
  readonly now: () => number;
  readonly onProbe: (ip: string, probe: Probe) => void;
  readonly onFailure: (ip: string, error: unknown) => void;
  /** The first announcement since the VIP is spoken for has ended; milliseconds that it took. */
  readonly onAnnounced: (ip: string, tookMilliseconds: number) => void;
}

/** All maps are by VIP. */
export class Wire {
  readonly #options: WireOptions;
  readonly #probes = new Map<string, Probe>();
  readonly #probing = new Set<string>();
  readonly #announcements = new Map<string, Announcements>();
  readonly #announcing = new Map<string, AbortController>();
  #counts = { announcements: 0, probes: 0 };

  constructor(options: WireOptions) {
    this.#options = options;
  }

  /** The last look for other owners of each VIP. */
  get probes(): ReadonlyMap<string, Probe> {
    return this.#probes;
  }

  /** Since each VIP was last spoken for without a break. */
  get announcements(): ReadonlyMap<string, Announcements> {
    return this.#announcements;
  }

  /** Since the start. */
  get counts(): { readonly announcements: number; readonly probes: number } {
    return this.#counts;
  }

  /** Announces a VIP, which the gate does not hold back: the caller knows that the node may speak for it. */
  announce({ ip, interfaces }: AgentPlan["announce"][number]): void {
    const { hands, now, onFailure, onAnnounced } = this.#options;
    const began = now();
    const count = (this.#announcements.get(ip)?.count ?? 0) + 1;
    this.#announcements.set(ip, { count, lastAt: began });
    this.#counts.announcements++;
    const ending = new AbortController();
    this.#announcing.set(ip, ending);
    hands.announce(ip, interfaces, ending.signal)
      .then(() => {
        if (count === 1) onAnnounced(ip, now() - began);
      })
      .catch((error: unknown) => onFailure(ip, error));
  }

  /** Stops announcements that are on their way out. */
  hush(ip: string): void {
    this.#announcing.get(ip)?.abort();
  }

  /** The VIP is not spoken for any more, or neighbours may have lost it: the next announcement is a first one. */
  noteSilence(ip: string): void {
    this.#announcements.delete(ip);
  }

  /** Looks for other owners, unless that is under way. */
  probe({ ip, interfaces, besides }: AgentPlan["probe"][number]): void {
    if (this.#probing.has(ip)) return;
    const { hands, now, onProbe, onFailure } = this.#options;
    this.#probing.add(ip);
    this.#counts.probes++;
    const startedAt = now();
    hands.probe(ip, interfaces, besides).then(
      (mac) => {
        const before = this.#probes.get(ip);
        const answeredSince = before?.mac === mac ? before?.answeredSince ?? startedAt : startedAt;
        const probe = { startedAt, ...(mac === undefined ? {} : { mac, answeredSince }) };
        this.#probes.set(ip, probe);
        onProbe(ip, probe);
      },
      // A wire that cannot be asked, since the interface is down, is asked again when the loop wakes by itself.
      (error: unknown) => onFailure(ip, error),
    ).finally(() => this.#probing.delete(ip));
  }

  /** What was seen of a VIP that is bound no more says nothing. */
  forget(ip: string): void {
    this.#probes.delete(ip);
  }
}
