/** How results are printed: JSON, YAML, or a table as kubectl prints one. */
import { Option } from "commander";
import type { Command } from "commander";
import { stringify } from "yaml";
import { isPrintable, printableLine } from "../../core/printable.ts";
import type { Plan, Snapshot } from "../../core/types.ts";
import { print, printData } from "./terminal.ts";

export type OutputFormat = "json" | "yaml" | "table";
export type OutputFlags = { readonly output: OutputFormat };

export function withOutput(command: Command): Command {
  return command.addOption(
    new Option("-o, --output <format>", "how to print").choices(["json", "yaml", "table"])
      .default("table"),
  );
}

export function show(value: unknown, format: OutputFormat, asTable: () => string): void {
  if (format === "table") print(asTable());
  else printData(serialize(value, format));
}

/** Any value as JSON or YAML text, with a line break at the end. */
export function serialize(value: unknown, format: "json" | "yaml"): string {
  return format === "json" ? `${JSON.stringify(value, null, 2)}\n` : yamlOf(value);
}

function yamlOf(value: unknown): string {
  const text = stringify(value, { aliasDuplicateObjects: false });
  if (isPrintable(text)) return text;
  // Only between double quotes what is written out means the same.
  return stringify(value, {
    aliasDuplicateObjects: false,
    defaultStringType: "QUOTE_DOUBLE",
  });
}

/** Columns padded to their widest cell, three spaces apart. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((line) => line.map(printableLine));
  const widths = header.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0))
  );
  return lines.map((line) =>
    `${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("   ").trimEnd()}\n`
  )
    .join("");
}

/** What a tick would do: the decisions, then the writes. */
export function planTable({ gateways, changes, warnings }: Plan): string {
  const decisions = table(
    ["GATEWAY", "DECISION", "ACTIVE", "PREVIOUS", "PHASE", "TERM", "READY-NODES", "WHY"],
    gateways.map((gateway) => [
      gateway.name,
      gateway.decision,
      gateway.activeNodeName ?? "<none>",
      gateway.previousNodeName ?? "<none>",
      gateway.phase,
      String(gateway.term),
      String(gateway.readyNodes),
      gateway.message,
    ]),
  );
  const writes = changes.length === 0 ? "No changes.\n" : table(
    ["CHANGE", "KIND", "NAME"],
    changes.map(({ action, kind, name, subresource }) => [
      action,
      subresource === undefined ? kind : `${kind}/${subresource}`,
      name,
    ]),
  );
  return [decisions, writes, ...warnings.map((warning) => `Warning: ${printableLine(warning)}\n`)]
    .join("\n");
}

/** What the cluster says now, without deciding anything. */
export function statusTable(
  { gateways, policies }: Pick<Snapshot, "gateways" | "policies">,
): string {
  const ready = (conditions: readonly { type: string; status: string }[] | undefined): string =>
    conditions?.find(({ type }) => type === "Ready")?.status ?? "Unknown";
  return [
    table(
      ["GATEWAY", "READY", "ACTIVE", "STANDBY", "PHASE", "TERM", "READY-NODES", "LAST-MOVE"],
      gateways.map(({ name, status }) => [
        name,
        ready(status.conditions),
        status.activeNodeName ?? "<none>",
        status.standbyNodeNames?.join(",") || "<none>",
        status.phase ?? "<none>",
        String(status.term ?? 0),
        String(status.readyNodes ?? 0),
        status.lastFailover?.startTime ?? "<never>",
      ]),
    ),
    table(
      ["POLICY", "READY", "GATEWAY", "ACTIVE", "EGRESS-IP"],
      policies.flatMap(({ name, spec, status }) =>
        (status.gateways ?? spec.gateways.map((gateway) => ({ ...status, name: gateway.name })))
          .map((way) => [
            name,
            ready(status.conditions),
            way.name,
            way.activeNodeName ?? "<none>",
            way.egressIP ?? "<none>",
          ])
      ),
    ),
  ].join("\n");
}
