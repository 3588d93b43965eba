/** `--dry-run`: the API server checks what would be written and stores nothing, and every line says so. */
import { Option } from "commander";
import { decide } from "../../core/decide.ts";
import type { GatewayPlan, Snapshot } from "../../core/types.ts";
import { observe } from "../../cluster/observe.ts";
import type { CiliumPods } from "../../cluster/cilium_pods.ts";
import type { KubeClient } from "../../kube/client.ts";

export function dryRunOption(): Option {
  return new Option("--dry-run", "check and say what would be done, and store nothing");
}

/** What a tick would do if the cluster were otherwise. */
export async function foresee(
  client: KubeClient,
  { cilium, change }: {
    readonly cilium: CiliumPods;
    readonly change: (snapshot: Snapshot) => Snapshot;
  },
): Promise<readonly GatewayPlan[]> {
  return decide(change(await observe(client, { cilium }))).gateways;
}

/** What would become of a gateway, in words. */
export function foreseen(
  { name, activeNodeName, previousNodeName, message }: GatewayPlan,
): string {
  if (activeNodeName === previousNodeName) {
    return `${name} would stay with ${activeNodeName ?? "nobody"}: ${message}.`;
  }
  const from = previousNodeName === null ? "" : ` from ${previousNodeName}`;
  return activeNodeName === null
    ? `${name} would be held by nobody: ${message}.`
    : `${name} would move${from} to ${activeNodeName}: ${message}.`;
}
