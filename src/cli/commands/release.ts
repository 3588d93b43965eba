import type { Command } from "commander";
import { inCluster, onCluster } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { dryRunOption } from "../shared/dry_run.ts";
import { releaseGateway } from "../shared/interventions.ts";
import { stop } from "../shared/stop.ts";
import { say } from "../shared/terminal.ts";
import { tellControllers } from "../shared/wait.ts";

export function releaseCommand(): Command {
  return onCluster("release", "undo move: let the election decide again")
    .argument("<gateway>")
    .addOption(dryRunOption())
    .action((gateway: string, flags: Flags & { readonly dryRun?: boolean }) =>
      inCluster(flags, async (client) => {
        say(await releaseGateway(client, gateway, { ...flags, signal: stop }));
        if (!flags.dryRun) await tellControllers(client);
      })
    );
}
