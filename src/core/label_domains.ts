/** What requirements on labels leave possible, label by label: whether they contradict or imply others. */
import type { Requirements } from "./allowed_namespaces.ts";
import { NAMESPACE_LABELS_PREFIX, NAMESPACE_NAME_LABEL, POD_NAMESPACE_LABEL } from "./names.ts";
import { byText } from "./order.ts";
import type { LabelRequirement } from "./types.ts";

/** The values that a label of a selected pod may have. */
export interface Domain {
  /** Undefined: any but `without`, or none. */
  readonly values?: readonly string[];
  readonly without: readonly string[];
  readonly present?: boolean;
  readonly absent?: boolean;
}

/** Label -> its domain; a label that is not there may have any value, or none. */
export type Domains = ReadonlyMap<string, Domain>;

/** A namespace's name is told by two labels, of which Kubernetes and Cilium keep the value. */
export function canonicalKey(key: string): string {
  return key === NAMESPACE_LABELS_PREFIX + NAMESPACE_NAME_LABEL ? POD_NAMESPACE_LABEL : key;
}

export function domainsOf(requirements: Requirements): Domains {
  const domains = new Map<string, Domain>([[POD_NAMESPACE_LABEL, { without: [], present: true }]]);
  for (const requirement of requirements) {
    const key = canonicalKey(requirement.key);
    domains.set(key, narrowed(domains.get(key) ?? { without: [] }, requirement));
  }
  return domains;
}

function narrowed(domain: Domain, { operator, values = [] }: LabelRequirement): Domain {
  switch (operator) {
    case "In": {
      const kept = domain.values ?? [...values].sort(byText);
      return {
        ...domain,
        present: true,
        values: kept.filter((value) => values.includes(value) && !domain.without.includes(value)),
      };
    }
    case "NotIn":
      return {
        ...domain,
        without: [...domain.without, ...values],
        ...(domain.values === undefined
          ? {}
          : { values: domain.values.filter((value) => !values.includes(value)) }),
      };
    case "Exists":
      return { ...domain, present: true };
    case "DoesNotExist":
      return { ...domain, absent: true };
  }
}

/** No pod can meet both. */
export function contradicts(domains: Domains, way: Requirements): boolean {
  const both = new Map(domains);
  for (const requirement of way) {
    const key = canonicalKey(requirement.key);
    both.set(key, narrowed(both.get(key) ?? { without: [] }, requirement));
  }
  return isContradictory(both);
}

/** No pod can be of these domains. */
export function isContradictory(domains: Domains): boolean {
  return [...domains.values()].some(({ values, present, absent }) =>
    values?.length === 0 || present === true && absent === true
  );
}

/** Every pod of these domains meets the requirements. */
export function implies(domains: Domains, way: Requirements): boolean {
  return way.every(({ key, operator, values = [] }) => {
    const { values: own, without = [], present, absent } = domains.get(canonicalKey(key)) ?? {};
    switch (operator) {
      case "In":
        return own !== undefined && own.every((value) => values.includes(value));
      case "NotIn":
        return absent === true ||
          values.every((value) => without.includes(value) || own?.includes(value) === false);
      case "Exists":
        return present === true;
      case "DoesNotExist":
        return absent === true;
    }
  });
}
