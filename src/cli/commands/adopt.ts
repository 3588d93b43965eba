import type { Command } from "commander";
import { adoptPolicy } from "../shared/adopting.ts";
import { inCluster, onCluster } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { dryRunOption } from "../shared/dry_run.ts";
import { stop } from "../shared/stop.ts";
import { say } from "../shared/terminal.ts";
import { tellControllers } from "../shared/wait.ts";

export function adoptCommand(): Command {
  return onCluster("adopt", "let Sallyport keep a CiliumEgressGatewayPolicy that you made")
    .argument("<policy>", "name of it, and of its EgressGatewayPolicy")
    .addOption(dryRunOption())
    .action((policy: string, flags: Flags & { readonly dryRun?: boolean }) =>
      inCluster(flags, async (client) => {
        (await adoptPolicy(client, policy, { ...flags, signal: stop })).forEach(say);
        if (!flags.dryRun) await tellControllers(client);
      })
    );
}
