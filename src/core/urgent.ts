/**
 * What of a plan traffic waits for: a gateway's status, its fences, its policies at Cilium. A resident controller writes that
 * before it lists the cluster; all else is left to the next whole tick, and so is whatever takes away or looks at more than
 * these objects.
 */
import type { Change, Plan, Snapshot } from "./types.ts";

/** Of more nodes than these a whole listing costs less. */
const MOST_NODES = 6;

/** The changes of these gateways, and what they rest on. */
export interface Urgent {
  readonly changes: readonly Change[];
  readonly nodes: readonly string[];
  readonly policies: readonly string[];
}

/** What of a plan traffic waits for; undefined: nothing, or so much that a listing costs less. */
export function urgentPart(plan: Plan, { gateways, policies }: Snapshot): Urgent | undefined {
  const groups = Map.groupBy(plan.changes, ({ group }) => group);
  const moving = gateways.filter(({ name, status }) => {
    const changes = groups.get(name) ?? [];
    // A first holder is no takeover, and its virtual IP is looked for on every node.
    return status.activeNodeName !== undefined && changes.length > 0 &&
      changes.every(({ action }) => action !== "delete");
  });
  const names = new Set(moving.map(({ name }) => name));
  const nodes = new Set(
    moving.flatMap(({ name, status }) => [
      status.activeNodeName,
      status.lastFailover?.from,
      plan.gateways.find((planned) => planned.name === name)?.activeNodeName,
    ]).filter((node) => node !== undefined && node !== null),
  );
  if (names.size === 0 || nodes.size > MOST_NODES) return undefined;
  return {
    changes: plan.changes.filter(({ group }) => names.has(group)),
    nodes: [...nodes],
    policies: policies.filter(({ spec }) =>
      spec.gateways.some(({ name }) => names.has(name)) ||
      (spec.fallback !== undefined && names.has(spec.fallback))
    ).map(({ name }) => name),
  };
}

/** Tells whether what was read anew for one is all that another rests on. */
export function isWithin(urgent: Urgent, read: Urgent): boolean {
  return urgent.nodes.every((node) => read.nodes.includes(node)) &&
    urgent.policies.every((policy) => read.policies.includes(policy));
}
