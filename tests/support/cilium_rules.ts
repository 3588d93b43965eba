/**
 * Which pods a CiliumEgressGatewayPolicy selects, as Cilium has it (ParseCEGP, SanitizePodLabels, MatchesRequirement; 1.20.2).
 * Written from Cilium's source and not from ours, so that tests can hold one against the other.
 */
import type { JsonObject, Labels } from "../../src/core/types.ts";

export interface SomePod {
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  /** As its author wrote them, with whatever they would like Cilium to believe. */
  readonly labels: Labels;
}

interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly Requirement[];
}

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

interface Rule {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly nodeSelector?: Selector;
}

/**
 * A pod is selected when one rule does it, and its node by the nodeSelector of whichever rule, where there is one
 * (updateMatchedEndpointIDs).
 *
 * @param node the labels of the pod's node, as its CiliumNode has them; none where there is no such CiliumNode
 */
export function ciliumSelects(spec: JsonObject, pod: SomePod, node: Labels = {}): boolean {
  const labels = identityLabels(pod);
  const rules = spec["selectors"] as unknown as readonly Rule[];
  const nodes = rules.flatMap(({ nodeSelector }) => nodeSelector ?? []);
  const ofNode = new Map(Object.entries(node));
  return rules.some((rule) => requirementsOf(rule).every((one) => isMet(one, labels))) &&
    (nodes.length === 0 ||
      nodes.some((selector) =>
        requirementsOf({ podSelector: selector }).every((one) => isMet(one, ofNode))
      ));
}

function identityLabels(
  { namespace, namespaceLabels, labels }: SomePod,
): ReadonlyMap<string, string> {
  const identity = new Map<string, string>();
  for (const [key, value] of Object.entries(labels)) {
    if (!key.startsWith("io.cilium.k8s")) identity.set(key, value);
  }
  const ofNamespace = { ...namespaceLabels, "kubernetes.io/metadata.name": namespace };
  for (const [key, value] of Object.entries(ofNamespace)) {
    identity.set(`io.cilium.k8s.namespace.labels.${key}`, value);
  }
  return identity.set("io.kubernetes.pod.namespace", namespace);
}

function requirementsOf({ podSelector, namespaceSelector }: Rule): readonly Requirement[] {
  if (podSelector === undefined && namespaceSelector === undefined) {
    throw new Error("Cilium refuses a rule without selectors");
  }
  const equal = new Map<string, string>();
  const expressions: Requirement[] = [];
  const add = (selector: Selector, prefix: string) => {
    for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
      equal.set(prefix + key, value);
    }
    for (const requirement of selector.matchExpressions ?? []) {
      expressions.push({ ...requirement, key: prefix + requirement.key });
    }
  };
  // The pod's come second, and replace what has the same key.
  if (namespaceSelector !== undefined) add(namespaceSelector, "io.cilium.k8s.namespace.labels.");
  if (podSelector !== undefined) add(podSelector, "");
  return [
    ...[...equal].map(([key, value]) => ({ key, operator: "In", values: [value] })),
    ...expressions,
  ];
}

function isMet(
  { key, operator, values = [] }: Requirement,
  labels: ReadonlyMap<string, string>,
): boolean {
  const value = labels.get(key);
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      // Cilium passes over an operator that it does not know.
      return true;
  }
}
