import type { Lease } from "../core/types.ts";

/**
 * How long a resident process has seen Leases unchanged, by its own monotonic clock.
 *
 * The server's times are whole seconds; what was seen with one's own eyes is finer and bounds the true age from below.
 * A hint only: a process without it decides the same, up to a second later.
 */
export class LeaseWitness {
  readonly #seen = new Map<string, { readonly resourceVersion: string; readonly since: number }>();

  /** Notes a version of a Lease that was received at `now` (milliseconds, monotonic). */
  note(lease: { readonly name: string; readonly resourceVersion: string }, now: number): void {
    if (this.#seen.get(lease.name)?.resourceVersion === lease.resourceVersion) return;
    this.#seen.set(lease.name, { resourceVersion: lease.resourceVersion, since: now });
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
