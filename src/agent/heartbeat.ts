/** The agent's heartbeat: renewals of its Lease, one at a time, each second and when there is news; and what they answer. */
import { rfc3339 } from "../core/time.ts";
import { TIMINGS } from "../core/timings.ts";
import type { AgentPlan, Renewal } from "./core/view.ts";
import type { Report } from "../core/types.ts";
import { isOlder } from "../kube/resource_version.ts";
import type { RenewalAnswer } from "./renewal.ts";

export type Renew = (
  report: Report,
  context: { readonly newlyClaimed: readonly string[]; readonly signal: AbortSignal },
) => Promise<RenewalAnswer>;

export interface HeartbeatOptions {
  readonly renew: Renew;
  readonly now: () => number;
  readonly onAnswer: (news: RenewalNews) => void;
  /** A renewal failed, the first one since the last that was answered. */
  readonly onDisconnect: (error: unknown) => void;
  /** A renewal has ended, one way or the other. */
  readonly onEnd: () => void;
  readonly signal: AbortSignal;
}

/** What an answer is news of. */
export interface RenewalNews {
  /**
   * What was read of the gateways before this answer is too old to be obeyed. Either the Lease is another than before: it
   * was deleted and made anew, and its fence is lost (the first one is another, too). Or it is older than the one
   * before: etcd was restored, and a watch from before tells nothing more. Or a renewal was missed: this process may have been
   * stopped, and be about to hear of a term that is long over, of a gateway that was made anew meanwhile. Or a gateway that was
   * claimed is not held by this node.
   */
  readonly outdated: boolean;
  /** The renewal before failed. */
  readonly reconnected: boolean;
}

/** Times are milliseconds of the node's monotonic clock. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #renewal: Renewal | undefined;
  #fence: Readonly<Record<string, number>> = {};
  #leaseUid: string | undefined;
  #leaseVersion: string | undefined;
  #failedAt: number | undefined;
  #failedInARow = 0;
  #sending = false;
  #sentAs = "";
  #triedAt = -Infinity;
  #distrustedAt = -Infinity;
  #counts = { renewals: 0, failedRenewals: 0 };

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** The last renewal that was answered. */
  get renewal(): Renewal | undefined {
    return this.#renewal;
  }

  /** Gateway uid -> term below which this agent must be silent, by the last answer. */
  get fence(): Readonly<Record<string, number>> {
    return this.#fence;
  }

  /** The first renewal that failed since the last one that was answered: when it was sent. */
  get failedAt(): number | undefined {
    return this.#failedAt;
  }

  /** How many have failed since the last one that was answered. */
  get failedInARow(): number {
    return this.#failedInARow;
  }

  get counts(): { readonly renewals: number; readonly failedRenewals: number } {
    return this.#counts;
  }

  /** The API server could not be read, which is as good as a renewal that failed. */
  noteUnreadable(): void {
    this.#failedAt ??= this.#options.now();
    this.#failedInARow++;
  }

  /** This machine stood still: what was answered, and what is on its way, is older than it looks. */
  distrust(): void {
    this.#distrustedAt = this.#options.now();
    this.#renewal = undefined;
    this.#leaseUid = undefined;
    this.#triedAt = -Infinity;
  }

  /** Milliseconds until the next renewal is due. */
  get dueIn(): number {
    return this.#triedAt + TIMINGS.renewalMilliseconds - this.#options.now();
  }

  /** Sends a renewal when one is due, or when there is news. */
  send({ report, claims }: Pick<AgentPlan, "report" | "claims">): void {
    if (report === undefined || this.#sending) return;
    const { now, renew, onDisconnect, onEnd, signal } = this.#options;
    const text = JSON.stringify(report);
    const sentAt = now();
    const due = sentAt - this.#triedAt >= TIMINGS.renewalMilliseconds;
    const news = text !== this.#sentAs && this.#failedAt === undefined;
    if (!due && !news) return;
    this.#sending = true;
    this.#triedAt = sentAt;
    const isNew = (uid: string): boolean => this.#renewal?.claims[uid] !== claims[uid];
    const claimed = report.addresses.filter(({ uid }) => uid in claims && isNew(uid));
    const newlyClaimed = [...new Set(claimed.map(({ gateway }) => gateway))];
    renew(report, { newlyClaimed, signal }).then(
      (answer) => {
        this.#sentAs = text;
        this.#hear(answer, { sentAt, claims });
      },
      (error: unknown) => {
        this.#counts.failedRenewals++;
        this.#failedInARow++;
        if (this.#failedAt === undefined) onDisconnect(error);
        this.#failedAt ??= sentAt;
      },
    ).finally(() => {
      this.#sending = false;
      onEnd();
    });
  }

  #hear(
    { fence, leaseUid, leaseVersion, serverTime, held }: RenewalAnswer,
    { sentAt, claims: made }: Pick<Renewal, "sentAt" | "claims">,
  ): void {
    this.#counts.renewals++;
    if (sentAt < this.#distrustedAt) return;
    const before = this.#renewal;
    const began = serverTime === undefined ? undefined : rfc3339(serverTime);
    const goesOn = before !== undefined && sentAt - before.sentAt <= TIMINGS.pauseMilliseconds;
    const claims = Object.fromEntries(
      Object.entries(made).filter(([uid, term]) =>
        before?.claims[uid] === term || held?.[uid] === term
      ),
    );
    this.#renewal = { sentAt, claims, since: goesOn ? before.since : began };
    this.#fence = fence;
    const missed = before === undefined ||
      sentAt - before.sentAt > TIMINGS.missedRenewalMilliseconds;
    const refuted = held !== undefined && Object.keys(made).some((uid) => !(uid in claims));
    const outdated = missed || refuted || leaseUid !== this.#leaseUid ||
      isOlder(leaseVersion ?? "", this.#leaseVersion ?? "");
    const reconnected = this.#failedAt !== undefined;
    this.#leaseUid = leaseUid;
    this.#leaseVersion = leaseVersion;
    this.#options.onAnswer({ outdated, reconnected });
    this.#failedAt = undefined;
    this.#failedInARow = 0;
  }
}
