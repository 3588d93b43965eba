import type { Command } from "commander";
import { inCluster, onCluster } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { dryRunOption } from "../shared/dry_run.ts";
import { uncordonNode } from "../shared/interventions.ts";
import { stop } from "../shared/stop.ts";
import { say } from "../shared/terminal.ts";
import { tellControllers } from "../shared/wait.ts";

export function undrainCommand(): Command {
  return onCluster("undrain", "undo drain: let a node hold gateways again")
    .argument("<node>")
    .addOption(dryRunOption())
    .action((node: string, flags: Flags & { readonly dryRun?: boolean }) =>
      inCluster(flags, async (client) => {
        (await uncordonNode(client, node, { ...flags, signal: stop })).forEach(say);
        if (!flags.dryRun) await tellControllers(client);
      })
    );
}
