/** Short ways to ask a plan. All throw where the plan has no such thing. */
import type {
  Candidate,
  Change,
  Condition,
  GatewayPlan,
  GatewayStatus,
  JsonObject,
  Plan,
  ReasonType,
  Snapshot,
} from "../../src/core/types.ts";
import { applyPlan } from "./apply_plan.ts";

export function gatewayPlan(plan: Plan, name = "gw"): GatewayPlan {
  return found(plan.gateways.find((gateway) => gateway.name === name), `gateway '${name}'`);
}

export function candidate(plan: Plan, node: string, gateway = "gw"): Candidate {
  const { candidates } = gatewayPlan(plan, gateway);
  return found(candidates.find((each) => each.node === node), `candidate '${node}'`);
}

/** Types of the reasons about a candidate, in the plan's order. */
export function reasonTypes(plan: Plan, node: string): readonly ReasonType[] {
  return candidate(plan, node).reasons.map(({ type }) => type);
}

/** A policy's condition, as the plan would leave it. */
export function policyCondition(plan: Plan, policy: string, type: string): Condition {
  const { conditions } = found(plan.policies.find(({ name }) => name === policy), policy);
  return found(conditions.find((condition) => condition.type === type), `condition ${type}`);
}

/** The status that a gateway has once the plan is applied. */
export function statusAfter(before: Snapshot, plan: Plan, name = "gw"): GatewayStatus {
  const { gateways } = applyPlan(before, plan);
  return found(gateways.find((gateway) => gateway.name === name), `gateway '${name}'`).status;
}

/** A gateway's condition once the plan is applied. */
export function gatewayCondition(
  before: Snapshot,
  plan: Plan,
  type: string,
  name = "gw",
): Condition {
  const { conditions } = statusAfter(before, plan, name);
  return found(conditions?.find((condition) => condition.type === type), `condition ${type}`);
}

/** `action Kind/name` of each change, in the order of writing. */
export function writes(plan: Plan): readonly string[] {
  return plan.changes.map(({ action, kind, name }) => `${action} ${kind}/${name}`);
}

/** The body of the only change of this kind and name. */
export function bodyOf(plan: Plan, kind: Change["kind"], name: string): JsonObject {
  const bodies = plan.changes.filter((change) => change.kind === kind && change.name === name);
  if (bodies.length > 1) throw new Error(`${kind} '${name}' is written ${bodies.length} times`);
  return found(bodies[0], `change of ${kind} '${name}'`).body;
}

/** `spec.egressGateway` of a CiliumEgressGatewayPolicy once the plan is applied. */
export function egressGateway(before: Snapshot, plan: Plan, name: string): unknown {
  const { ciliumPolicies } = applyPlan(before, plan);
  return found(ciliumPolicies.find((policy) => policy.name === name), name).spec["egressGateway"];
}

export function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`There is no ${what}`);
  return value;
}
