import type { Lease } from "../core/types.ts";

/** A shorter outage makes no heartbeat stale. */
const OUTAGE_MILLISECONDS = 2_000;

/** An agent's attempt that hangs ends after 1.2 s, the next may be a second away, and must get through. */
const RECOVERY_MILLISECONDS = 3_000;

/**
 * How long a resident process has seen Leases unchanged, by its own monotonic clock.
 *
 * The server's times are whole seconds; what was seen with one's own eyes is finer and bounds the true age from below.
 * A hint only: a process without it decides the same, up to a second later.
 */
export class LeaseWitness {
  /** The first listing that failed since the last one that did not. */
  #failingSince: number | undefined;
  #recoveredAt = -Infinity;
  readonly #seen = new Map<string, { readonly resourceVersion: string; readonly since: number }>();

  /** Notes a version of a Lease that was received at `now` (milliseconds, monotonic). */
  note(lease: { readonly name: string; readonly resourceVersion: string }, now: number): void {
    if (this.#seen.get(lease.name)?.resourceVersion === lease.resourceVersion) return;
    this.#seen.set(lease.name, { resourceVersion: lease.resourceVersion, since: now });
  }

  /** Notes a listing that was asked for at `sent` and failed. */
  noteFailure(sent: number): void {
    this.#failingSince ??= sent;
  }

  /**
   * Tells whether an API server that could not be read for some time has just come back, as a listing that was asked for at
   * `sent` shows. What failed to read it failed to renew there too, and agents are not heard again all at once.
   */
  isRecovering(sent: number): boolean {
    if (this.#failingSince !== undefined && sent - this.#failingSince >= OUTAGE_MILLISECONDS) {
      this.#recoveredAt = sent;
    }
    this.#failingSince = undefined;
    return sent - this.#recoveredAt < RECOVERY_MILLISECONDS;
  }

  /** Leases of a list that was asked for at `sent` and came at `received`, with what is known of their age. */
  judge(
    leases: readonly Lease[],
    { sent, received }: { sent: number; received: number },
  ): readonly Lease[] {
    const known = new Set(leases.map(({ name }) => name));
    for (const name of this.#seen.keys()) if (!known.has(name)) this.#seen.delete(name);
    return leases.map((lease) => {
      const seen = this.#seen.get(lease.name);
      this.note(lease, received);
      return seen?.resourceVersion === lease.resourceVersion
        ? { ...lease, unchangedForMilliseconds: Math.max(0, Math.floor(sent - seen.since)) }
        : lease;
    });
  }
}
