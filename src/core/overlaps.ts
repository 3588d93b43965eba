/**
 * Policies that send the same pods to the same destinations by different ways. Which one Cilium obeys is not defined, so
 * both are told. Said only where the selectors leave no doubt: one of two rules selects all that the other does.
 */
import { limitRules, nodeRequirementsOf, requirementsOf } from "./allowed_namespaces.ts";
import type { Requirements } from "./allowed_namespaces.ts";
import { addressesOf, intersects } from "./cidrs.ts";
import type { AddressSet } from "./cidrs.ts";
import { isOurs } from "./adoption.ts";
import { networksOf, rulesByNode, rulesOf } from "./cilium_spec.ts";
import { canonicalKey, domainsOf, implies, isContradictory } from "./label_domains.ts";
import type { Domains } from "./label_domains.ts";
import { once } from "./once.ts";
import { byText } from "./order.ts";
import type { CiliumPolicy, Policy, PolicyRule, Snapshot } from "./types.ts";

/** A policy as far as overlaps go. */
interface Claim {
  /** Name of the EgressGatewayPolicy; undefined: a CiliumEgressGatewayPolicy of somebody else. */
  readonly policy: string | undefined;
  readonly what: string;
  /** Traffic of two claims by one way is no conflict. */
  readonly way: string;
  readonly rules: readonly { readonly requirements: Requirements; readonly domains: Domains }[];
  /** Worked out when it is asked for: few policies share pods with others. */
  readonly destinations: () => AddressSet;
}

/** Policy -> what it overlaps with, as `EgressGatewayPolicy 'p2' (gateway g2)`, sorted; only policies that do. */
export function findOverlaps(
  { gateways, policies, ciliumPolicies }: Pick<
    Snapshot,
    "gateways" | "policies" | "ciliumPolicies"
  >,
): ReadonlyMap<string, readonly string[]> {
  const allowed = new Map(gateways.map(({ name, spec }) => [name, spec.allowedNamespaces]));
  const claims = [
    ...policies.filter(({ deleting }) => !deleting).map(({ name, spec }): Claim => ({
      policy: name,
      what: `EgressGatewayPolicy '${name}' (${gatewaysIn(spec)})`,
      way: wayOf(spec),
      rules: spec.gateways.flatMap((gateway) =>
        limitRules(spec.selectors, allowed.get(gateway.name)).map(ruleOf)
      ).filter(({ domains }) => !isContradictory(domains)),
      destinations: once(() =>
        addressesOf(spec.destinationCIDRs, { excluded: spec.excludedCIDRs })
      ),
    })),
    ...ciliumPolicies.filter((policy) => !isOurs(policy) && !policy.deleting).map(foreignClaim),
  ];
  const found = new Map<string, Set<string>>();
  const note = ({ policy }: Claim, { what }: Claim) => {
    if (policy === undefined) return;
    found.set(policy, (found.get(policy) ?? new Set()).add(what));
  };
  for (const [broad, narrow] of candidatePairs(claims)) {
    if (!intersects(broad.destinations(), narrow.destinations())) continue;
    note(broad, narrow);
    note(narrow, broad);
  }
  return new Map([...found].map(([policy, whats]) => [policy, [...whats].sort(byText)]));
}

/**
 * Pairs of claims of which a rule of the first selects all pods of a rule of the second. A rule that requires values is
 * looked up by the rarest of these: the other has to require it too.
 */
function* candidatePairs(claims: readonly Claim[]): Iterable<readonly [Claim, Claim]> {
  const entries = claims.flatMap((claim) =>
    claim.rules.map(({ requirements }) => ({
      claim,
      requirements,
      required: requirements.flatMap(({ key, operator, values = [] }) =>
        operator === "In" && values.length === 1 ? [`${canonicalKey(key)}=${values[0]}`] : []
      ),
    }))
  );
  const counts = new Map<string, number>();
  for (const each of entries.flatMap(({ required }) => required)) {
    counts.set(each, (counts.get(each) ?? 0) + 1);
  }
  const rarest = (required: readonly string[]) =>
    required.toSorted((a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0))[0];
  const byValue = Map.groupBy(entries, ({ required }) => rarest(required));
  const anything = byValue.get(undefined) ?? [];
  for (const narrow of claims) {
    for (const { domains } of narrow.rules) {
      const groups = [anything];
      for (const [key, { values = [] }] of domains) {
        for (const value of values) groups.push(byValue.get(`${key}=${value}`) ?? []);
      }
      for (const broad of groups.flat()) {
        if (broad.claim.way !== narrow.way && implies(domains, broad.requirements)) {
          yield [broad.claim, narrow];
        }
      }
    }
  }
}

function gatewaysIn({ gateways }: Policy["spec"]): string {
  const names = gateways.map(({ name }) => name).join(", ");
  return `${gateways.length === 1 ? "gateway" : "gateways"} ${names}`;
}

/** Policies with the same gateways send the same pods the same way, also while another stands in. */
function wayOf({ gateways, fallback }: Policy["spec"]): string {
  const names = gateways.map(({ name, weight }) => [name, weight]);
  return `gateways/${JSON.stringify([names, fallback ?? null])}`;
}

/** Keys of nodes' labels are marked by a colon, which no label key has. */
function ruleOf(rule: PolicyRule): Claim["rules"][number] {
  const ofNode = nodeRequirementsOf(rule).map((each) => ({ ...each, key: `node:${each.key}` }));
  const requirements = [...requirementsOf(rule), ...ofNode];
  return { requirements, domains: domainsOf(requirements) };
}

/** What can be understood of a policy that is not ours. */
function foreignClaim({ name, spec }: CiliumPolicy): Claim {
  return {
    policy: undefined,
    what: `CiliumEgressGatewayPolicy '${name}'`,
    way: `cilium/${name}`,
    rules: rulesByNode(rulesOf(spec)).flatMap((rule) => rule ?? []).map(ruleOf),
    destinations: once(() =>
      addressesOf(networksOf(spec, "destinationCIDRs"), {
        excluded: networksOf(spec, "excludedCIDRs"),
      })
    ),
  };
}
