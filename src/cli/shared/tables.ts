/** Results as tables, as kubectl prints them. */
import { PIN_ANNOTATION } from "../../core/names.ts";
import { printableLine } from "../../core/printable.ts";
import { egressIPsOf } from "../../core/reports.ts";
import { fieldChanges } from "../../core/field_changes.ts";
import type { FieldChange } from "../../core/field_changes.ts";
import type { Change, Gateway, Plan, Policy, Snapshot } from "../../core/types.ts";

const NONE = "<none>";

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

/** What a tick would do: the decisions, then the writes; with the snapshot that it was decided from, field by field. */
export function planTable(
  { gateways, changes, warnings }: Plan,
  snapshot?: Snapshot,
): string {
  const decisions = table(
    ["GATEWAY", "DECISION", "ACTIVE", "PREVIOUS", "PHASE", "TERM", "READY-NODES", "WHY"],
    gateways.map((gateway) => [
      gateway.name,
      gateway.decision,
      gateway.activeNodeName ?? NONE,
      gateway.previousNodeName ?? NONE,
      gateway.phase,
      String(gateway.term),
      String(gateway.readyNodes),
      gateway.message,
    ]),
  );
  const writes = changes.length === 0 ? "No changes.\n" : snapshot === undefined
    ? table(
      ["CHANGE", "KIND", "NAME"],
      changes.map((change) => [change.action, kindOf(change), change.name]),
    )
    : changes.map((change) => changeInFull(change, snapshot)).join("");
  return [decisions, writes, ...warnings.map((warning) => `Warning: ${printableLine(warning)}\n`)]
    .join("\n");
}

function changeInFull(change: Change, snapshot: Snapshot): string {
  const title = `${change.action} ${kindOf(change)} ${change.name}`;
  return [title, ...fieldChanges(change, snapshot).map(fieldLine)]
    .map((line) => `${printableLine(line)}\n`).join("");
}

function kindOf({ kind, subresource }: Change): string {
  return subresource === undefined ? kind : `${kind}/${subresource}`;
}

function fieldLine({ path, from, to }: FieldChange): string {
  if (from === undefined) return `  + ${path}: ${to}`;
  if (to === undefined) return `  - ${path}: ${from}`;
  return `  ~ ${path}: ${from} -> ${to}`;
}

function ready(
  { status }: { readonly status: { readonly conditions?: Gateway["status"]["conditions"] } },
): string {
  return status.conditions?.find(({ type }) => type === "Ready")?.status ?? "Unknown";
}

function reason({ status }: Pick<Gateway, "status"> | Pick<Policy, "status">): string {
  return status.conditions?.find(({ type }) => type === "Ready")?.message ?? NONE;
}

/** With the pin, where there is one: it is a promise to move as soon as that node may hold the gateway. */
function holderOf({ status, annotations }: Gateway): string {
  const pin = annotations[PIN_ANNOTATION];
  const holder = status.activeNodeName ?? NONE;
  return pin === undefined ? holder : `${holder} (pin: ${pin})`;
}

export const GATEWAY_COLUMNS = [
  "GATEWAY",
  "READY",
  "ACTIVE",
  "STANDBY",
  "PHASE",
  "TERM",
  "READY-NODES",
  "LAST-MOVE",
] as const;

export const POLICY_COLUMNS = ["POLICY", "READY", "GATEWAY", "ACTIVE", "EGRESS-IP"] as const;

/** What is shown of a gateway on one line; `wide`: more of it. */
export function gatewayRow(gateway: Gateway, wide = false): readonly string[] {
  const { name, status, spec } = gateway;
  const source = spec.sourceIP;
  return [
    name,
    ready(gateway),
    holderOf(gateway),
    status.standbyNodeNames?.join(",") || NONE,
    status.phase ?? NONE,
    String(status.term ?? 0),
    String(status.readyNodes ?? 0),
    status.lastFailover?.startTime ?? "<never>",
    ...wide
      ? [
        source.mode === "VirtualIPAddress" ? source.ips.join(",") : `${source.interfaceName}'s`,
        String(status.candidates?.length ?? 0),
        reason(gateway),
      ]
      : [],
  ];
}

/** The same of a policy, a line for each of its gateways. */
export function policyRows(policy: Policy, wide = false): readonly (readonly string[])[] {
  const { name, spec, status } = policy;
  const ways = status.gateways ??
    spec.gateways.map((gateway) => ({ ...status, name: gateway.name }));
  return ways.map((way) => [
    name,
    ready(policy),
    way.name,
    way.activeNodeName ?? NONE,
    egressIPsOf(way).join(",") || NONE,
    ...wide
      ? [spec.destinationCIDRs.join(","), spec.excludedCIDRs.join(",") || NONE, reason(policy)]
      : [],
  ]);
}

/** What the cluster says now, without deciding anything. */
export function statusTable(
  { gateways, policies }: Pick<Snapshot, "gateways" | "policies">,
  { wide = false }: { readonly wide?: boolean } = {},
): string {
  const tables = [
    table(
      [...GATEWAY_COLUMNS, ...wide ? ["SOURCE-IP", "CANDIDATES", "WHY"] : []],
      gateways.map((gateway) => gatewayRow(gateway, wide)),
    ),
    table(
      [...POLICY_COLUMNS, ...wide ? ["DESTINATIONS", "EXCLUDED", "WHY"] : []],
      policies.flatMap((policy) => policyRows(policy, wide)),
    ),
  ];
  // A table without rows says nothing beside one that has some.
  const [ofGateways, ofPolicies] = tables;
  if (gateways.length === 0 && policies.length > 0) return ofPolicies ?? "";
  if (policies.length === 0 && gateways.length > 0) return ofGateways ?? "";
  return tables.join("\n");
}
