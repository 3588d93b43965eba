import type { Change, GatewayPlan, Plan, PolicyPlan } from "../core/types.ts";

/** What a tick came to, as `POST /tick` needs it. */
export interface TickOutcome {
  readonly plan: Plan;
  /** One sentence for each change that could not be written; empty after a dry run. */
  readonly errors: readonly string[];
}

/** The answer of `POST /tick`: the plan without candidates and without the bodies of its changes. */
export interface TickSummary {
  readonly dryRun: boolean;
  readonly gateways: readonly Omit<GatewayPlan, "candidates">[];
  readonly policies: readonly PolicyPlan[];
  readonly changes: readonly Pick<Change, "action" | "kind" | "name" | "subresource">[];
  readonly warnings: readonly string[];
  readonly heartbeatsIgnored: boolean;
  readonly errors: readonly string[];
}

export function tickSummary({ plan, errors }: TickOutcome, dryRun: boolean): TickSummary {
  return {
    dryRun,
    gateways: plan.gateways.map(({ candidates: _, ...gateway }) => gateway),
    policies: plan.policies,
    changes: plan.changes.map(({ action, kind, name, subresource }) => ({
      action,
      kind,
      name,
      ...(subresource === undefined ? {} : { subresource }),
    })),
    warnings: plan.warnings,
    heartbeatsIgnored: plan.heartbeatsIgnored,
    errors,
  };
}
