import process from "node:process";
import type { Command } from "commander";
import { PIN_ANNOTATION } from "../../core/names.ts";
import type { Gateway, Snapshot } from "../../core/types.ts";
import type { KubeClient } from "../../kube/client.ts";
import { ciliumPods } from "../../program/settings.ts";
import { inCluster, onCluster, timeoutOption } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { dryRunOption, foresee, foreseen } from "../shared/dry_run.ts";
import { emptyNode } from "../shared/interventions.ts";
import { stop } from "../shared/stop.ts";
import { say } from "../shared/terminal.ts";
import { progressOf, tellControllers, waitFor } from "../shared/wait.ts";

type DrainFlags = Flags & {
  readonly wait: boolean;
  readonly timeout: number;
  readonly dryRun?: boolean;
};

export function drainCommand(): Command {
  return onCluster(
    "drain",
    "cordon a node, take away pins to it, and wait until it holds no gateway",
  )
    .argument("<node>")
    .option("--wait", "until no gateway is active on it", true)
    .option("--no-wait", "return when the node is cordoned")
    .addOption(timeoutOption("how long to wait"))
    .addOption(dryRunOption())
    .action(async (node: string, flags: DrainFlags) => {
      const drained = await inCluster(flags, async (client, settings) => {
        const done = await emptyNode(client, node, { ...flags, signal: stop });
        done.forEach(say);
        if (flags.dryRun) {
          await tellForeseen(client, { node, cilium: ciliumPods(settings) });
          return true;
        }
        await tellControllers(client);
        return !flags.wait || await isEmpty(client, { node, timeout: flags.timeout });
      });
      process.exitCode = drained ? 0 : 1;
    });
}

async function tellForeseen(
  client: KubeClient,
  { node, cilium }: { readonly node: string; readonly cilium: ReturnType<typeof ciliumPods> },
): Promise<void> {
  const plans = await foresee(client, { cilium, change: (snapshot) => drained(snapshot, node) });
  const held = plans.filter(({ previousNodeName }) => previousNodeName === node);
  held.map(foreseen).forEach(say);
  if (held.length === 0) say(`No gateway is active on ${node}.`);
}

function drained(snapshot: Snapshot, node: string): Snapshot {
  return {
    ...snapshot,
    nodes: snapshot.nodes.map((each) => each.name === node ? { ...each, cordoned: true } : each),
    gateways: snapshot.gateways.map((gateway) => {
      const { [PIN_ANNOTATION]: pin, ...annotations } = gateway.annotations;
      return pin === node ? { ...gateway, annotations } : gateway;
    }),
  };
}

async function isEmpty(
  client: KubeClient,
  { node, timeout }: { readonly node: string; readonly timeout: number },
): Promise<boolean> {
  let left: readonly Gateway[] = [];
  const waiting = { timeoutMilliseconds: timeout, signal: stop };
  const empty = await waitFor(client, waiting, (gateways) => {
    const before = left;
    left = gateways.filter((gateway) => isHeldBy(node, gateway));
    const gone = before.flatMap(({ name }) =>
      left.some((each) => each.name === name) ? [] : gateways.filter((each) => each.name === name)
    );
    return { done: left.length === 0, says: [...gone, ...left].map(progressOf) };
  });
  say(
    empty
      ? `No gateway is active on ${node}.`
      : `Still active on ${node}: ${
        left.map(({ name }) => name).sort().join(", ")
      }. sallyport explain says why.`,
  );
  return empty;
}

/** Also while the handover from it is under way. */
function isHeldBy(node: string, { status }: Gateway): boolean {
  return status.activeNodeName === node ||
    (status.phase === "Preparing" && status.lastFailover?.from === node);
}
