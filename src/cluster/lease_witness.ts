import type { Lease } from "../core/types.ts";
import { isOlder } from "../kube/resource_version.ts";

/** A version of a Lease; times in milliseconds of one monotonic clock. */
interface Seen {
  readonly resourceVersion: string;
  readonly renewedAt: number | undefined;
  /** When this version was first seen. */
  readonly since: number;
  /** The agent's last renewal was later than this. */
  readonly renewedAfter: number | undefined;
  readonly fences: ReadonlyMap<string, SeenFence>;
  /** When a watch told of the last renewal; undefined: none did, or a list knew more than the watch. */
  readonly heardAt: number | undefined;
  /** When a list was last asked for that had this version: what is newer was written after that. */
  listedAt: number | undefined;
}

type Version =
  & Pick<Lease, "name" | "resourceVersion" | "renewedAt">
  & Partial<Pick<Lease, "fence">>;

interface SeenFence {
  readonly term: number;
  readonly since: number;
  /** It was written later than this. */
  readonly after: number | undefined;
}

/**
 * What a resident process has seen of Leases, by its own monotonic clock.
 *
 * The server's times are whole seconds, and its clock may be set. What was seen with one's own eyes is finer, and bounds
 * the true age from below (it has been like this since) and from above (it was different then). A hint only: a process
 * without it decides the same, up to a second later, as long as nobody sets the server's clock.
 */
export class LeaseWitness {
  readonly #seen = new Map<string, Seen>();

  /** Notes a version of a Lease that a watch told of at `now` (milliseconds, monotonic). */
  note(lease: Version, now: number): void {
    this.#note(lease, now, { from: "watch" });
  }

  #note(lease: Version, now: number, { from }: { readonly from: "watch" | "copy" | "list" }): void {
    const { name, resourceVersion, renewedAt, fence = {} } = lease;
    const known = this.#seen.get(name);
    if (known?.resourceVersion === resourceVersion) return;
    const isOld = known !== undefined && isOlder(resourceVersion, known.resourceVersion);
    // A watch that is behind a list tells what was so before; a list that is of an older version tells of a restored etcd.
    if (isOld && from !== "list") return;
    // What was seen of another past says nothing of this one: it is no renewal.
    const last = isOld ? undefined : known;
    const fences = new Map(
      Object.entries(fence).map(([uid, term]): [string, SeenFence] => {
        const before = last?.fences.get(uid);
        return [uid, before?.term === term ? before : { term, since: now, after: last?.listedAt }];
      }),
    );
    const isFenced = [...fences].some(([uid, seen]) => last?.fences.get(uid) !== seen);
    // A fence is no renewal.
    const isRenewed = last !== undefined && !(isFenced && last.renewedAt === renewedAt);
    const renewedAfter = isRenewed ? last.listedAt ?? last.renewedAfter : last?.renewedAfter;
    this.#seen.set(name, {
      resourceVersion,
      renewedAt,
      since: now,
      renewedAfter,
      fences,
      heardAt: from !== "watch" ? undefined : isRenewed ? now : last?.heardAt,
      listedAt: undefined,
    });
  }

  /**
   * Leases that were asked for at `sent` and came at `received`, with what is known of their age.
   *
   * @param isListed they are a list's, and were all there was at `sent` or later; of copies that watches keep nobody knows
   */
  judge(
    leases: readonly Lease[],
    { sent, received, isListed = false }: {
      readonly sent: number;
      readonly received: number;
      readonly isListed?: boolean;
    },
  ): readonly Lease[] {
    const known = new Set(leases.map(({ name }) => name));
    for (const name of this.#seen.keys()) if (!known.has(name)) this.#seen.delete(name);
    return leases.map((lease) => {
      const before = this.#seen.get(lease.name);
      this.#note(lease, received, { from: isListed ? "list" : "copy" });
      const seen = this.#seen.get(lease.name);
      if (seen === undefined) return lease;
      if (isListed) seen.listedAt = sent;
      const fences = [...seen.fences].map(([uid, { since, after }]) => [uid, {
        forMilliseconds: Math.max(0, Math.floor(sent - since)),
        ...(after === undefined ? {} : { withinMilliseconds: Math.ceil(received - after) }),
      }]);
      return {
        ...lease,
        ...(before?.resourceVersion === lease.resourceVersion
          ? { unchangedForMilliseconds: Math.max(0, Math.floor(sent - before.since)) }
          : {}),
        ...(seen.renewedAfter === undefined
          ? {}
          : { renewedWithinMilliseconds: Math.ceil(received - seen.renewedAfter) }),
        ...(seen.heardAt === undefined
          ? {}
          : { heardWithinMilliseconds: Math.max(0, Math.ceil(received - seen.heardAt)) }),
        ...(fences.length === 0 ? {} : { fenceAges: Object.fromEntries(fences) }),
      };
    });
  }
}
