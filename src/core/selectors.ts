import type { Labels } from "./types.ts";

/** Tells whether all labels of the selector are there with the same value; an empty selector matches every node. */
export function matchesLabels(labels: Labels, selector: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
