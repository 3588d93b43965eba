/** `npm start`: a cluster in memory whose gateways fail over before your eyes, or a named cluster with the same view. */
import process from "node:process";
import { Command, CommanderError, Option } from "commander";
import { runDemo } from "../demo/demo.ts";
import { ConfigError } from "../kube/errors.ts";
import { duration, portNumber } from "./shared/arguments.ts";
import { complain } from "./shared/terminal.ts";
import { messageOf } from "../core/message.ts";

interface Flags {
  readonly port: number;
  readonly failAfter: number;
  readonly for?: number;
  readonly kubeconfig?: string;
  readonly context?: string;
}

const program = new Command("npm start --")
  .description(
    "Shows Sallyport at work: on a simulated cluster, or on the one that --kubeconfig names",
  )
  .option("--port <number>", "port of the status page on localhost; 0: any", portNumber, 8_080)
  .addOption(
    new Option("--fail-after <duration>", "when the active node fails by itself")
      .argParser(duration).default(20_000, "20s"),
  )
  .option("--for <duration>", "end after this long", duration)
  .option("--kubeconfig <file>", "run the controller on this cluster instead; it writes to it")
  .option("--context <name>", "context of that kubeconfig")
  .exitOverride();

const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  process.on(name, () => stop.abort());
}

// Whoever started us may be killed without a word; `npm start` does not leave a cluster behind.
const parent = process.ppid;
if (process.env.SALLYPORT_NODE !== undefined) {
  const watching = setInterval(() => {
    if (process.ppid !== parent) stop.abort();
  }, 500);
  watching.unref();
}

try {
  const flags = program.parse().opts<Flags>();
  if (flags.context !== undefined && flags.kubeconfig === undefined) {
    throw new ConfigError("Cannot use --context alone: name the cluster's file by --kubeconfig");
  }
  const end = flags.for === undefined ? undefined : setTimeout(() => stop.abort(), flags.for);
  await runDemo({
    port: flags.port,
    kubeconfig: flags.kubeconfig,
    context: flags.context,
    failAfterMilliseconds: flags.failAfter,
    input: process.stdin,
    output: process.stdout,
    stop,
  });
  clearTimeout(end);
  process.exit(0);
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
  complain(messageOf(error));
  process.exit(error instanceof ConfigError ? 2 : 1);
}
