/** The command line: `sallyport tick|serve|knative|agent|plan|explain|status|move|release|drain`. */
import process from "node:process";
import { Command, CommanderError, Option } from "commander";
import { agentProgram } from "../program/serve_agent.ts";
import { explainGateway } from "../core/explain.ts";
import { sortedByName } from "../core/order.ts";
import { decide } from "../core/decide.ts";
import type { Snapshot } from "../core/types.ts";
import { controllerProgram } from "../program/serve_controller.ts";
import { eventsProgram } from "../program/serve_events.ts";
import { CiliumNotFoundError } from "../cluster/cilium_pods.ts";
import { withClient } from "../program/connect.ts";
import { messageOf } from "../core/message.ts";
import { ConfigError } from "../kube/errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { createLogger } from "../program/log.ts";
import { toStderr } from "../program/run_program.ts";
import { runTickJob, tickJob } from "../program/run_tick_job.ts";
import type { Program, Running } from "../program/run_program.ts";
import { CLUSTER_SETTINGS, LOG_SETTINGS } from "../program/settings.ts";
import type { SettingName } from "../program/settings.ts";
import { duration } from "./arguments.ts";
import { drainNode, pinGateway, releaseGateway } from "./interventions.ts";
import { planTable, serialize, statusTable } from "./output.ts";
import type { OutputFormat } from "./output.ts";
import { settingsOf, withSettings } from "./setting_flags.ts";
import { readOwnStatuses, readSnapshot, SOURCE_SETTINGS } from "./source.ts";
import type { SourceFlags } from "./source.ts";
import { complain, outliveReaders, print, say } from "./terminal.ts";

type OutputFlags = { readonly output: OutputFormat };
type Flags = Readonly<Record<string, unknown>>;

const program = new Command("sallyport")
  .description("Highly available egress gateways for clusters on stock Cilium")
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ writeOut: print, writeErr: (text) => complain(text.trimEnd()) });

/** A command that has these settings as flags. */
function command(name: string, description: string, settings: readonly SettingName[]): Command {
  return withSettings(program.command(name).description(description), settings);
}

function withOutput(command: Command): Command {
  return command.addOption(
    new Option("-o, --output <format>", "how to print").choices(["json", "yaml", "table"])
      .default("table"),
  );
}

/** A command that runs a program, as the function of its name does. */
function running<Name extends SettingName>(
  name: string,
  description: string,
  { settings, run }: Program<Name>,
): Command {
  return command(name, description, [...settings, ...LOG_SETTINGS]).action(
    (flags: Flags) => runWith(settings, { flags, run }),
  );
}

async function runWith<Name extends SettingName>(
  names: readonly Name[],
  { flags, run }: { readonly flags: Flags; readonly run: Program<Name>["run"] },
): Promise<void> {
  const settings = settingsOf([...names, ...LOG_SETTINGS], flags);
  const logger = createLogger({
    format: settings.logFormat,
    level: settings.logLevel,
    write: toStderr,
  });
  const running: Running = { logger, signal: stop.signal };
  process.exitCode = await run(settings, running) ? 0 : 1;
}

/** A command that only reads, from a cluster or from files. */
function onSnapshot(name: string, description: string): Command {
  return withOutput(
    command(name, description, SOURCE_SETTINGS)
      .option(
        "--from <files...>",
        "read objects from YAML files instead of a cluster; -: standard input",
      )
      .option("--now <time>", "with --from: the time to decide for, RFC 3339"),
  );
}

/** A command that changes one thing in a cluster, which it names before it writes. */
function onCluster(name: string, description: string): Command {
  return command(name, description, CLUSTER_SETTINGS);
}

function inCluster<T>(flags: Flags, work: (client: KubeClient) => Promise<T>): Promise<T> {
  return withClient({
    ...settingsOf(CLUSTER_SETTINGS, flags),
    unnamed: "KUBECONFIG",
    onCluster: ({ name, server }) => complain(`On cluster ${server} (context ${name}):`),
  }, work);
}

const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
outliveReaders();

