/** What is told of moves to whoever asked to be told: one notice when a move begins, one when it is finished. */
import { virtualIPsOf } from "../core/reports.ts";
import type { PastMove } from "../core/types.ts";
import type { TickResult } from "./tick.ts";

export interface Notice {
  readonly gateway: string;
  readonly uid: string;
  readonly stage: "begun" | "finished";
  readonly move: PastMove;
  readonly egressIPs: readonly string[];
}

/**
 * Of the moves that this tick wrote: of several controllers one does, since every write has one winner. Not for dry runs,
 * which write nothing.
 */
export function noticesOf(
  { plan, results, snapshot }: Pick<TickResult, "plan" | "results"> & {
    readonly snapshot: Pick<TickResult["snapshot"], "gateways">;
  },
): readonly Notice[] {
  const written = new Set(
    results.filter(({ change, result }) => change.kind === "EgressGateway" && result === "written")
      .map(({ change }) => change.name),
  );
  return plan.gateways.flatMap(({ name, move }) => {
    const before = snapshot.gateways.find((gateway) => gateway.name === name);
    if (move === undefined || before === undefined || !written.has(name)) return [];
    const notice = { gateway: name, uid: before.uid, move, egressIPs: virtualIPsOf(before) };
    return [
      ...(move.term === before.status.term ? [] : [{ ...notice, stage: "begun" as const }]),
      ...(move.durationMilliseconds === undefined
        ? []
        : [{ ...notice, stage: "finished" as const }]),
    ];
  });
}
