/** The writes that a tick's outcomes need, and their order. */
import { removal } from "./adoption.ts";
import { conditionsFrom } from "./conditions.ts";
import type { Facts } from "./facts.ts";
import { fitConditions, MOST_CONDITIONS } from "./fit.ts";
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { API_GROUP, FENCE_ANNOTATION, NAMESPACE } from "./names.ts";
import { leftoverChanges } from "./leftovers.ts";
import { nodeLabelChanges } from "./node_labels.ts";
import { byText } from "./order.ts";
import type { PolicyOutcome } from "./policy_outcome.ts";
import { freshReport, isUnreachable } from "./reports.ts";
import { statusPatch } from "./status_change.ts";
import type { Fence } from "./takeover.ts";
import { isCredible } from "./terms.ts";
import type { Change, CiliumPolicy, GatewayStatus, JsonObject, Milliseconds } from "./types.ts";

/** The order of the writes of one gateway. Policies are one burst, but for the first one of a move from a node that lives. */
const STAGE = {
  elect: 0,
  fence: 1,
  firstPolicy: 2,
  policies: 3,
  activate: 4,
  policyStatus: 5,
} as const;

/** What was decided, of all gateways and policies. */
export interface Outcomes {
  readonly gateways: readonly GatewayOutcome[];
  readonly policies: readonly PolicyOutcome[];
}

/** All writes of a tick, sorted by group and stage. */
export function changesOf({ gateways, policies }: Outcomes, facts: Facts): readonly Change[] {
  const known = new Set(gateways.map(({ gateway }) => gateway.name));
  const fences = Map.groupBy(
    gateways.flatMap((outcome) => [...outcome.fences, ...outcome.asides]),
    ({ node }) => node,
  );
  const leaving = new Set(
    gateways.filter((outcome) => leavesLivingNode(outcome, facts)).map(({ gateway }) =>
      gateway.name
    ),
  );
  const written = policies.flatMap((outcome) =>
    policyChanges(outcome, { known, now: facts.snapshot.now })
  );
  return [
    ...gateways.flatMap((outcome) => gatewayChanges(outcome, { facts, fences })),
    ...inTwoSteps(written, leaving),
    ...orphanChanges(facts),
    ...invalidChanges(facts),
    ...nodeLabelChanges(gateways, facts),
    ...leftoverChanges(facts),
  ].sort((a, b) => byText(a.group, b.group) || a.stage - b.stage);
}

function gatewayChanges(
  outcome: GatewayOutcome,
  context: { readonly facts: Facts; readonly fences: ReadonlyMap<string, readonly Fence[]> },
): readonly Change[] {
  const { gateway, statusBefore, statusAfter } = outcome;
  // A new term is written before anything that follows from it; else one write at the end is enough.
  const first = statusAfter === undefined || statusBefore.term !== gateway.status.term;
  const before = first ? statusBefore : gateway.status;
  const write = (from: GatewayStatus, to: GatewayStatus, stage: number): Change[] => {
    const patch = statusPatch(from, to, {
      writtenAt: gateway.statusWrittenAt,
      now: context.facts.snapshot.now,
    });
    return patch === undefined ? [] : [{
      action: "patch",
      kind: "EgressGateway",
      name: gateway.name,
      subresource: "status",
      body: { metadata: { resourceVersion: gateway.resourceVersion }, status: patch },
      group: gateway.name,
      stage,
    }];
  };
  return [
    ...(first ? write(gateway.status, statusBefore, STAGE.elect) : []),
    ...outcome.fences.map((fence) => fenceChange(fence, { ...context, group: gateway.name })),
    // In a group of their own: a write that fails, since the agent was faster, keeps nothing back.
    ...outcome.asides.map((fence) =>
      fenceChange(fence, { ...context, group: `lease/${fence.node}` })
    ),
    ...(statusAfter === undefined ? [] : write(before, statusAfter, STAGE.activate)),
  ];
}

/**
 * A fence keeps the fences of other gateways that still exist, or that may: an unreadable one tells no uid. Gateways
 * that fence one node in the same plan write the very same change, so that it is written once and none undoes another.
 */
function fenceChange(
  fence: Fence,
  { group, facts, fences }: {
    group: string;
    facts: Facts;
    fences: ReadonlyMap<string, readonly Fence[]>;
  },
): Change {
  const { gateways, invalid } = facts.snapshot;
  const uids = new Set(gateways.map(({ uid }) => uid));
  // An agent that still has the VIP of a gateway that is gone may not know that it is.
  for (const { uid } of fence.lease?.report?.addresses ?? []) uids.add(uid);
  const unreadable = invalid.some(({ kind }) => kind === "EgressGateway");
  const byUid = new Map(gateways.map((gateway) => [gateway.uid, gateway]));
  const kept = Object.entries(fence.lease?.fence ?? {}).filter(([uid, term]) => {
    const gateway = byUid.get(uid);
    return gateway === undefined ? uids.has(uid) || unreadable : isCredible(term, gateway);
  });
  const added = (fences.get(fence.node) ?? [fence]).flatMap(({ terms }) => Object.entries(terms));
  // Of two terms for one gateway the higher comes last and counts.
  const terms = [...kept, ...added].sort(([a, low], [b, high]) => byText(a, b) || low - high);
  const value = JSON.stringify(Object.fromEntries(terms));
  const annotations: JsonObject = { [FENCE_ANNOTATION]: value };
  const shared = { kind: "Lease", name: fence.node, group, stage: STAGE.fence } as const;
  if (fence.lease !== undefined) {
    return {
      ...shared,
      action: "patch",
      body: { metadata: { resourceVersion: fence.lease.resourceVersion, annotations } },
    };
  }
  return {
    ...shared,
    action: "create",
    body: {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: fence.node, namespace: NAMESPACE, annotations },
    },
  };
}

