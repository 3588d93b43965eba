/** The command line. Each command is a file of `commands/`; exit codes are decided here. */
import process from "node:process";
import { Command, CommanderError } from "commander";
import { CiliumNotFoundError } from "../cluster/cilium_pods.ts";
import { messageOf } from "../core/message.ts";
import { VERSION } from "../core/version.ts";
import { ConfigError } from "../kube/errors.ts";
import { checkCommand } from "./commands/check.ts";
import { adoptCommand } from "./commands/adopt.ts";
import { addCompletion } from "./commands/completion.ts";
import { drainCommand } from "./commands/drain.ts";
import { explainCommand } from "./commands/explain.ts";
import { historyCommand } from "./commands/history.ts";
import { moveCommand } from "./commands/move.ts";
import { planCommand } from "./commands/plan.ts";
import { giveBackCommand } from "./commands/give_back.ts";
import { agentCommand, knativeCommand, serveCommand } from "./commands/programs.ts";
import { releaseCommand } from "./commands/release.ts";
import { statusCommand } from "./commands/status.ts";
import { tickCommand } from "./commands/tick.ts";
import { undrainCommand } from "./commands/undrain.ts";
import { whichCommand } from "./commands/which.ts";
import { calledAs } from "./shared/called_as.ts";
import { stop, stopOnSignals } from "./shared/stop.ts";
import { complain, outliveReaders, print } from "./shared/terminal.ts";

/** In the order in which help lists them. */
const COMMANDS = [
  statusCommand,
  explainCommand,
  historyCommand,
  whichCommand,
  checkCommand,
  planCommand,
  moveCommand,
  releaseCommand,
  drainCommand,
  undrainCommand,
  adoptCommand,
  giveBackCommand,
  tickCommand,
  serveCommand,
  knativeCommand,
  agentCommand,
];

const program = new Command("sallyport")
  .version(VERSION)
  .description("Highly available egress gateways for clusters on stock Cilium")
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ writeOut: print, writeErr: (text) => complain(text.trimEnd()) });
for (const make of COMMANDS) program.addCommand(make().copyInheritedSettings(program));

const { name, args } = calledAs(process.argv);
stopOnSignals();
outliveReaders();
try {
  await addCompletion(program, args[0] === "complete" ? args.slice(2) : undefined);
  await program.name(name).parseAsync(args, { from: "user" });
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (!stop.aborted) {
    complain(messageOf(error));
    const wrong = error instanceof ConfigError || error instanceof CiliumNotFoundError;
    process.exitCode = wrong ? 2 : 1;
  }
}
