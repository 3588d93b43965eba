/** The command line. Each command is a file of `commands/`; exit codes are decided here. */
import process from "node:process";
import { Command, CommanderError } from "commander";
import { CiliumNotFoundError } from "../cluster/cilium_pods.ts";
import { messageOf } from "../core/message.ts";
import { ConfigError } from "../kube/errors.ts";
import { drainCommand } from "./commands/drain.ts";
import { explainCommand } from "./commands/explain.ts";
import { moveCommand } from "./commands/move.ts";
import { planCommand } from "./commands/plan.ts";
import { agentCommand, knativeCommand, serveCommand } from "./commands/programs.ts";
import { releaseCommand } from "./commands/release.ts";
import { statusCommand } from "./commands/status.ts";
import { tickCommand } from "./commands/tick.ts";
import { whichCommand } from "./commands/which.ts";
import { stop, stopOnSignals } from "./shared/stop.ts";
import { complain, outliveReaders, print } from "./shared/terminal.ts";

/** In the order in which help lists them. */
const COMMANDS = [
  statusCommand,
  explainCommand,
  whichCommand,
  planCommand,
  moveCommand,
  releaseCommand,
  drainCommand,
  tickCommand,
  serveCommand,
  knativeCommand,
  agentCommand,
];

const program = new Command("sallyport")
  .description("Highly available egress gateways for clusters on stock Cilium")
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ writeOut: print, writeErr: (text) => complain(text.trimEnd()) });
for (const make of COMMANDS) program.addCommand(make().copyInheritedSettings(program));

stopOnSignals();
outliveReaders();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (!stop.aborted) {
    complain(messageOf(error));
    const wrong = error instanceof ConfigError || error instanceof CiliumNotFoundError;
    process.exitCode = wrong ? 2 : 1;
  }
}
