/** What can be understood of a CiliumEgressGatewayPolicy's spec, which others may have written too. */
import { isObject, listOf } from "./json.ts";
import type { CiliumPolicy, Json, LabelRequirement, PolicyRule } from "./types.ts";

type Spec = CiliumPolicy["spec"];

/** Its rules, in order; undefined in place of one that selects we know not whom, since it has something unknown in it. */
export function rulesOf(spec: Spec): readonly (PolicyRule | undefined)[] {
  return listOf(spec["selectors"]).map(ruleOf);
}

/**
 * The rules as Cilium takes them: whatever nodeSelector stands in one counts for all (`policy_parts.ts` has the source). A rule
 * becomes one for each.
 */
export function rulesByNode(
  rules: readonly (PolicyRule | undefined)[],
): readonly (PolicyRule | undefined)[] {
  const selectors = rules.flatMap((rule) => rule?.nodeSelector ?? []);
  if (selectors.length === 0) return rules;
  return rules.flatMap((rule) =>
    rule === undefined ? [rule] : selectors.map((nodeSelector) => ({ ...rule, nodeSelector }))
  );
}

/** The networks of a list of the spec. */
export function networksOf(
  spec: Spec,
  list: "destinationCIDRs" | "excludedCIDRs",
): readonly string[] {
  return textsOf(spec[list]);
}

function ruleOf(rule: Json): PolicyRule | undefined {
  if (!isObject(rule)) return undefined;
  const { podSelector, namespaceSelector, nodeSelector, ...others } = rule;
  if (Object.keys(others).length > 0) return undefined;
  const selectors = [podSelector, namespaceSelector, nodeSelector].map(selectorOf);
  if (selectors.includes(undefined)) return undefined;
  const [pods, namespaces, nodes] = selectors;
  return {
    ...(podSelector === undefined ? {} : { podSelector: pods ?? {} }),
    ...(namespaceSelector === undefined ? {} : { namespaceSelector: namespaces ?? {} }),
    ...(nodeSelector === undefined ? {} : { nodeSelector: nodes ?? {} }),
  };
}

function selectorOf(selector: Json | undefined): PolicyRule["podSelector"] | undefined {
  if (selector === undefined) return {};
  if (!isObject(selector)) return undefined;
  const { matchLabels = {}, matchExpressions = [], ...others } = selector;
  if (!isObject(matchLabels) || Object.keys(others).length > 0) return undefined;
  const labels = Object.entries(matchLabels);
  const expressions = listOf(matchExpressions).map(expressionOf);
  if (labels.some(([, value]) => typeof value !== "string")) return undefined;
  if (expressions.includes(undefined)) return undefined;
  return {
    matchLabels: Object.fromEntries(labels.map(([key, value]) => [key, String(value)])),
    matchExpressions: expressions.filter((each) => each !== undefined),
  };
}

const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"] as const;

function expressionOf(expression: Json): LabelRequirement | undefined {
  if (!isObject(expression)) return undefined;
  const { key, operator, values } = expression;
  const known = OPERATORS.find((each) => each === operator);
  return typeof key !== "string" || known === undefined
    ? undefined
    : { key, operator: known, values: textsOf(values) };
}

function textsOf(value: Json | undefined): readonly string[] {
  return listOf(value).filter((each) => typeof each === "string");
}
