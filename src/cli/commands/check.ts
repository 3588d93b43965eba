/** `check`: is all there that Sallyport needs, and does it work. */
import process from "node:process";
import type { Command } from "commander";
import { CiliumNotFoundError } from "../../cluster/cilium_pods.ts";
import { fieldsOf, readCheck } from "../../cluster/read_check.ts";
import type { Needed } from "../../cluster/read_check.ts";
import { readDefinitions } from "../../cluster/schema/crds.ts";
import { findings } from "../../core/check.ts";
import type { Finding } from "../../core/check.ts";
import { printableLine } from "../../core/printable.ts";
import { withClient } from "../../program/connect.ts";
import { ciliumPods } from "../../program/settings.ts";
import { command } from "../shared/command.ts";
import type { Flags } from "../shared/command.ts";
import { show, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { settingsOf } from "../shared/setting_flags.ts";
import { SOURCE_SETTINGS } from "../shared/source.ts";

export function checkCommand(): Command {
  return withOutput(
    command("check", "look whether all is there that Sallyport needs, and works", SOURCE_SETTINGS),
  ).action(async (flags: Flags & OutputFlags) => {
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
  });
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
