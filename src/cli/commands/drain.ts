import process from "node:process";
import { Option } from "commander";
import type { Command } from "commander";
import { duration } from "../shared/arguments.ts";
import { inCluster, onCluster } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { drainNode } from "../shared/interventions.ts";
import { stop } from "../shared/stop.ts";
import { say } from "../shared/terminal.ts";

export function drainCommand(): Command {
  return onCluster("drain", "cordon a node and wait until no gateway is active on it")
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
            signal: stop,
          }),
      );
      process.exitCode = drained ? 0 : 1;
    });
}