/** What is made for a gateway is written with its gateway's own writes; what is taken away, by itself. */
function policyChanges(
  { policy, changes, status }: PolicyOutcome,
  { known, now }: { readonly known: ReadonlySet<string>; readonly now: Milliseconds },
): readonly Change[] {
  const alone = `policy/${policy.name}`;
  const groupOf = (gateway: string | undefined) =>
    gateway !== undefined && known.has(gateway) ? gateway : alone;
  const [first, ...others] = policy.spec.gateways;
  const patch = statusPatch(policy.status, status, { writtenAt: policy.statusWrittenAt, now });
  return [
    ...changes.map(({ gateway, ...change }): Change => ({
      ...change,
      kind: "CiliumEgressGatewayPolicy",
      group: groupOf(gateway),
      stage: STAGE.policies,
    })),
    ...(patch === undefined || policy.deleting ? [] : [
      {
        action: "patch",
        kind: "EgressGatewayPolicy",
        name: policy.name,
        subresource: "status",
        body: { metadata: { resourceVersion: policy.resourceVersion }, status: patch },
        group: others.length === 0 ? groupOf(first?.name) : alone,
        stage: STAGE.policyStatus,
      } as const,
    ]),
  ];
}

/** Tells whether a move is completed whose former holder still serves. */
function leavesLivingNode(
  { gateway, candidates, statusBefore: { lastFailover }, statusAfter }: GatewayOutcome,
  { leases, snapshot }: Facts,
): boolean {
  const from = lastFailover?.from;
  if (statusAfter === undefined || from === undefined) return false;
  return freshReport(leases.get(from), { gateway, snapshot }) !== undefined &&
    !isUnreachable(from, candidates);
}

/**
 * One policy of each of these gateways goes before its others. Each of Cilium's agents takes the first that it hears of at once and the
 * others together, a trigger interval later. So all agents do the same of each policy, and what some of them still send by the
 * former holder is translated there (docs/cilium.md); had one taken more with the first, it would drop what others send it.
 */
function inTwoSteps(
  changes: readonly Change[],
  gateways: ReadonlySet<string>,
): readonly Change[] {
  const begun = new Set<string>();
  return changes.map((change) => {
    const { group, stage } = change;
    if (stage !== STAGE.policies || !gateways.has(group) || begun.has(group)) return change;
    begun.add(group);
    return { ...change, stage: STAGE.firstPolicy };
  });
}

/** Cilium policies whose policy is gone; of what was made by us the garbage collector does this too, where it runs. */
function orphanChanges(facts: Facts): readonly Change[] {
  return orphansOf(facts).flatMap(({ policy, made }): Change[] => {
    const change = removal(made);
    return change === undefined ? [] : [{
      ...change,
      kind: "CiliumEgressGatewayPolicy",
      name: made.name,
      group: `policy/${policy}`,
      stage: STAGE.policies,
    }];
  });
}

/** Cilium policies that Sallyport keeps for policies that are gone. */
export function orphansOf(
  { snapshot, madeFor }: Facts,
): readonly { readonly policy: string; readonly made: CiliumPolicy }[] {
  const known = new Set([
    ...snapshot.policies.map(({ name }) => name),
    ...snapshot.invalid.filter(({ kind }) => kind === "EgressGatewayPolicy").map(({ name }) =>
      name
    ),
  ]);
  return [...madeFor].filter(([policy]) => !known.has(policy)).flatMap(([policy, all]) =>
    all.filter(({ deleting }) => !deleting).map((made) => ({ policy, made }))
  );
}

/** Objects of ours that do not decode say so in a condition of their own. */
function invalidChanges({ snapshot }: Facts): readonly Change[] {
  return snapshot.invalid.flatMap((object): Change[] => {
    if (object.kind !== "EgressGateway" && object.kind !== "EgressGatewayPolicy") return [];
    if (object.resourceVersion === undefined) return [];
    const type = object.kind === "EgressGateway" ? "Ready" : "Accepted";
    const conditions = conditionsFrom(
      [{ type, status: "False", reason: "InvalidSpec", message: object.message }],
      { stored: object.conditions, generation: object.generation ?? 0, now: snapshot.now },
    );
    const others = object.conditions?.filter((condition) => condition.type !== type) ?? [];
    const wanted = fitConditions({
      conditions: [...others.slice(1 - MOST_CONDITIONS), ...conditions],
    });
    const stored = { conditions: object.conditions ?? [] };
    const patch = statusPatch(stored, wanted, {
      writtenAt: object.statusWrittenAt,
      now: snapshot.now,
    });
    return patch === undefined ? [] : [{
      action: "patch",
      kind: object.kind,
      name: object.name,
      subresource: "status",
      body: { metadata: { resourceVersion: object.resourceVersion }, status: patch },
      group: `${API_GROUP}/${object.kind}/${object.name}`,
      stage: 0,
    }];
  });
}
