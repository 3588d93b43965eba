/** The command line: `sallyport tick|serve|agent|plan|explain|status|move|release|drain`. */
import process from "node:process";
import { Command, CommanderError, Option } from "commander";
import { runAgentProgram } from "../program/serve_agent.ts";
import { explainGateway } from "../core/explain.ts";
import { sortedByName } from "../core/order.ts";
import { decide } from "../core/decide.ts";
import type { Snapshot } from "../core/types.ts";
import { startController } from "../program/serve_controller.ts";
import { createMetrics } from "../controller/metrics.ts";
import { loadCluster } from "../kube/auth/load_cluster.ts";
import { ConfigError } from "../kube/errors.ts";
import { createClient } from "../kube/http.ts";
import { createLogger, logTick } from "../program/log.ts";
import { runTicks } from "../controller/run_ticks.ts";
import { duration, interval, portNumber } from "./arguments.ts";
import { drainNode, pinGateway, releaseGateway } from "./interventions.ts";
import { planTable, serialize, statusTable } from "./output.ts";
import type { OutputFormat } from "./output.ts";
import { readSnapshot, withClient } from "./source.ts";
import type { ClusterFlags, SourceFlags } from "./source.ts";
import { messageOf } from "../core/message.ts";

type OutputFlags = { readonly output: OutputFormat };
type ServeFlags = {
  readonly every: number;
  readonly hostname: string;
  readonly port: number;
  readonly tokenFile?: string;
};

const program = new Command("sallyport")
  .description("Highly available egress gateways for clusters on stock Cilium")
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });

/** A command that works on a cluster. */
function onCluster(name: string, description: string): Command {
  return program.command(name).description(description)
    .option("--kubeconfig <file>", "kubeconfig of the cluster; without it the cluster around us")
    .option("--context <name>", "context of the kubeconfig");
}

/** A command that only reads, from a cluster or from files. */
function onSnapshot(name: string, description: string): Command {
  return onCluster(name, description)
    .option(
      "--from <files...>",
      "read objects from YAML files instead of a cluster; -: standard input",
    )
    .option("--now <time>", "with --from: the time to decide for, RFC 3339")
    .addOption(
      new Option("-o, --output <format>", "how to print").choices(["json", "yaml", "table"])
        .default("table"),
    );
}

const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());

onCluster("tick", "observe, decide and apply until the cluster is settled, or for a while")
  .option("--for <duration>", "go on for this long, such as 55s", duration, 0)
  .option("--every <duration>", "with --for: from one tick to the next", duration, 5_000)
  .option("--dry-run", "stop before anything is written")
  .addOption(
    new Option("-o, --output <format>", "how to print").choices(["json", "yaml", "table"]).default(
      "table",
    ),
  )
  .action(
    async (flags: ClusterFlags & OutputFlags & { for: number; every: number; dryRun?: true }) => {
      const logger = createLogger({ format: "text", level: "info" });
      const succeeded = await withClient(flags, (client) =>
        runTicks(client, {
          forMilliseconds: flags.for,
          everyMilliseconds: flags.every,
          dryRun: flags.dryRun ?? false,
          onTick: (result) => {
            logTick(logger, result);
            print(result.plan, flags.output, () => planTable(result.plan));
          },
          onError: (error) => logger.error("{message}", { message: error.message }),
          signal: stop.signal,
        }));
      process.exitCode = succeeded ? 0 : 1;
    },
  );

onCluster("serve", "tick each second, with health, metrics, a status page and POST /tick")
  .option(
    "--every <duration>",
    "from one tick to the next; off: on POST /tick alone",
    interval,
    1_000,
  )
  .option("--hostname <address>", "where to listen", "127.0.0.1")
  .option("--port <number>", "where to listen", portNumber, 8_080)
  .option("--token-file <file>", "bearer token of POST /tick; needed on a public address")
  .action(async (flags: ClusterFlags & ServeFlags) => {
    const logger = createLogger({ format: "text", level: "info" });
    const metrics = createMetrics();
    const client = createClient(await loadCluster(flags), {
      onRequest: (traffic) => metrics.recordRequest(traffic),
    });
    const { server, ended } = await startController(client, {
      hostname: flags.hostname,
      port: flags.port,
      tokenFile: flags.tokenFile,
      everyMilliseconds: flags.every,
      metrics,
      onTick: (result) => logTick(logger, result),
      onError: (error) => logger.error("{message}", { message: error.message }),
      signal: stop.signal,
    });
    logger.info("Listening on http://{hostname}:{port}", {
      hostname: server.hostname,
      port: server.port,
    });
    await ended;
    await client.close();
  });

