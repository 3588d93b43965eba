import type { Command } from "commander";
import { ConfigError } from "../../kube/errors.ts";
import { adoptedPolicies, giveBackPolicy } from "../shared/adopting.ts";
import { inCluster, onCluster } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { dryRunOption } from "../shared/dry_run.ts";
import { stop } from "../shared/stop.ts";
import { say } from "../shared/terminal.ts";

type GiveBackFlags = Flags & {
  readonly all?: boolean;
  readonly keepSpec?: boolean;
  readonly dryRun?: boolean;
};

export function giveBackCommand(): Command {
  return onCluster("give-back", "undo adopt: restore what a CiliumEgressGatewayPolicy was before")
    .argument("[policy]", "name of the CiliumEgressGatewayPolicy")
    .option("--all", "every one that was adopted")
    .option("--keep-spec", "leave its spec as it is now")
    .addOption(dryRunOption())
    .action((policy: string | undefined, flags: GiveBackFlags) =>
      inCluster(flags, async (client) => {
        if ((policy === undefined) === (flags.all !== true)) {
          throw new ConfigError("Cannot tell what to give back: write a name, or --all");
        }
        const names = policy === undefined ? await adoptedPolicies(client) : [policy];
        if (names.length === 0) say("Nothing was adopted.");
        for (const name of names) {
          (await giveBackPolicy(client, name, { ...flags, signal: stop })).forEach(say);
        }
      })
    );
}
