/** `completion SHELL`: what a shell loads to complete our words; it calls back with `complete -- WORDS`. */
import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import { list } from "../../kube/list.ts";
import { PATHS } from "../../cluster/resources.ts";
import { decodeNamespace as decodeNamed } from "../../cluster/decoders/source_pod.ts";
import { withClient } from "../../program/connect.ts";

/** Argument -> the kind of which it names one. */
const NAMED = { gateway: "EgressGateway", node: "Node" } as const;

/** A shell waits for this while a person does. Milliseconds. */
const PATIENCE_MILLISECONDS = 1_500;

type Names = ReadonlyMap<string, readonly string[]>;

/** Adds the commands; `words` are those that the person has typed so far, undefined where nothing is completed. */
export async function addCompletion(
  program: Command,
  words: readonly string[] | undefined,
): Promise<void> {
  const root = tab(program, { completionCommandName: "completion" });
  if (words === undefined) return;
  const names: Names = program.commands.some((command) =>
      command.name() === words[0] &&
      command.registeredArguments.some((each) => Object.hasOwn(NAMED, each.name()))
    )
    ? await namesInCluster()
    : new Map();
  for (const command of root.commands.values()) {
    for (const argument of command.arguments.values()) {
      argument.handler ??= (complete) =>
        names.get(argument.name)?.forEach((name) => complete(name, ""));
    }
  }
}

/** Of the cluster that kubectl would take; none where it does not answer. */
async function namesInCluster(): Promise<Names> {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
    return await withClient({
      kubeconfig: undefined,
      context: undefined,
      unnamed: "CurrentContext",
    }, async (client) =>
      new Map(
        await Promise.all(
          Object.entries(NAMED).map(async ([argument, kind]) => {
            const { items } = await list(client, PATHS[kind], { decode: decodeNamed, signal });
            return [argument, items.flatMap((item) => item?.name ?? []).sort()] as const;
          }),
        ),
      ));
  } catch {
    return new Map();
  }
}
