/** `status [NAME]`: what gateways and policies say of themselves, once or as it changes. */
import { Option } from "commander";
import type { Command } from "commander";
import { API_GROUP, PIN_ANNOTATION } from "../../core/names.ts";
import { sortedByName } from "../../core/order.ts";
import { messageOf } from "../../core/message.ts";
import { sleep } from "../../kube/deadline.ts";
import { ConfigError } from "../../kube/errors.ts";
import { onSnapshot } from "../shared/command.ts";
import { listed } from "../shared/named.ts";
import { show, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { readOwnStatuses, reportInvalid } from "../shared/source.ts";
import type { OwnStatuses, SourceFlags } from "../shared/source.ts";
import { gatewayRow, policyRows, statusTable } from "../shared/tables.ts";
import { stop } from "../shared/stop.ts";
import { complain } from "../shared/terminal.ts";

type StatusFlags = SourceFlags & OutputFlags & { readonly watch?: boolean };

const LOOK_MILLISECONDS = 1_000;

export function statusCommand(): Command {
  const command = onSnapshot("status", "show what the gateways and policies say of themselves");
  return withOutput(command, ["wide", "name"])
    .argument("[name]", "of a gateway, with its policies, or of a policy; default: all")
    .addOption(new Option("-w, --watch", "go on, and print each that changes"))
    .action(async (name: string | undefined, flags: StatusFlags) => {
      if (flags.watch && flags.from !== undefined) {
        throw new ConfigError("Cannot watch files: give --watch with a cluster");
      }
      const read = await readNamed(name, flags);
      print(read, flags);
      tellControllers(read);
      reportInvalid(read);
      if (flags.watch) await watch(read, { name, flags });
    });
}

async function readNamed(name: string | undefined, flags: SourceFlags): Promise<OwnStatuses> {
  const read = await readOwnStatuses(flags);
  const gateways = sortedByName(read.gateways);
  const policies = sortedByName(read.policies);
  if (name === undefined) return { ...read, gateways, policies };
  const chosen = {
    gateways: gateways.filter((each) => each.name === name),
    policies: policies.filter((each) =>
      each.name === name || each.spec.gateways.some((gateway) => gateway.name === name)
    ),
    invalid: read.invalid.filter((each) => each.name === name),
  };
  if (Object.values(chosen).every((found) => found.length === 0)) {
    throw new ConfigError(
      `Cannot show '${name}' as no gateway or policy has that name: there are gateways ${
        listed(gateways)
      } and policies ${listed(policies)}`,
    );
  }
  return { ...read, ...chosen };
}

function print(read: OwnStatuses, { output }: StatusFlags): void {
  const { gateways, policies, controllers } = read;
  const value = {
    ...(controllers === undefined ? {} : { controllers }),
    gateways: gateways.map(({ name, status, annotations: { [PIN_ANNOTATION]: pin } }) => ({
      name,
      ...(pin === undefined ? {} : { pin }),
      ...status,
    })),
    policies: policies.map(({ name, spec, status }) => ({
      name,
      gateways: spec.gateways.map(({ name }) => ({ name })),
      ...status,
    })),
  };
  show(value, output, {
    table: () => statusTable(read),
    wide: () => statusTable(read, { wide: true }),
    name: () => [
      ...gateways.map(({ name }) => `egressgateway.${API_GROUP}/${name}`),
      ...policies.map(({ name }) => `egressgatewaypolicy.${API_GROUP}/${name}`),
    ],
  });
}

/** Says whether anybody keeps this true. */
function tellControllers({ controllers }: OwnStatuses): void {
  if (controllers === undefined) return;
  const { state, message } = controllers;
  complain(
    state === "Working"
      ? `Controllers: ${message}.`
      : `Warning: ${message}. What stands here may be out of date.`,
  );
}

/** Prints what changes, until the person ends it. */
async function watch(
  first: OwnStatuses,
  { name, flags }: { readonly name: string | undefined; readonly flags: StatusFlags },
): Promise<void> {
  let before = first;
  let failed = "";
  while (true) {
    await sleep(LOOK_MILLISECONDS, stop);
    try {
      const now = await readNamed(name, flags);
      const changed = changedSince(before, now);
      if (changed.gateways.length + changed.policies.length > 0) {
        print({ ...now, ...changed }, flags);
      }
      if (now.controllers?.state !== before.controllers?.state) tellControllers(now);
      [before, failed] = [now, ""];
    } catch (error) {
      stop.throwIfAborted();
      // What goes wrong each second is told once.
      if (messageOf(error) !== failed) complain(failed = messageOf(error));
    }
  }
}

function changedSince(
  before: OwnStatuses,
  now: OwnStatuses,
): Pick<OwnStatuses, "gateways" | "policies"> {
  const known = new Set([
    ...before.gateways.map((gateway) => rowKey("gateway", gatewayRow(gateway, true))),
    ...before.policies.map((policy) => rowKey("policy", policyRows(policy, true).flat())),
  ]);
  return {
    gateways: now.gateways.filter((each) => !known.has(rowKey("gateway", gatewayRow(each, true)))),
    policies: now.policies.filter((each) =>
      !known.has(rowKey("policy", policyRows(each, true).flat()))
    ),
  };
}

function rowKey(kind: string, row: readonly string[]): string {
  return JSON.stringify([kind, ...row]);
}
