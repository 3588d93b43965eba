/**
 * The CiliumEgressGatewayPolicies that one EgressGatewayPolicy becomes: one of its own name, or several, each named
 * `POLICY.PART`; where it has destinations of both families, those of IPv6 are `POLICY-ipv6` and `POLICY-ipv6.PART`.
 *
 * One for each family, since Cilium takes one `egressIP` for each: beside it, destinations of the other family leave by whatever
 * address the interface has, and where that has none, the policy as a whole is not carried out (cilium issue 48660).
 *
 * Several, since Cilium knows one gateway for each (its `egressGateways` moves most pods when one gateway moves), and since
 * it takes the nodeSelectors of all rules together: a pod is selected when some rule's podSelector selects it and some
 * rule's nodeSelector selects its node (1.18 to 1.20, updateMatchedEndpointIDs in pkg/egressgateway/policy.go).
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { API_GROUP, PART_ANNOTATION, POLICY_LABEL } from "./names.ts";
import { FAMILIES, familyOf } from "./ip_family.ts";
import type { Family } from "./ip_family.ts";
import { EVERY_NODE, UNLABELLED } from "./node_set.ts";
import type { NodeSet } from "./node_set.ts";
import { byText } from "./order.ts";
import { ownersOf } from "./shares.ts";
import type { CiliumPolicy, LabelSelector, Policy, PolicyRule } from "./types.ts";

export interface Part {
  /** Of the CiliumEgressGatewayPolicy. */
  readonly name: string;
  /** What follows the policy's name and a dot, or a dash where it begins with `ipv6`; empty: its name is the policy's. */
  readonly suffix: string;
  /** The gateway whose share it is. */
  readonly gateway: string;
  /** Of the policy's rules those with one nodeSelector. */
  readonly rules: readonly PolicyRule[];
  /** The gateway's share of nodes. */
  readonly nodes: NodeSet;
  readonly family: Family;
  /** Of the policy's destinations those of the family. */
  readonly destinationCIDRs: readonly string[];
  readonly excludedCIDRs: readonly string[];
}

/** The parts of a policy, as they are to be. Each node is in the share of exactly one gateway. */
export function partsOf({ name, spec }: Pick<Policy, "name" | "spec">): readonly Part[] {
  const { gateways, selectors } = spec;
  const shares = sharesOf(spec);
  const families = familiesOf(spec.destinationCIDRs);
  const groups = [...Map.groupBy(selectors, ({ nodeSelector }) => canonical(nodeSelector))];
  const ofFamily = (networks: readonly string[], family: Family) =>
    networks.filter((network) => familyOf(network) === family);
  return families.flatMap((family) =>
    gateways.flatMap(({ name: gateway }, index) =>
      groups.map(([key, rules]): Part => {
        const suffix = [
          ...(families.length > 1 && family === 6 ? [IPV6] : []),
          ...(gateways.length === 1 ? [] : [gateway]),
          ...(groups.length === 1 ? [] : [bytesToHex(sha256(utf8ToBytes(key))).slice(0, 8)]),
        ].join(".");
        return {
          name: families.length > 1 && family === 6 ? `${name}-${suffix}` : partName(name, suffix),
          suffix,
          gateway,
          rules,
          nodes: shares[index] ?? new Set<string>(),
          family,
          destinationCIDRs: ofFamily(spec.destinationCIDRs, family),
          excludedCIDRs: ofFamily(spec.excludedCIDRs, family),
        };
      })
    )
  );
}

/** Marks parts that are of IPv6 beside others of IPv4. */
const IPV6 = "ipv6";

/** The families of some networks, IPv4 first. */
export function familiesOf(networks: readonly string[]): readonly Family[] {
  return FAMILIES.filter((family) => networks.some((network) => familyOf(network) === family));
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

function partName(policy: string, suffix: string): string {
  return suffix === "" ? policy : `${policy}.${suffix}`;
}

function isOfIPv6(suffix: string): boolean {
  return suffix === IPV6 || suffix.startsWith(`${IPV6}.`);
}

/**
 * The EgressGatewayPolicy that a CiliumEgressGatewayPolicy was made for, by its label or its owner; undefined: it is not of our
 * making. A copy of ours under another name is not.
 */
export function policyOf(made: CiliumPolicy): string | undefined {
  const suffix = made.annotations[PART_ANNOTATION] ?? "";
  const isNamedAfter = (policy: string) =>
    partName(policy, suffix) === made.name ||
    isOfIPv6(suffix) && `${policy}-${suffix}` === made.name;
  // Nearly always its label tells.
  const labelled = made.labels[POLICY_LABEL];
  return labelled !== undefined && isNamedAfter(labelled)
    ? labelled
    : claimedBy(made).find(isNamedAfter);
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
  if (selector === undefined) return "";
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return [
    ...Object.entries(matchLabels).map(([key, value]) => JSON.stringify([key, "In", [value]])),
    ...matchExpressions.map(({ key, operator, values = [] }) =>
      JSON.stringify([key, operator, [...values].sort(byText)])
    ),
  ].sort(byText).join();
}
