/**
 * Which nodes a tick has to look at: those that gateways' selectors match, those that carry our label, and, where a policy is
 * spread over several gateways, those that have no shard yet. A tick then costs what its gateways cost, not what the cluster
 * costs.
 */
import { MEMBER_LABEL, SHARD_LABEL } from "../core/names.ts";
import { areSameIPs, egressIPsOf, virtualIPsOf } from "../core/reports.ts";
import { isSpread } from "../core/shards.ts";
import { SHARDS } from "../core/shares.ts";
import type { Gateway, Policy } from "../core/types.ts";

/**
 * - `every`: the whole cluster. An empty selector means that, and so does a virtual IP that nobody serves yet: before its
 *   first holder it is looked for among the addresses of every node.
 * - `labelSelectors`: the union of these, in the API server's words.
 */
export type NodeScope =
  | { readonly every: true }
  | { readonly every: false; readonly labelSelectors: readonly string[] };

/** Nodes without a shard: the label is missing, or says what is none. */
export const WITHOUT_SHARD = `${SHARD_LABEL} notin (${
  Array.from({ length: SHARDS }, (_, shard) => shard).join()
})`;

/** Values that one selector lists; a URL has room for far more. */
const VALUES = 100;

/**
 * The nodes that an election of these gateways looks at. Gateways that select by the same keys share a selector, so that
 * hundreds of them cost a few requests; what it matches beyond them is no candidate and does no harm.
 */
export function nodeScope(
  gateways: readonly Gateway[],
  policies: readonly Policy[] = [],
): NodeScope {
  const selectors = gateways.map(({ spec }) => Object.entries(spec.nodeSelector).sort());
  if (gateways.some(isUnsettled) || selectors.some((selector) => selector.length === 0)) {
    return { every: true };
  }
  const groups = [
    ...Map.groupBy(selectors, (selector) => JSON.stringify(selector.map(([key]) => key))).values(),
  ];
  return {
    every: false,
    labelSelectors: [
      membersBeside(groups),
      ...(policies.some(isSpread) ? [WITHOUT_SHARD] : []),
      ...groups.flatMap(selectorsOfGroup),
    ].sort(),
  };
}

/** Tells whether what was listed for one scope has all that another needs. */
export function covers(listed: NodeScope, needed: NodeScope): boolean {
  return listed.every ||
    (!needed.every &&
      needed.labelSelectors.every((selector) => listed.labelSelectors.includes(selector)));
}

/** A virtual IP whose first holder is not found yet, or that some node disputes. */
function isUnsettled(gateway: Gateway): boolean {
  const ips = virtualIPsOf(gateway);
  const { phase, conditions = [] } = gateway.status;
  if (ips.length === 0) return false;
  return phase === undefined || phase === "Idle" ||
    !areSameIPs(egressIPsOf(gateway.status), ips) ||
    conditions.some(({ type, status }) => type === "AddressConflict" && status === "True");
}

type Group = readonly (readonly (readonly [string, string])[])[];

/** Nodes with our label that the selectors of one key do not match anyway: most of them would be listed twice. */
function membersBeside(groups: readonly Group[]): string {
  const matched = groups.flatMap((group) => {
    const [[key] = []] = group[0] ?? [];
    const values = valuesOf(group, 0);
    const isSingle = group[0]?.length === 1 && values.length <= VALUES;
    return key !== undefined && isSingle ? [others(key, values)] : [];
  });
  return [MEMBER_LABEL, ...matched.sort()].join(",");
}

function valuesOf(group: Group, index: number): readonly string[] {
  return [...new Set(group.map((selector) => selector[index]?.[1] ?? ""))].sort();
}

/** Selectors with the same keys as `key in (value, …)`: the first key in portions, the others with all their values. */
function selectorsOfGroup(group: Group): readonly string[] {
  const [first = [], ...rest] = (group[0] ?? []).map(([key], index) =>
    [key, valuesOf(group, index)] as const
  );
  const [key = "", values = []] = first;
  const others = rest.map(([name, all]) => requirement(name, all));
  return requirementsInPortions(key, values).map((portion) => [portion, ...others].join(","));
}

/** `key in (value, …)`, as often as it takes for selectors that fit into a URL. */
export function requirementsInPortions(
  key: string,
  values: readonly string[],
): readonly string[] {
  return Array.from(
    { length: Math.ceil(values.length / VALUES) },
    (_, index) => requirement(key, values.slice(index * VALUES, (index + 1) * VALUES)),
  );
}

function requirement(key: string, values: readonly string[]): string {
  return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(",")})`;
}

function others(key: string, values: readonly string[]): string {
  return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join(",")})`;
}
