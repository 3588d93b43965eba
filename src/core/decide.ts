/**
 * `decide`: from what was observed to what is to be written.
 *
 * Pure: no clock, no I/O, no memory. The same snapshot in any order gives the same plan, and a snapshot to which the
 * plan was applied gives a plan without changes (as long as no move is under way).
 */
import { formerOf, isAdopted } from "./adoption.ts";
import { balancedCandidates, isBalanced } from "./balance.ts";
import type { Contender } from "./balance.ts";
import { candidatesOf } from "./candidates.ts";
import { changesOf, orphansOf } from "./changes.ts";
import { eventsOf } from "./events.ts";
import { gatherFacts } from "./facts.ts";
import type { Facts } from "./facts.ts";
import { decideGateway } from "./gateway_outcome.ts";
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { trustInHeartbeats } from "./heartbeat.ts";
import { byText, sortedByName } from "./order.ts";
import { findOverlaps } from "./overlaps.ts";
import { decidePolicy } from "./policy_outcome.ts";
import type { PolicyOutcome } from "./policy_outcome.ts";
import type { GatewayPlan, InvalidObject, Plan, Snapshot } from "./types.ts";

/** Decides everything. */
export function decide(snapshot: Snapshot): Plan {
  const facts = gatherFacts(snapshot);
  const contenders = sortedByName(snapshot.gateways).map((gateway) => ({
    gateway,
    candidates: candidatesOf(gateway, facts),
  }));
  const outcomes = decideAll(contenders, facts);
  const byGateway = new Map(outcomes.map((outcome) => [outcome.gateway.name, outcome]));
  const overlaps = findOverlaps(snapshot);
  const policies = sortedByName(snapshot.policies).map((policy) =>
    decidePolicy(policy, {
      outcomes: byGateway,
      facts,
      overlaps: overlaps.get(policy.name) ?? [],
    })
  );
  const changes = changesOf({ gateways: outcomes, policies }, facts);
  return {
    gateways: outcomes.map(gatewayPlan),
    policies: policies.map(({ policy, ways, status }) => ({
      name: policy.name,
      gateways: ways,
      conditions: status.conditions ?? [],
    })),
    changes,
    events: eventsOf({ gateways: outcomes, policies, changes }),
    warnings: [...warningsOf(facts, policies)].sort(byText),
    heartbeatsIgnored: snapshot.gateways.some((gateway) =>
      trustInHeartbeats(gateway, facts) === "Doubted"
    ),
  };
}

/** Balanced gateways give way to the others, which are decided first. */
function decideAll(contenders: readonly Contender[], facts: Facts): readonly GatewayOutcome[] {
  const others = new Map(
    contenders.filter((each) => !isBalanced(each)).map(({ gateway, candidates }) => [
      gateway.name,
      decideGateway(gateway, { candidates, facts }),
    ]),
  );
  const holders = new Map(
    [...others].map(([name, { statusBefore }]) => [name, statusBefore.activeNodeName]),
  );
  const balanced = balancedCandidates(contenders, holders);
  return contenders.map(({ gateway, candidates }) =>
    others.get(gateway.name) ??
      decideGateway(gateway, { candidates, preferred: balanced.get(gateway.name), facts })
  );
}

function gatewayPlan(
  { gateway, decision, message, candidates, ...outcome }: GatewayOutcome,
): GatewayPlan {
  const status = outcome.statusAfter ?? outcome.statusBefore;
  return {
    name: gateway.name,
    activeNodeName: status.activeNodeName ?? null,
    previousNodeName: gateway.status.activeNodeName ?? null,
    standbyNodeNames: status.standbyNodeNames ?? [],
    readyNodes: status.readyNodes ?? 0,
    term: status.term ?? 0,
    phase: status.phase ?? "Idle",
    decision,
    message,
    candidates,
    ...(outcome.past === undefined ? {} : { move: outcome.past }),
    ...(outcome.pin === undefined ? {} : { pin: outcome.pin }),
    conditions: status.conditions ?? [],
  };
}

function* warningsOf(facts: Facts, policies: readonly PolicyOutcome[]): Iterable<string> {
  const { snapshot } = facts;
  for (const { kind, name, message } of snapshot.invalid as readonly InvalidObject[]) {
    yield `${kind} '${name}' is left out: ${message}`;
  }
  for (const { made } of orphansOf(facts)) {
    const former = formerOf(made);
    if (!isAdopted(made) || "spec" in former) continue;
    yield `CiliumEgressGatewayPolicy '${made.name}' was adopted and is not given back, since ${former.lost}; ` +
      `sallyport give-back --keep-spec ${made.name} leaves it as it is`;
  }
  for (const { policy, status } of policies) {
    const conflict = status.conditions?.find(({ type }) => type === "Conflicted");
    if (conflict?.status === "True") {
      yield `EgressGatewayPolicy '${policy.name}': ${conflict.message}`;
    }
  }
}
