/**
 * What a policy may expect of a gateway that serves some namespaces only, as far as the selectors alone tell. This is for
 * people: what is enforced is in `allowed_namespaces.ts` and does not depend on it.
 */
import { type Requirements, requirementsOf, waysToBeAllowed } from "./allowed_namespaces.ts";
import { contradicts, domainsOf, implies } from "./label_domains.ts";
import type { Domains } from "./label_domains.ts";
import { listed } from "./listed.ts";
import { POD_NAMESPACE_LABEL } from "./names.ts";
import { byText } from "./order.ts";
import type { AllowedNamespaces, PolicyRule } from "./types.ts";

export interface Reach {
  /** `Outside`: no rule selects a pod that is allowed. `Within`: all rules select such pods only. */
  readonly verdict: "Within" | "Partly" | "Outside";
  /** What the gateway serves, as `namespaces a, b`. */
  readonly served: string;
  /** What the policy asks for and does not get, as `namespace c (selectors[1])`; empty where the selectors name nothing. */
  readonly refused: string;
}

/** Undefined: the gateway serves all namespaces. */
export function reachOf(
  rules: readonly PolicyRule[],
  allowed: AllowedNamespaces | undefined,
): Reach | undefined {
  if (allowed === undefined) return undefined;
  const ways = waysToBeAllowed(allowed);
  const asked = rules.map((rule) => domainsOf(requirementsOf(rule)));
  const verdicts = asked.map((domains) => ({
    outside: ways.every((way) => contradicts(domains, way)),
    within: ways.some((way) => implies(domains, way)),
  }));
  const verdict = verdicts.every(({ outside }) => outside)
    ? "Outside"
    : verdicts.every(({ within }) => within)
    ? "Within"
    : "Partly";
  const refused = asked.flatMap((domains, index) => {
    const names = refusedNames(domains, ways);
    const which = `selectors[${index}]`;
    if (names.length > 0) return [`${counted(names)} (${which})`];
    return verdicts[index]?.outside ? [`the pods of ${which}`] : [];
  });
  return { verdict, served: servedBy(allowed), refused: listed(refused) };
}

/** The namespaces that a rule names and that no way allows. */
function refusedNames(domains: Domains, ways: readonly Requirements[]): readonly string[] {
  const names = domains.get(POD_NAMESPACE_LABEL)?.values ?? [];
  return names.filter((name) => {
    const one = new Map(domains).set(POD_NAMESPACE_LABEL, { values: [name], without: [] });
    return ways.every((way) => contradicts(one, way));
  });
}

function servedBy({ names, selector }: AllowedNamespaces): string {
  const labels = selector === undefined ? [] : [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`),
    ...(selector.matchExpressions ?? []).map(({ key, operator, values = [] }) =>
      [key, operator, ...(values.length === 0 ? [] : [`(${listed(values)})`])].join(" ")
    ),
  ].sort(byText);
  const parts = [
    ...(names.length === 0 ? [] : [counted([...names].sort(byText))]),
    ...(selector === undefined ? [] : [
      labels.length === 0 ? "every namespace" : `namespaces with ${listed(labels)}`,
    ]),
  ];
  return parts.join(" and ");
}

function counted(names: readonly string[]): string {
  return `${names.length === 1 ? "namespace" : "namespaces"} ${listed(names)}`;
}
