import type { Command } from "commander";
import { inCluster, onCluster } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { pinGateway } from "../shared/interventions.ts";
import { say } from "../shared/terminal.ts";

export function moveCommand(): Command {
  return onCluster("move", "pin a gateway to a node; it moves there while the node is eligible")
    .argument("<gateway>").argument("<node>")
    .action(async (gateway: string, node: string, flags: Flags) =>
      say(await inCluster(flags, (client) => pinGateway(client, { gateway, node })))
    );
}