withOutput(
  command("tick", "observe, decide and apply until the cluster is settled, or for a while", [
    ...tickJob.settings,
    ...LOG_SETTINGS,
  ]),
).action((flags: Flags & OutputFlags) =>
  runWith(tickJob.settings, {
    flags,
    run: (settings, running) =>
      runTickJob(settings, {
        ...running,
        onTick: ({ plan }) => show(plan, flags.output, () => planTable(plan)),
      }),
  })
);

running(
  "serve",
  "tick each second, with health, metrics, a status page and POST /tick",
  controllerProgram,
);
running("knative", "tick on each CloudEvent, as Knative's sources send them", eventsProgram);
running("agent", "run the agent of this node: heartbeats, and virtual IPs", agentProgram);

onSnapshot("plan", "print what a tick would do")
  .action(async (flags: SourceFlags & OutputFlags) => {
    const snapshot = await readSnapshot(flags);
    const plan = decide(snapshot);
    show(plan, flags.output, () => planTable(plan));
    reportInvalid(snapshot);
  });

onSnapshot("explain", "say why this node holds a gateway, and why not that one")
  .argument("[gateway]", "name of the gateway; default: all")
  .action(async (name: string | undefined, flags: SourceFlags & OutputFlags) => {
    const snapshot = await readSnapshot(flags);
    const plan = decide(snapshot);
    const chosen = plan.gateways.filter((gateway) => name === undefined || gateway.name === name);
    if (name !== undefined && chosen.length === 0) throw unknownGateway(name, snapshot);
    show(
      chosen,
      flags.output,
      () => `${chosen.map((gateway) => explainGateway(gateway, plan)).join("\n\n")}\n`,
    );
    // Objects that cannot be read are among the warnings.
    for (const warning of plan.warnings) complain(`Warning: ${warning}`);
    if (snapshot.invalid.length > 0) process.exitCode = 1;
  });

onSnapshot("status", "show what the gateways and policies say of themselves")
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

onCluster("move", "pin a gateway to a node; it moves there while the node is eligible")
  .argument("<gateway>").argument("<node>")
  .action(async (gateway: string, node: string, flags: Flags) =>
    say(await inCluster(flags, (client) => pinGateway(client, { gateway, node })))
  );

onCluster("release", "undo move: let the election decide again")
  .argument("<gateway>")
  .action(async (gateway: string, flags: Flags) =>
    say(await inCluster(flags, (client) => releaseGateway(client, gateway)))
  );

onCluster("drain", "cordon a node and wait until no gateway is active on it")
  .argument("<node>")
  .addOption(
    new Option("--timeout <duration>", "how long to wait").argParser(duration)
      .default(60_000, "60s"),
  )
  .action(async (node: string, flags: Flags & { timeout: number }) => {
    const drained = await inCluster(
      flags,
      (client) =>
        drainNode(client, {
          node,
          timeoutMilliseconds: flags.timeout,
          onProgress: say,
          signal: stop.signal,
        }),
    );
    process.exitCode = drained ? 0 : 1;
  });

function unknownGateway(wanted: string, { gateways, invalid }: Snapshot): Error {
  const broken = invalid.find(({ kind, name }) => kind === "EgressGateway" && name === wanted);
  if (broken !== undefined) {
    return new Error(
      `Cannot explain EgressGateway '${wanted}' as it cannot be read: ${broken.message}`,
    );
  }
  const known = sortedByName(gateways).map(({ name }) => name).join(", ") || "none";
  return new ConfigError(
    `Cannot explain EgressGateway '${wanted}' as there is none of that name: there are ${known}`,
  );
}

function show(value: unknown, format: OutputFormat, asTable: () => string): void {
  print(format === "table" ? asTable() : serialize(value, format));
}

/** Says which objects were left out, and lets the exit code tell it too. */
function reportInvalid({ invalid }: Pick<Snapshot, "invalid">): void {
  for (const { kind, name, message } of invalid) {
    complain(`Cannot read ${kind} '${name}': ${message}`);
  }
  if (invalid.length > 0) process.exitCode = 1;
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (!stop.signal.aborted) {
    complain(messageOf(error));
    const wrong = error instanceof ConfigError || error instanceof CiliumNotFoundError;
    process.exitCode = wrong ? 2 : 1;
  }
}
