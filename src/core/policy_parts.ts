/**
 * The CiliumEgressGatewayPolicies that one EgressGatewayPolicy becomes: one of its own name, or several, each named
 * `POLICY.PART`.
 *
 * Several, since Cilium knows one gateway for each (its `egressGateways` moves most pods when one gateway moves), and since
 * it takes the nodeSelectors of all rules together: a pod is selected when some rule's podSelector selects it and some
 * rule's nodeSelector selects its node (1.18 to 1.20, updateMatchedEndpointIDs in pkg/egressgateway/policy.go).
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { API_GROUP, PART_ANNOTATION, POLICY_LABEL } from "./names.ts";
import { EVERY_NODE, UNLABELLED } from "./node_set.ts";
import type { NodeSet } from "./node_set.ts";
import { byText } from "./order.ts";
import { ownersOf } from "./shares.ts";
import type { CiliumPolicy, LabelSelector, Policy, PolicyRule } from "./types.ts";

export interface Part {
  /** Of the CiliumEgressGatewayPolicy. */
  readonly name: string;
  /** What follows the policy's name and a dot; empty: this is the only one. */
  readonly suffix: string;
  /** The gateway whose share it is. */
  readonly gateway: string;
  /** Of the policy's rules those with one nodeSelector. */
  readonly rules: readonly PolicyRule[];
  /** The gateway's share of nodes. */
  readonly nodes: NodeSet;
}

/** The parts of a policy, as they are to be. Each node is in the share of exactly one gateway. */
export function partsOf({ name, spec }: Pick<Policy, "name" | "spec">): readonly Part[] {
  const { gateways, selectors } = spec;
  const shares = sharesOf(spec);
  const groups = [...Map.groupBy(selectors, ({ nodeSelector }) => canonical(nodeSelector))];
  return gateways.flatMap(({ name: gateway }, index) =>
    groups.map(([key, rules]): Part => {
      const suffix = [
        ...(gateways.length === 1 ? [] : [gateway]),
        ...(groups.length === 1 ? [] : [bytesToHex(sha256(utf8ToBytes(key))).slice(0, 8)]),
      ].join(".");
      const nodes = shares[index] ?? new Set<string>();
      return { name: partName(name, suffix), suffix, gateway, rules, nodes };
    })
  );
}

/** The share of each gateway, in the order of the list. Nodes without a shard are in the first. */
export function sharesOf({ gateways }: Pick<Policy["spec"], "gateways">): readonly NodeSet[] {
  if (gateways.length === 1) return [EVERY_NODE];
  const owners = ownersOf(gateways);
  return gateways.map((_, index) =>
    new Set([
      ...owners.flatMap((owner, shard) => owner === index ? [String(shard)] : []),
      ...(index === 0 ? [UNLABELLED] : []),
    ])
  );
}

export function partName(policy: string, suffix: string): string {
  return suffix === "" ? policy : `${policy}.${suffix}`;
}

/**
 * The EgressGatewayPolicy that a CiliumEgressGatewayPolicy was made for, by its label or its owner; undefined: it is not of our
 * making. A copy of ours under another name is not.
 */
export function policyOf(made: CiliumPolicy): string | undefined {
  const suffix = made.annotations[PART_ANNOTATION] ?? "";
  return claimedBy(made).find((policy) => partName(policy, suffix) === made.name);
}

/** The policies that label and owners name, whatever its own name is. */
export function claimedBy({ labels, ownerReferences }: CiliumPolicy): readonly string[] {
  const owners = ownerReferences.flatMap((owner) =>
    owner["kind"] === "EgressGatewayPolicy" &&
      String(owner["apiVersion"]).startsWith(`${API_GROUP}/`)
      ? [String(owner["name"])]
      : []
  );
  return [labels[POLICY_LABEL], ...owners].filter((policy) => policy !== undefined);
}

/** A selector as a text that is the same for the same requirements. */
function canonical(selector: LabelSelector | undefined): string {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return [
    ...Object.entries(matchLabels).map(([key, value]) => JSON.stringify([key, "In", [value]])),
    ...matchExpressions.map(({ key, operator, values = [] }) =>
      JSON.stringify([key, operator, [...values].sort(byText)])
    ),
  ].sort(byText).join();
}