onCluster("agent", "run the agent of this node: heartbeats, and virtual IPs")
  .requiredOption("--node <name>", "the node's name in the cluster")
  .option("--state-directory <folder>", "where it remembers what it bound", "/run/sallyport")
  .option(
    "--cilium-healthz <url>",
    "Cilium's health endpoint; off: do not ask",
    "http://127.0.0.1:9879/healthz",
  )
  .option("--port <number>", "loopback port of its health endpoint", portNumber, 9_881)
  .action(
    async (
      flags: ClusterFlags & {
        node: string;
        stateDirectory: string;
        ciliumHealthz: string;
        port: number;
      },
    ) => {
      const { node, stateDirectory, ciliumHealthz, port } = flags;
      const logger = createLogger({ format: "text", level: "info" });
      await withClient(flags, (client) =>
        runAgentProgram(client, {
          nodeName: node,
          stateDirectory,
          ciliumHealthz,
          port,
          logger,
          signal: stop.signal,
        }));
    },
  );

onSnapshot("plan", "print what a tick would do")
  .action(async (flags: SourceFlags & OutputFlags) => {
    const snapshot = await readSnapshot(flags);
    const plan = decide(snapshot);
    print(plan, flags.output, () => planTable(plan));
    reportInvalid(snapshot);
  });

onSnapshot("explain", "say why this node holds a gateway, and why not that one")
  .argument("[gateway]", "name of the gateway; default: all")
  .action(async (name: string | undefined, flags: SourceFlags & OutputFlags) => {
    const snapshot = await readSnapshot(flags);
    const plan = decide(snapshot);
    const chosen = plan.gateways.filter((gateway) => name === undefined || gateway.name === name);
    if (name !== undefined && chosen.length === 0) throw unknownGateway(name, snapshot);
    print(
      chosen,
      flags.output,
      () => `${chosen.map((gateway) => explainGateway(gateway, plan)).join("\n\n")}\n`,
    );
    for (const warning of plan.warnings) complain(`Warning: ${warning}`);
    reportInvalid(snapshot);
  });

onSnapshot("status", "show what the gateways and policies say of themselves")
  .action(async (flags: SourceFlags & OutputFlags) => {
    const snapshot = await readSnapshot(flags);
    const gateways = sortedByName(snapshot.gateways);
    const policies = sortedByName(snapshot.policies);
    const value = {
      gateways: gateways.map(({ name, status }) => ({ name, ...status })),
      policies: policies.map(({ name, spec, status }) => ({
        name,
        gateway: spec.egressGatewayName,
        ...status,
      })),
    };
    print(value, flags.output, () => statusTable({ ...snapshot, gateways, policies }));
    reportInvalid(snapshot);
  });

onCluster("move", "pin a gateway to a node; it moves there while the node is eligible")
  .argument("<gateway>").argument("<node>")
  .action(async (gateway: string, node: string, flags: ClusterFlags) =>
    say(await withClient(flags, (client) => pinGateway(client, { gateway, node })))
  );

onCluster("release", "undo move: let the election decide again")
  .argument("<gateway>")
  .action(async (gateway: string, flags: ClusterFlags) =>
    say(await withClient(flags, (client) => releaseGateway(client, gateway)))
  );

onCluster("drain", "cordon a node and wait until no gateway is active on it")
  .argument("<node>")
  .option("--timeout <duration>", "how long to wait", duration, 60_000)
  .action(async (node: string, flags: ClusterFlags & { timeout: number }) => {
    const drained = await withClient(
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

function print(value: unknown, format: OutputFormat, asTable: () => string): void {
  process.stdout.write(format === "table" ? asTable() : serialize(value, format));
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Says which objects were left out, and lets the exit code tell it too. */
function reportInvalid({ invalid }: Snapshot): void {
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
    process.exitCode = error instanceof ConfigError ? 2 : 1;
  }
}
