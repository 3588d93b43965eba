/**
 * `check`: is all there that Sallyport needs, and does it work. `check GATEWAY`: the way of its traffic from pod to wire, step by
 * step.
 */
import process from "node:process";
import type { Command } from "commander";
import { CiliumNotFoundError } from "../../cluster/cilium_pods.ts";
import { fieldsOf, readCheck } from "../../cluster/read_check.ts";
import type { Needed } from "../../cluster/read_check.ts";
import { readDefinitions } from "../../cluster/schema/crds.ts";
import { readPath } from "../../cluster/read_path.ts";
import { findings } from "../../core/check.ts";
import type { Finding } from "../../core/check.ts";
import { pathOf } from "../../core/path.ts";
import type { Step } from "../../core/path_types.ts";
import { printableLine } from "../../core/printable.ts";
import { withClient } from "../../program/connect.ts";
import { ciliumPods } from "../../program/settings.ts";
import { ConfigError } from "../../kube/errors.ts";
import { command } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { show, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { kubectlExec } from "../shared/kubectl_exec.ts";
import { unknownGateway } from "../shared/unknown_gateway.ts";
import { settingsOf } from "../shared/setting_flags.ts";
import { SOURCE_SETTINGS } from "../shared/source.ts";

type CheckFlags = Flags & OutputFlags & { readonly exec?: boolean };

export function checkCommand(): Command {
  return withOutput(
    command("check", "look whether all is there that Sallyport needs, and works", SOURCE_SETTINGS),
  )
    .argument("[gateway]", "look at each step of this gateway's traffic, from pod to wire")
    .option("--exec", "with a gateway: ask Cilium's agents, too, by kubectl exec")
    .action((name: string | undefined, flags: CheckFlags) =>
      name === undefined ? checkCluster(flags) : checkPath(name, flags)
    );
}

async function checkCluster(flags: CheckFlags): Promise<void> {
  if (flags.exec) throw new ConfigError("Cannot ask Cilium's agents without a gateway: name one");
  const settings = settingsOf(SOURCE_SETTINGS, flags);
  const found = await withClient(
    { ...settings, unnamed: "CurrentContext" },
    async (client) =>
      findings(await readCheck(client, { cilium: ciliumPods(settings), needed: needed() })),
  ).catch((error: unknown): readonly Finding[] => {
    if (!(error instanceof CiliumNotFoundError)) throw error;
    return [{ level: "error", about: "Cilium", message: error.message }];
  });
  show(found, flags.output, { table: () => found.map(lineOf).join("") });
  process.exitCode = found.some(({ level }) => level === "error") ? 1 : 0;
}

async function checkPath(name: string, flags: CheckFlags): Promise<void> {
  const settings = settingsOf(SOURCE_SETTINGS, flags);
  const sources = await withClient(
    { ...settings, unnamed: "CurrentContext" },
    (client) =>
      readPath(client, {
        gateway: name,
        cilium: ciliumPods(settings),
        exec: flags.exec ? kubectlExec(settings) : undefined,
      }),
  );
  const gateway = sources.snapshot.gateways.find((each) => each.name === name);
  if (gateway === undefined) throw unknownGateway("check", name, sources.snapshot);
  const steps = pathOf(gateway, sources);
  show(steps, flags.output, { table: () => steps.map(stepLine).join("") });
  process.exitCode = steps.some(({ verdict }) => verdict === "wrong") ? 1 : 0;
}

function stepLine({ step, verdict, message, source, ageSeconds }: Step): string {
  const age = ageSeconds === undefined ? "" : ageSeconds === 0 ? ", now" : `, ${ageSeconds} s old`;
  return `${verdict.padEnd(7)}   ${step.padEnd(10)}   ${
    printableLine(`${message} (${source}${age})`)
  }\n`;
}

function needed(): readonly Needed[] {
  return [
    ...readDefinitions().map(({ plural, group, schema }) => ({
      name: `${plural}.${group}`,
      fields: fieldsOf(schema),
    })),
    { name: "ciliumegressgatewaypolicies.cilium.io", fields: [] },
  ];
}

function lineOf({ level, about, message }: Finding): string {
  return `${level.padEnd(7)}   ${printableLine(`${about}: ${message}`)}\n`;
}
