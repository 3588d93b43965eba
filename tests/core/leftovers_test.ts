/** Which Leases are removed since nothing can rest on them any more. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import type { GatewayStatus, Snapshot } from "../../src/core/types.ts";
import { agentPod, cluster, edit, gateway, invalid, lease, NOW, VIP } from "../support/builders.ts";
import type { LeaseOptions } from "../support/builders.ts";

const HELD: GatewayStatus = {
  activeNodeName: "a",
  term: 3,
  phase: "Active",
  egressIP: VIP,
  lastFailover: {
    from: "gone",
    to: "a",
    reason: "",
    startTime: "2026-11-23T09:00:00Z",
    durationMilliseconds: 40,
  },
};

/** Node a holds the gateway; of node `gone` there is a Lease that was last renewed so many seconds ago. */
function world(ago: number | null, options: LeaseOptions = {}, status = HELD): Snapshot {
  const before = cluster({ nodes: { a: {} }, gateways: [gateway("gw", { vip: VIP, status })] });
  return { ...before, leases: [...before.leases, lease("gone", { ago, ...options })] };
}

const removed = (snapshot: Snapshot) =>
  decide(snapshot).changes.filter(({ action, kind }) => action === "delete" && kind === "Lease");

Deno.test("the Lease of a node that is gone is removed after five minutes, against the version that showed it", () => {
  assert.deepEqual(removed(world(300)), [{
    action: "delete",
    kind: "Lease",
    name: "gone",
    body: { preconditions: { resourceVersion: "lease-gone-1" } },
    group: "lease/gone",
    stage: 0,
  }]);
});

const KEPT: Readonly<Record<string, Snapshot>> = {
  "it was renewed less than five minutes ago": world(299),
  "it was fenced less than five minutes ago": world(3_600, { fencedAt: NOW - 299_000 }),
  "it was never written, as far as is known": world(null),
  "it cannot be told when it was renewed": world(300, { unread: "metadata.managedFields: odd" }),
  "it was seen to change": world(300, { renewedWithinMilliseconds: 1_000 }),
  "its time is of the future": world(-10),
  "it holds a gateway": world(300, {}, { ...HELD, activeNodeName: "gone" }),
  "it stands by": world(300, {}, { ...HELD, standbyNodeNames: ["gone"] }),
  "it is moved away from": world(300, {}, { ...HELD, phase: "Preparing" }),
  "it was the last to speak": world(300, {}, { ...HELD, phase: "Idle" }),
  "an agent's pod is there": { ...world(300), agentPods: [agentPod("a"), agentPod("gone")] },
  "some gateway cannot be read": { ...world(300), invalid: [invalid("EgressGateway", "odd")] },
  "its Node cannot be read": { ...world(300), invalid: [invalid("Node", "gone")] },
};

for (const [when, snapshot] of Object.entries(KEPT)) {
  Deno.test(`the Lease of a node stays when ${when}`, () => {
    assert.deepEqual(removed(snapshot), []);
  });
}

Deno.test("the Lease of a node that is there stays, however old it is", () => {
  const old = edit(world(300), { leases: { a: { renewedAt: NOW - 86_400_000 } } });
  assert.deepEqual(removed(old).map(({ name }) => name), ["gone"]);
});
