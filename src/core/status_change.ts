/**
 * When a status is worth a write.
 *
 * Controllers of two versions run side by side during an upgrade, and after a rollback, and each would have the status in its own
 * words: two writes a second for nothing. What a status *means* is written at once. A difference in words alone waits until the
 * status has been left alone for a while; by then the other version has had its say, or is gone.
 */
import { mergePatch } from "./merge_patch.ts";
import { byText } from "./order.ts";
import { TIMINGS } from "./timings.ts";
import type { GatewayStatus, JsonObject, Milliseconds } from "./types.ts";

/** The merge patch that makes a stored status right, undefined where nothing is to be written now. */
export function statusPatch(
  stored: GatewayStatus,
  wanted: GatewayStatus,
  { writtenAt, now }: {
    /** When a controller last wrote the stored status; undefined where that is not known. */
    readonly writtenAt: Milliseconds | undefined;
    readonly now: Milliseconds;
  },
): JsonObject | undefined {
  const patch = mergePatch(stored, wanted);
  if (patch === undefined) return undefined;
  const fresh = writtenAt !== undefined && now - writtenAt < TIMINGS.rewordMilliseconds;
  return fresh && meansTheSame(stored, wanted) ? undefined : patch;
}

function meansTheSame(stored: GatewayStatus, wanted: GatewayStatus): boolean {
  const types = (wanted.conditions ?? []).map(({ type }) => type);
  // A version that knows a condition more would add it, and the other take it away.
  const shared = new Set((stored.conditions ?? []).map(({ type }) => type)).intersection(
    new Set(types),
  );
  return mergePatch(meaning(stored, shared), meaning(wanted, shared)) === undefined;
}

/** A status without words: neither messages, nor the one-word reasons of conditions. */
function meaning({ conditions, candidates, ...rest }: GatewayStatus, types: ReadonlySet<string>) {
  return {
    ...rest,
    ...(candidates === undefined ? {} : {
      candidates: candidates.map(({ reasons, ...candidate }) => ({
        ...candidate,
        reasons: reasons.map(({ message: _, ...reason }) => reason),
      })),
    }),
    ...(conditions === undefined ? {} : {
      conditions: conditions.filter(({ type }) => types.has(type))
        .map(({ type, status, observedGeneration }) => ({ type, status, observedGeneration }))
        .sort((a, b) => byText(a.type, b.type)),
    }),
  };
}
