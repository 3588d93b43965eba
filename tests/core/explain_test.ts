/** `sallyport explain`: the plan in sentences. */
import assert from "node:assert/strict";
import { explainGateway } from "../../src/core/explain.ts";
import { decide } from "../../src/core/decide.ts";
import type { Snapshot } from "../../src/core/types.ts";
import { cluster, edit, gateway, policy, VIP } from "../support/builders.ts";
import { running } from "../support/obedient_agents.ts";
import { gatewayPlan } from "../support/read_plan.ts";

function explain(snapshot: Snapshot): string {
  const plan = decide(snapshot);
  return explainGateway(gatewayPlan(plan), plan);
}

Deno.test("explain says who holds a gateway and why, who is next, and why the others may not", () => {
  const before = running(cluster({
    nodes: {
      a: { node: { labels: { fast: "yes" } } },
      b: {},
      c: { node: { cordoned: true }, cilium: null },
    },
    gateways: [
      gateway("gw", { preferredNodes: [{ weight: 50, nodeSelector: { fast: "yes" } }] }),
    ],
    policies: [policy("web")],
  }));
  assert.equal(
    explain(before),
    `gw: a is active (term 1).
  Why: a is the best-ranked eligible node.
  Next: b would take over.
  Candidates: 3, eligible: 2.
    a holds it, eligible since 2026-11-23T09:00:00Z, preferred with weight 50.
    b stands by, eligible since 2026-11-23T09:00:00Z.
    c may not hold it: NodeCordoned: Node is cordoned (spec.unschedulable); kubectl uncordon brings it back; CiliumAgentNotReady: No cilium-agent pod runs on this node.
  Policies:
    web: Traffic leaves by a.`,
  );
});

const HEADLINES: readonly (readonly [string, () => Snapshot, RegExp])[] = [
  [
    "a first election",
    () => cluster({ nodes: { a: {} }, gateways: [gateway("gw")] }),
    /^gw: a becomes active \(term 1\)\./,
  ],
  [
    "a failover",
    () =>
      edit(running(cluster({ nodes: { a: {}, b: {} }, gateways: [gateway("gw")] })), {
        nodes: { a: { ready: "False" } },
      }),
    /^gw: moves from a to b \(term 2\)\./,
  ],
  [
    "a gateway without nodes",
    () => cluster({ nodes: {}, gateways: [gateway("gw")] }),
    /^gw: no node is active; Cilium drops the selected traffic\.\n {2}Why: No node matches spec.nodeSelector\.\n {2}Next: no other node could take over\./,
  ],
  [
    "a handover that waits",
    () =>
      cluster({
        nodes: { a: {} },
        gateways: [gateway("gw", {
          vip: VIP,
          status: { activeNodeName: "a", term: 1, phase: "Preparing", egressIP: VIP },
        })],
      }),
    /^gw: moves to a \(term 1, Preparing\)\.\n {2}Why: .*has not yet reported the virtual IP as bound\./,
  ],
  [
    "a tolerated fault",
    () =>
      cluster({
        nodes: { a: { cilium: { ready: false, readySince: Date.UTC(2026, 10, 23, 10) } } },
        gateways: [gateway("gw", { failureDetection: { ciliumAgentGraceSeconds: 30 } })],
      }),
    /; CiliumAgentNotReady is tolerated until 2026-11-23T10:00:30Z: Pod/,
  ],
  [
    "a gateway without policies",
    () => cluster({ nodes: { a: {} }, gateways: [gateway("gw")] }),
    /Policies: none uses this gateway\.$/,
  ],
];

for (const [what, before, says] of HEADLINES) {
  Deno.test(`explain tells of ${what}`, () => assert.match(explain(before()), says));
}
