import process from "node:process";
import type { Command } from "commander";
import { decide } from "../../core/decide.ts";
import { explainGateway } from "../../core/explain.ts";
import { explainNode, waysOfNode } from "../../core/explain_node.ts";
import { sortedByName } from "../../core/order.ts";
import { ConfigError } from "../../kube/errors.ts";
import { waysOut } from "../../core/way_out.ts";
import { onSnapshot } from "../shared/command.ts";
import { podName } from "../shared/names.ts";
import { show, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { readPod } from "../shared/pod_facts.ts";
import { readSnapshot } from "../shared/source.ts";
import { unknownGateway } from "../shared/unknown_gateway.ts";
import { headline } from "../shared/way_out_words.ts";
import type { SourceFlags } from "../shared/source.ts";
import { complain } from "../shared/terminal.ts";

export function explainCommand(): Command {
  return withOutput(
    onSnapshot("explain", "say why this node holds a gateway, and why not that one"),
  )
    .argument("[gateway]", "name of the gateway; default: all")
    .option(
      "--pod <pod>",
      "NAMESPACE/POD: say by which gateways this pod's traffic leaves, and why",
    )
    .option("--node <node>", "say which gateway the pods of this node have, by each policy")
    .action(async (
      name: string | undefined,
      { pod, node, ...flags }: SourceFlags & OutputFlags & {
        readonly pod?: string;
        readonly node?: string;
      },
    ) => {
      if (pod !== undefined) return await explainPod(pod, flags);
      if (node !== undefined) return await explainNodeNamed(node, flags);
      const snapshot = await readSnapshot(flags);
      const plan = decide(snapshot);
      const chosen = plan.gateways.filter((gateway) => name === undefined || gateway.name === name);
      if (name !== undefined && chosen.length === 0) {
        throw unknownGateway("explain", name, snapshot);
      }
      show(
        chosen,
        flags.output,
        {
          table: () => `${chosen.map((gateway) => explainGateway(gateway, plan)).join("\n\n")}\n`,
        },
      );
      // Objects that cannot be read are among the warnings.
      for (const warning of plan.warnings) complain(`Warning: ${warning}`);
      if (snapshot.invalid.length > 0) process.exitCode = 1;
    });
}

async function explainPod(wanted: string, flags: SourceFlags & OutputFlags): Promise<void> {
  const asked = podName(wanted, undefined);
  const { pod, snapshot } = await readPod(flags, asked);
  const ways = waysOut(pod, snapshot);
  const node = pod.nodeName === undefined ? "no node yet" : `node ${pod.nodeName}`;
  const inSentences = (): string =>
    [
      `${asked.namespace}/${asked.name} on ${node}:`,
      ...ways.length > 0 ? [] : ["  No policy selects it: its traffic leaves by its own node."],
      ...ways.flatMap((way) => [
        `  To ${way.destinations.join(", ")}${
          way.excluded.length === 0 ? "" : ` but ${way.excluded.join(", ")}`
        }: ${headline(way)}.`,
        ...way.why.map((sentence) => `    Why: ${sentence}.`),
      ]),
    ].map((line) => `${line}\n`).join("");
  show(ways, flags.output, { table: inSentences });
}

async function explainNodeNamed(
  wanted: string,
  flags: SourceFlags & OutputFlags,
): Promise<void> {
  const snapshot = await readSnapshot(flags, { everyNode: true });
  const node = snapshot.nodes.find(({ name }) => name === wanted);
  if (node === undefined) {
    const known = sortedByName(snapshot.nodes).map(({ name }) => name).join(", ") || "none";
    throw new ConfigError(`Cannot find Node '${wanted}': there are ${known}`);
  }
  const context = { snapshot, plan: decide(snapshot) };
  show(waysOfNode(node, context), flags.output, { table: () => `${explainNode(node, context)}\n` });
}
