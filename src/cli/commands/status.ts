import type { Command } from "commander";
import { sortedByName } from "../../core/order.ts";
import { onSnapshot } from "../shared/command.ts";
import { show, statusTable, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { readOwnStatuses, reportInvalid } from "../shared/source.ts";
import type { SourceFlags } from "../shared/source.ts";
import { complain } from "../shared/terminal.ts";

export function statusCommand(): Command {
  return withOutput(
    onSnapshot("status", "show what the gateways and policies say of themselves"),
  )
    .action(async (flags: SourceFlags & OutputFlags) => {
      const { invalid, controllers, ...read } = await readOwnStatuses(flags);
      const gateways = sortedByName(read.gateways);
      const policies = sortedByName(read.policies);
      const value = {
        ...(controllers === undefined ? {} : { controllers }),
        gateways: gateways.map(({ name, status }) => ({ name, ...status })),
        policies: policies.map(({ name, spec, status }) => ({
          name,
          gateways: spec.gateways.map(({ name }) => ({ name })),
          ...status,
        })),
      };
      show(value, flags.output, () => statusTable({ gateways, policies }));
      if (controllers !== undefined) {
        const { state, message } = controllers;
        complain(
          state === "Working"
            ? `Controllers: ${message}.`
            : `Warning: ${message}. What stands here may be out of date.`,
        );
      }
      reportInvalid({ invalid });
    });
}
