/** `history GATEWAY`: the last moves, the latest first, as the status remembers them. */
import type { Command } from "commander";
import type { PastMove } from "../../core/types.ts";
import { onSnapshot } from "../shared/command.ts";
import { named } from "../shared/named.ts";
import { show, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { readOwnStatuses } from "../shared/source.ts";
import type { SourceFlags } from "../shared/source.ts";
import { table } from "../shared/tables.ts";

const COLUMNS = ["TIME", "TERM", "FROM", "TO", "REASON", "PLANNED", "TOOK", "OUTAGE"] as const;

export function historyCommand(): Command {
  const command = onSnapshot("history", "show the last moves of a gateway, the latest first");
  return withOutput(command, ["wide"])
    .argument("<gateway>")
    .action(async (gateway: string, flags: SourceFlags & OutputFlags) => {
      const { gateways } = await readOwnStatuses(flags);
      const { status } = named(gateways, { name: gateway, kind: "EgressGateway" });
      const history = status.history ?? [];
      const none = `No move of ${gateway} is known.\n`;
      show(history, flags.output, {
        table: () => history.length === 0 ? none : table(COLUMNS, history.map(rowOf)),
        wide: () =>
          history.length === 0 ? none : table(
            [...COLUMNS, "WHY"],
            history.map((move) => [...rowOf(move), move.message]),
          ),
      });
    });
}

function rowOf(move: PastMove): readonly string[] {
  return [
    move.time,
    String(move.term),
    move.from ?? "<none>",
    move.to ?? "<nobody>",
    move.reason,
    move.planned ? "yes" : "no",
    seconds(move.durationMilliseconds),
    // A planned move is served throughout, and a first one was not served before.
    seconds(move.outageMilliseconds),
  ];
}

function seconds(milliseconds: number | undefined): string {
  return milliseconds === undefined ? "<unknown>" : `${(milliseconds / 1_000).toFixed(2)}s`;
}
