import type { Command } from "commander";
import { runTickJob, tickJob } from "../../program/run_tick_job.ts";
import { LOG_SETTINGS } from "../../program/settings.ts";
import { command, runWith } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { show, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { planTable } from "../shared/tables.ts";
import { markLines } from "../shared/terminal.ts";

export function tickCommand(): Command {
  return withOutput(
    command("tick", "observe, decide and apply until the cluster is settled, or for a while", [
      ...tickJob.settings,
      ...LOG_SETTINGS,
    ]),
  ).action((flags: Flags & OutputFlags) =>
    runWith(tickJob.settings, {
      flags,
      run: (settings, running) => {
        if (settings.dryRun) markLines(" (dry run)");
        return runTickJob(settings, {
          ...running,
          onTick: ({ plan }) => show(plan, flags.output, { table: () => planTable(plan) }),
        });
      },
    })
  );
}
