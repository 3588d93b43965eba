/** What must be so in every small world, and at every change of one: the invariants of schedules (`../invariants.ts`). */
import { TERM_ANNOTATION } from "../../../src/core/names.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { JsonObject } from "../../../src/core/types.ts";
import { nodeOf } from "../invariants.ts";
import { ciliumPolicyOf, gatewayOf, statusOf } from "./objects.ts";
import { NODES, speaks } from "./state.ts";
import type { NodeName, World } from "./state.ts";

/** What is wrong with a change; nothing: all is well. */
export function whatIsWrong(before: World, after: World): readonly string[] {
  return [
    ...(after.gateway === before.gateway ? [] : wrongStatus(before, after)),
    ...(after.policy === before.policy ? [] : wrongPolicy(before, after)),
    ...NODES.flatMap((node) => wrongSpeech(node, { before, after })),
    ...wrongOverlap(after),
  ];
}

/** Notes since when two are heard. */
export function withOverlap(world: World): World {
  const two = NODES.every((node) => speaks(world, node));
  const overlapSince = two ? world.overlapSince ?? world.now : undefined;
  return overlapSince === world.overlapSince ? world : { ...world, overlapSince };
}

/** Never two that can reach the API server; beside one that cannot, no longer than a permission lasts. */
function wrongOverlap({ members, now, overlapSince }: World): readonly string[] {
  if (overlapSince === undefined) return [];
  if (!NODES.some((node) => members[node].alone)) return ["two speak"];
  const overlap = now - overlapSince;
  return overlap > TIMINGS.speechMilliseconds ? [`two speak for ${overlap} ms`] : [];
}

/** Terms grow one at a time, belong to one node each, and are not taken back. */
function wrongStatus(before: World, after: World): readonly string[] {
  const [old, now] = [before, after].map(({ gateway }) => statusOf(gateway));
  if (old?.term === undefined || now === undefined) return [];
  const { term = 0, phase, activeNodeName } = now;
  return [
    ...(term === old.term || term === old.term + 1
      ? []
      : [`the term goes from ${old.term} to ${term}`]),
    ...(term === old.term && activeNodeName !== old.activeNodeName
      ? [`term ${term} belongs to ${old.activeNodeName} and to ${activeNodeName}`]
      : []),
    ...(term === old.term && old.phase === "Active" && phase !== "Active"
      ? [`term ${term} goes from Active back to ${phase}`]
      : []),
    ...(activeNodeName === undefined && old.activeNodeName !== undefined
      ? [`the gateway is taken from ${old.activeNodeName} for nobody`]
      : []),
  ];
}

/** A policy is of the current term, and never goes back to an older one. */
function wrongPolicy(before: World, { policy, gateway }: World): readonly string[] {
  const [last, term] = [before.policy, policy].map(termOf);
  const { term: current = 0, phase } = statusOf(gateway);
  if (last === undefined || term === undefined) return [];
  return [
    ...(term < current && phase === "Active"
      ? [`the policy is written for term ${term} in term ${current}`]
      : []),
    ...(term < last ? [`the policy goes from term ${last} back to ${term}`] : []),
  ];
}

/** Who begins to speak knows that it may, has said so in its Lease, and is where the policies send the traffic. */
function wrongSpeech(
  node: NodeName,
  { before, after }: { readonly before: World; readonly after: World },
): readonly string[] {
  if (speaks(before, node) || !speaks(after, node) || after.members[node].alone) return [];
  const known = after.members[node].agent?.gateway;
  const { activeNodeName, phase, term = 0 } = known === undefined ? {} : gatewayOf(known).status;
  if (activeNodeName !== node || phase !== "Active") return [`${node} speaks without a duty`];
  const way = after.policy && nodeOf(ciliumPolicyOf(after.policy));
  return [
    ...(after.claims.includes(`${node} ${term}`)
      ? []
      : [`${node} speaks in term ${term} before its Lease said so`]),
    ...(way === node ? [] : [`${node} speaks in term ${term}, the policy names ${way}`]),
  ];
}

function termOf(policy: JsonObject | undefined): number | undefined {
  const term = policy && ciliumPolicyOf(policy).annotations[TERM_ANNOTATION];
  return term === undefined ? undefined : Number(term);
}
