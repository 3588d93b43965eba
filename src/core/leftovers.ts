/**
 * Leases of nodes that are gone. A Lease carries the fence of a node that is only cut off, so it stays while anything can rest on it;
 * and it is no proof that a node is silent: where one is gone, the node's next renewal makes another, and its agent obeys
 * nothing that it read before that.
 */
import type { Facts } from "./facts.ts";
import { byText } from "./order.ts";
import { TIMINGS } from "./timings.ts";
import type { Change, GatewayStatus, Lease } from "./types.ts";

/** Removes the Leases that nothing can rest on any more, each against the version that showed it. */
export function leftoverChanges(facts: Facts): readonly Change[] {
  return leftoverLeases(facts).map(({ name, resourceVersion }) => ({
    action: "delete",
    kind: "Lease",
    name,
    body: { preconditions: { resourceVersion } },
    group: `lease/${name}`,
    stage: 0,
  }));
}

function leftoverLeases(facts: Facts): readonly Lease[] {
  const { snapshot, unread } = facts;
  // A gateway that cannot be read may rest on any of them, and a pod that cannot be on any node.
  if (snapshot.invalid.some(({ kind }) => kind === "EgressGateway")) return [];
  if (unread.agentPods.length > 0) return [];
  const needed = new Set(snapshot.gateways.flatMap(({ status }) => nodesOf(status)));
  const running = new Set(snapshot.agentPods.map(({ nodeName }) => nodeName));
  return snapshot.leases.filter((lease) =>
    !facts.byNode.has(lease.name) && !unread.nodes.has(lease.name) && !running.has(lease.name) &&
    !needed.has(lease.name) && isForgotten(lease, snapshot.now)
  ).toSorted((a, b) => byText(a.name, b.name));
}

/** Nobody, agent or controller, has written to it for long; by the server's clock, and by what was seen. */
function isForgotten(lease: Lease, now: number): boolean {
  const { renewedAt, fencedAt, unread, heardWithinMilliseconds = Infinity } = lease;
  const written = [renewedAt, fencedAt].filter((time) => time !== undefined);
  const age = Math.min(
    now - Math.max(...written),
    lease.renewedWithinMilliseconds ?? Infinity,
    heardWithinMilliseconds,
  );
  return unread === undefined && written.length > 0 && age >= TIMINGS.leftoverMilliseconds;
}

/** Whoever holds the gateway or is to, and, in a move that is under way or was broken off, those that it is between. */
function nodesOf(
  { activeNodeName, standbyNodeNames = [], phase, lastFailover }: GatewayStatus,
): readonly string[] {
  const between = phase === "Active" ? [] : [
    lastFailover?.from,
    lastFailover?.to,
    ...(lastFailover?.fenced ?? []).map(({ node }) => node),
  ];
  return [activeNodeName, ...standbyNodeNames, ...between].filter((name) => name !== undefined);
}
