/** What a write changes, field by field. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { fieldChanges } from "../../src/core/field_changes.ts";
import type { Change, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, gateway, policy } from "../support/builders.ts";

/** All writes of the next tick, as lines. */
function told(snapshot: Snapshot, kind: Change["kind"]): readonly string[] {
  return decide(snapshot).changes.filter((change) => change.kind === kind).flatMap((change) =>
    fieldChanges(change, snapshot).map(({ path, from, to }) => `${path}: ${from} -> ${to}`)
  );
}

function world(nodes: Parameters<typeof cluster>[0]["nodes"]): Snapshot {
  return cluster({ nodes, gateways: [gateway("gw")], policies: [policy("web")] });
}

Deno.test("a failover is told as the fields that change, old and new, and no others", () => {
  const calm = world({ a: {}, b: {} });
  const before = applyPlan(calm, decide(calm));
  const after = {
    ...before,
    nodes: before.nodes.map((node) => node.name === "a" ? { ...node, cordoned: true } : node),
  };
  const gatewayLines = told(after, "EgressGateway");
  assert.ok(gatewayLines.includes("status.activeNodeName: a -> b"), gatewayLines.join("\n"));
  assert.ok(gatewayLines.includes("status.candidates[a].eligible: true -> false"));
  assert.ok(gatewayLines.includes("status.term: 1 -> 2"));
  assert.ok(!gatewayLines.some((line) => line.startsWith("status.candidates[b].eligible:")));
  assert.ok(!gatewayLines.some((line) => /lastTransitionTime|observedGeneration/.test(line)));
  assert.ok(
    told(after, "CiliumEgressGatewayPolicy").includes(
      'spec.egressGateway.nodeSelector.matchLabels["kubernetes.io/hostname"]: a -> b',
    ),
  );
});

Deno.test("a new object is told with all that is in it, and one that goes with nothing", () => {
  const fresh = world({ a: {} });
  const lines = told(fresh, "CiliumEgressGatewayPolicy");
  assert.ok(lines.includes('spec.destinationCIDRs: undefined -> ["0.0.0.0/0"]'), lines.join("\n"));
  const settled = applyPlan(fresh, decide(fresh));
  const orphan = { ...settled, policies: [] };
  assert.ok(decide(orphan).changes.some(({ action }) => action === "delete"));
  assert.deepEqual(told(orphan, "CiliumEgressGatewayPolicy"), []);
});
