import type { LabelRequirement, Labels, Node } from "./types.ts";

/** Tells whether all labels of the selector are there with the same value; an empty selector matches every node. */
export function matchesLabels(labels: Labels, selector: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/** Tells whether the value of a label is there and cannot be read; `*` stands for every key. */
export function isUnread(key: string, unreadLabels: readonly string[]): boolean {
  return unreadLabels.includes(key) || unreadLabels.includes("*");
}

/** Tells whether a node is selected, or would be by labels that cannot be read. */
export function mayMatch(
  { labels, unreadLabels = [] }: Pick<Node, "labels" | "unreadLabels">,
  selector: Labels,
): boolean {
  return Object.entries(selector).every(([key, value]) =>
    labels[key] === value || isUnread(key, unreadLabels)
  );
}

/** Tells whether labels meet a requirement, as Kubernetes reads it: `NotIn` holds where the label is absent. */
export function meetsRequirement(
  labels: Labels,
  { key, operator, values = [] }: LabelRequirement,
): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}
