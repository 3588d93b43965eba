/** Numbers of terms, as status, fences and reports tell them. */
import type { Facts } from "./facts.ts";
import type { Gateway, Lease } from "./types.ts";

/**
 * Further above the status than this, no fence or report is believed to know a term that the status has lost: it is a lie,
 * or broken. So whoever has one agent's token pushes the terms by so much at each move, and would need some ages to get
 * them to the end of the integers; a status that came from a backup has lost fewer.
 */
export const MOST_LOST_TERMS = 1_000_000;

/** Tells whether a number may be a term that a gateway's status has, had, or has lost. */
export function isCredible(term: number, { status }: Gateway): boolean {
  return Number.isSafeInteger(term) && term >= 0 && term <= (status.term ?? 0) + MOST_LOST_TERMS;
}

/** The highest credible term of a gateway that a Lease tells of: its fence, and what its agent has read. */
export function termToldBy(lease: Lease | undefined, gateway: Gateway): number {
  const { uid } = gateway;
  const told = [
    lease?.fence[uid],
    lease?.report?.heard[uid],
    ...(lease?.report?.addresses.filter((address) => address.uid === uid) ?? [])
      .map(({ term }) => term),
  ];
  return Math.max(
    0,
    ...told.filter((term) => term !== undefined).filter((term) => isCredible(term, gateway)),
  );
}

/**
 * The number of a term that begins: above the status, and above all that agents were told, since a status may be lost, or
 * be of a backup.
 */
export function nextTerm(gateway: Gateway, { leases }: Facts): number {
  const told = [...leases.values()].map((lease) => termToldBy(lease, gateway));
  return Math.max(gateway.status.term ?? 0, ...told) + 1;
}
