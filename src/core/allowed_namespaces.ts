/**
 * `EgressGateway.spec.allowedNamespaces`, as Cilium enforces it: each rule that Cilium is told carries the requirement that
 * the pod's namespace is an allowed one, whatever the policy's own selectors say.
 *
 * How Cilium reads a rule (1.18 to 1.20, ParseCEGP in pkg/egressgateway/policy.go): podSelector and namespaceSelector become one
 * list of requirements, all of which must hold. Labels of `matchLabels` are a map, in which a key of the podSelector replaces
 * the same key of the namespaceSelector; `matchExpressions` are appended and cannot be replaced. So the requirement is an
 * expression. It is one of the podSelector, since up to 1.19 Cilium changes a namespaceSelector each time that it reads it.
 *
 * A pod cannot choose these labels: Cilium removes them from its own and sets them from its namespace (SanitizePodLabels).
 */
import { NAMESPACE_LABELS_PREFIX, POD_NAMESPACE_LABEL } from "./names.ts";
import type { AllowedNamespaces, LabelRequirement, LabelSelector, PolicyRule } from "./types.ts";

/** Requirements on a pod that must all hold. */
export type Requirements = readonly LabelRequirement[];

/** The rules to tell Cilium. A rule becomes one for each way to be allowed: by name, by the namespace's labels. */
export function limitRules(
  rules: readonly PolicyRule[],
  allowed: AllowedNamespaces | undefined,
): readonly PolicyRule[] {
  if (allowed === undefined) return rules;
  const ways = waysToBeAllowed(allowed);
  return rules.flatMap((rule) => ways.map((way) => limitRule(rule, way)));
}

/** A pod is allowed when all requirements of one way hold. No way: none is. */
export function waysToBeAllowed({ names, selector }: AllowedNamespaces): readonly Requirements[] {
  return [
    ...(names.length === 0
      ? []
      : [[{ key: POD_NAMESPACE_LABEL, operator: "In" as const, values: [...names].sort() }]]),
    ...(selector === undefined ? [] : [namespaceRequirements(selector)]),
  ];
}

/** A selector of namespaces as requirements on their pods. */
export function namespaceRequirements(
  { matchLabels, matchExpressions }: LabelSelector,
): Requirements {
  const pairs = Object.entries(matchLabels ?? {}).sort(([a], [b]) => a < b ? -1 : 1);
  return [
    ...pairs.map(([key, value]): LabelRequirement => ({ key, operator: "In", values: [value] })),
    ...matchExpressions ?? [],
  ].map((requirement) => ({ ...requirement, key: NAMESPACE_LABELS_PREFIX + requirement.key }));
}

function limitRule(rule: PolicyRule, way: Requirements): PolicyRule {
  if (way.length === 0) return rule;
  const { podSelector } = rule;
  return {
    ...rule,
    podSelector: {
      ...podSelector,
      matchExpressions: [...podSelector?.matchExpressions ?? [], ...way],
    },
  };
}

/** A rule as Cilium reads it: a key of the podSelector's labels replaces the same key of the namespaceSelector's. */
export function requirementsOf({ podSelector, namespaceSelector }: PolicyRule): Requirements {
  if (namespaceSelector === undefined) return labelRequirements(podSelector);
  const prefixed = namespaceRequirements(namespaceSelector);
  const own = namespaceRequirements({ matchLabels: namespaceSelector.matchLabels ?? {} });
  const replaced = new Set(Object.keys(podSelector?.matchLabels ?? {}));
  return [
    ...prefixed.slice(0, own.length).filter(({ key }) => !replaced.has(key)),
    ...prefixed.slice(own.length),
    ...labelRequirements(podSelector),
  ];
}

/** What a rule requires of the pod's node. */
export function nodeRequirementsOf({ nodeSelector }: PolicyRule): Requirements {
  return labelRequirements(nodeSelector);
}

function labelRequirements(selector: LabelSelector | undefined): Requirements {
  return [
    ...Object.entries(selector?.matchLabels ?? {}).map(([key, value]): LabelRequirement => ({
      key,
      operator: "In",
      values: [value],
    })),
    ...selector?.matchExpressions ?? [],
  ];
}
