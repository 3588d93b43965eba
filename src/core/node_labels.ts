/** The labels that Sallyport keeps on nodes: `member`, `active-for-<gateway>`, and `shard`, which is written once. */
import type { Facts, NodeFacts } from "./facts.ts";
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { isAbandoned } from "./heartbeat.ts";
import { ACTIVE_FOR_LABEL, MEMBER_LABEL, PREFIX, SHARD_LABEL } from "./names.ts";
import { byText } from "./order.ts";
import { dealtShards } from "./shards.ts";
import type { Change, Labels, Milliseconds } from "./types.ts";

/** The part of a label key behind the slash has room for 63 characters. */
const LABEL_NAME_LIMIT = 63;

/** The patches that make the labels of ours right on every node; one patch per node that is wrong. */
export function nodeLabelChanges(
  gateways: readonly GatewayOutcome[],
  facts: Facts,
): readonly Change[] {
  const kept = keptLabels(facts);
  const selected = new Set<string>();
  for (const { candidates } of gateways) {
    for (const { node } of candidates) selected.add(node);
  }
  const held = Map.groupBy(gateways, ({ route }) => route.node);
  const shards = dealtShards(facts.snapshot);
  return facts.nodes.flatMap((subject): Change[] => {
    if (subject.node.unreadLabels !== undefined) return [];
    const wanted = wantedLabels(subject, {
      now: facts.snapshot.now,
      isSelected: selected.has(subject.node.name),
      held: held.get(subject.node.name) ?? [],
    });
    const shard = shards.get(subject.node.name);
    const patch = labelPatch(subject.node.labels, { wanted, kept });
    if (patch.length === 0 && shard === undefined) return [];
    const labels = {
      ...Object.fromEntries(patch),
      ...(shard === undefined ? {} : { [SHARD_LABEL]: String(shard) }),
    };
    return [{
      action: "patch",
      kind: "Node",
      name: subject.node.name,
      body: { metadata: { resourceVersion: subject.node.resourceVersion, labels } },
      group: `node/${subject.node.name}`,
      stage: 0,
    }];
  });
}

/** Labels that belong to a gateway which cannot be read stay as they are. */
function keptLabels({ snapshot }: Facts): ReadonlySet<string> {
  const unreadable = snapshot.invalid.filter(({ kind }) => kind === "EgressGateway");
  return new Set(
    unreadable.length === 0
      ? []
      : [MEMBER_LABEL, ...unreadable.map(({ name }) => `${ACTIVE_FOR_LABEL}${name}`)],
  );
}

function wantedLabels(
  { lease, agentPods }: NodeFacts,
  { now, isSelected, held }: {
    readonly now: Milliseconds;
    readonly isSelected: boolean;
    /** Gateways whose holder it is. */
    readonly held: readonly GatewayOutcome[];
  },
): Labels {
  const reports = lease !== undefined && (lease.report?.addresses.length ?? 0) > 0 &&
    !isAbandoned(lease, { hasAgentPod: agentPods.length > 0, now });
  // A holder that is no candidate any more, too: by this label a tick finds every node that may carry another of ours.
  if (!reports && held.length === 0 && !isSelected) return {};
  const active = held.map(({ gateway }) => `${ACTIVE_FOR_LABEL}${gateway.name}`)
    .filter((key) => key.length - PREFIX.length <= LABEL_NAME_LIMIT);
  return Object.fromEntries([MEMBER_LABEL, ...active].map((key) => [key, ""]));
}

/** What is to be written of a node's labels, by key; null: the label is taken away. */
function labelPatch(
  labels: Labels,
  { wanted, kept }: { readonly wanted: Labels; readonly kept: ReadonlySet<string> },
): readonly (readonly [string, string | null])[] {
  const patch: (readonly [string, string | null])[] = [];
  for (const [key, value] of Object.entries(wanted)) {
    if (labels[key] !== value) patch.push([key, value]);
  }
  for (const key of Object.keys(labels)) {
    const isOurs = key === MEMBER_LABEL || key.startsWith(ACTIVE_FOR_LABEL);
    if (isOurs && !(key in wanted) && !kept.has(key)) patch.push([key, null]);
  }
  return patch.sort(([a], [b]) => byText(a, b));
}
