import type { Command } from "commander";
import { decide } from "../../core/decide.ts";
import { onSnapshot } from "../shared/command.ts";
import { show, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { planTable } from "../shared/tables.ts";
import { readSnapshot, reportInvalid } from "../shared/source.ts";
import type { SourceFlags } from "../shared/source.ts";

export function planCommand(): Command {
  return withOutput(onSnapshot("plan", "print what a tick would do"))
    .action(async (flags: SourceFlags & OutputFlags) => {
      const snapshot = await readSnapshot(flags);
      const plan = decide(snapshot);
      show(plan, flags.output, { table: () => planTable(plan, snapshot) });
      reportInvalid(snapshot);
    });
}
