import type { Command } from "commander";
import { inCluster, onCluster } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { releaseGateway } from "../shared/interventions.ts";
import { say } from "../shared/terminal.ts";

export function releaseCommand(): Command {
  return onCluster("release", "undo move: let the election decide again")
    .argument("<gateway>")
    .action(async (gateway: string, flags: Flags) =>
      say(await inCluster(flags, (client) => releaseGateway(client, gateway)))
    );
}
