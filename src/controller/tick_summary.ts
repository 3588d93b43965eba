import type { Change, GatewayPlan, PolicyPlan } from "../core/types.ts";
import type { ChangeResult } from "../cluster/apply.ts";
import type { TickResult } from "./tick.ts";

/** What `POST /tick` needs of a tick. */
export type TickOutcome = Pick<TickResult, "plan" | "results" | "problems" | "settled">;

/** The answer of `POST /tick`: the plan without candidates, conditions and the bodies of its changes. */
export interface TickSummary {
  readonly dryRun: boolean;
  readonly gateways: readonly Omit<GatewayPlan, "candidates" | "conditions">[];
  readonly policies: readonly PolicyPlan[];
  readonly changes: readonly ChangeSummary[];
  readonly warnings: readonly string[];
  readonly problems: readonly string[];
  readonly heartbeatsIgnored: boolean;
  readonly settled: boolean;
}

export interface ChangeSummary extends Pick<Change, "action" | "kind" | "name" | "subresource"> {
  /** `planned` in a dry run. */
  readonly result: ChangeResult["result"] | "planned";
}

export function tickSummary(outcome: TickOutcome, dryRun: boolean): TickSummary {
  const { plan, results, problems, settled } = outcome;
  const planned = plan.changes.map((change) => ({ change, result: "planned" as const }));
  return {
    dryRun,
    gateways: plan.gateways.map(({ candidates: _, conditions: __, ...gateway }) => gateway),
    policies: plan.policies,
    changes: (dryRun ? planned : results).map(({ change, result }) => ({
      action: change.action,
      kind: change.kind,
      name: change.name,
      ...(change.subresource === undefined ? {} : { subresource: change.subresource }),
      result,
    })),
    warnings: plan.warnings,
    problems,
    heartbeatsIgnored: plan.heartbeatsIgnored,
    settled,
  };
}

/** A write failed, so whoever asked for the tick may ask again. Objects that cannot be read are no such reason. */
export function hasFailed({ results }: Pick<TickOutcome, "results">): boolean {
  return results.some(({ result }) => result === "failed");
}
