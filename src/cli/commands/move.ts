import process from "node:process";
import type { Command } from "commander";
import { PIN_ANNOTATION } from "../../core/names.ts";
import { ciliumPods } from "../../program/settings.ts";
import type { KubeClient } from "../../kube/client.ts";
import { inCluster, onCluster, timeoutOption } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { dryRunOption, foresee, foreseen } from "../shared/dry_run.ts";
import { pinGateway } from "../shared/interventions.ts";
import { stop } from "../shared/stop.ts";
import { complain, say } from "../shared/terminal.ts";
import { progressOf, tellControllers, waitFor } from "../shared/wait.ts";

type MoveFlags = Flags & {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly dryRun?: boolean;
};

interface Wanted {
  readonly gateway: string;
  readonly node: string;
}

export function moveCommand(): Command {
  return onCluster("move", "pin a gateway to a node; it moves there while the node is eligible")
    .argument("<gateway>").argument("<node>")
    .option("--wait", "until the gateway is served there")
    .addOption(timeoutOption("with --wait: how long to wait"))
    .addOption(dryRunOption())
    .action(async (gateway: string, node: string, flags: MoveFlags) => {
      const wanted = { gateway, node };
      const done = await inCluster(flags, async (client, settings) => {
        const pinned = await pinGateway(client, wanted, { ...flags, signal: stop });
        if (flags.dryRun) {
          await tellForeseen(client, { ...wanted, cilium: ciliumPods(settings) });
          return true;
        }
        say(pinned);
        await tellControllers(client);
        return !flags.wait || await hasMoved(client, { ...wanted, timeout: flags.timeout });
      });
      process.exitCode = done ? 0 : 1;
    });
}

async function tellForeseen(
  client: KubeClient,
  { gateway, node, cilium }: Wanted & { readonly cilium: ReturnType<typeof ciliumPods> },
): Promise<void> {
  say(`Would pin ${gateway} to ${node}.`);
  const plans = await foresee(client, {
    cilium,
    change: (snapshot) => ({
      ...snapshot,
      gateways: snapshot.gateways.map((each) =>
        each.name === gateway
          ? { ...each, annotations: { ...each.annotations, [PIN_ANNOTATION]: node } }
          : each
      ),
    }),
  });
  for (const plan of plans) if (plan.name === gateway) say(foreseen(plan));
}

async function hasMoved(
  client: KubeClient,
  { gateway, node, timeout }: Wanted & { readonly timeout: number },
): Promise<boolean> {
  const waiting = { timeoutMilliseconds: timeout, signal: stop };
  const moved = await waitFor(client, waiting, (gateways) => {
    const found = gateways.find(({ name }) => name === gateway);
    return {
      done: found?.status.activeNodeName === node && found.status.phase === "Active",
      says: found === undefined ? [] : [progressOf(found)],
    };
  });
  if (moved) say(`${gateway} is served by ${node}.`);
  else complain(`${gateway} is not served by ${node} yet; sallyport explain ${gateway} says why.`);
  return moved;
}
