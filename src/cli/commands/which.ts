/** `which POD DESTINATION`: by which gateway, node and address the pod's traffic to there leaves, and why. */
import process from "node:process";
import type { Command } from "commander";
import { wayOut } from "../../core/way_out.ts";
import type { WayOut } from "../../core/way_out.ts";
import { onSnapshot } from "../shared/command.ts";
import { ipAddress, podName } from "../shared/names.ts";
import { show, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { readPod } from "../shared/pod_facts.ts";
import type { AskedPod } from "../shared/pod_facts.ts";
import type { SourceFlags } from "../shared/source.ts";
import { headline } from "../shared/way_out_words.ts";

interface Asked extends AskedPod {
  readonly destination: string;
}

export function whichCommand(): Command {
  return withOutput(
    onSnapshot(
      "which",
      "say by which gateway, node and address a pod's traffic to a destination leaves",
    ),
  )
    .argument("<pod>", "NAMESPACE/POD")
    .argument("<destination>", "IP address that the pod sends to")
    .option("-n, --namespace <name>", "namespace of the pod, where its name is given alone")
    .action(async (
      pod: string,
      destination: string,
      flags: SourceFlags & OutputFlags & { readonly namespace?: string },
    ) => {
      const asked = { ...podName(pod, flags.namespace), destination: ipAddress(destination) };
      const facts = await readPod(flags, asked);
      const way = wayOut(facts.pod, { ...facts, destination: asked.destination });
      show(
        { pod: `${asked.namespace}/${asked.name}`, destination: asked.destination, ...way },
        flags.output,
        { table: () => inSentences(asked, way) },
      );
      process.exitCode = way.verdict === "Gateway" || way.verdict === "OwnNode" ? 0 : 1;
    });
}

function inSentences(asked: Asked, way: WayOut): string {
  const lines = [
    `${asked.namespace}/${asked.name} to ${asked.destination}: ${headline(way)}.`,
    ...way.why.map((sentence) => `  Why: ${sentence}.`),
    ...way.others.map((sentence) => `  Also: ${sentence}.`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
