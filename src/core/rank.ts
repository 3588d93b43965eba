/** The order in which candidates are preferred. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { remembered } from "./once.ts";
import { byText } from "./order.ts";
import { matchesLabels } from "./selectors.ts";
import type { GatewaySpec, Labels } from "./types.ts";

/** Sum of the weights of the preferredNodes that match, as `preferredDuringScheduling` counts in Kubernetes. */
export function rankOf(labels: Labels, spec: GatewaySpec): number {
  return spec.preferredNodes
    .filter((preference) => matchesLabels(labels, preference.nodeSelector))
    .reduce((sum, preference) => sum + preference.weight, 0);
}

/**
 * Comparison for sorting candidates, best first: highest rank, then the strategy: `Alphabetical` by node name,
 * `Hash` and `Balanced` by sha256("gateway#node"), which spreads gateways over nodes, then by name.
 */
export function byPreference(
  gateway: { readonly name: string; readonly spec: GatewaySpec },
): (a: Ranked, b: Ranked) => number {
  const tie = gateway.spec.strategy !== "Alphabetical"
    ? remembered((node: string) => bytesToHex(sha256(utf8ToBytes(`${gateway.name}#${node}`))))
    : (node: string) => node;
  return (a, b) => b.rank - a.rank || byText(tie(a.node), tie(b.node)) || byText(a.node, b.node);
}

export interface Ranked {
  readonly node: string;
  readonly rank: number;
}
