import type { Command } from "commander";
import { sortedByName } from "../../core/order.ts";
import { onSnapshot } from "../shared/command.ts";
import { show, statusTable, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { readOwnStatuses, reportInvalid } from "../shared/source.ts";
import type { SourceFlags } from "../shared/source.ts";

export function statusCommand(): Command {
  return withOutput(
    onSnapshot("status", "show what the gateways and policies say of themselves"),
  )
    .action(async (flags: SourceFlags & OutputFlags) => {
      const { invalid, ...read } = await readOwnStatuses(flags);
      const gateways = sortedByName(read.gateways);
      const policies = sortedByName(read.policies);
      const value = {
        gateways: gateways.map(({ name, status }) => ({ name, ...status })),
        policies: policies.map(({ name, spec, status }) => ({
          name,
          gateway: spec.egressGatewayName,
          ...status,
        })),
      };
      show(value, flags.output, () => statusTable({ gateways, policies }));
      reportInvalid({ invalid });
    });
}
