/** What cannot be read takes no gateway from its holder, and gives none to another. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import type { Snapshot } from "../../src/core/types.ts";
import { address, cluster, gateway, invalid, report } from "../support/builders.ts";
import { candidate, gatewayPlan } from "../support/read_plan.ts";

const vip = "172.18.18.242";
const HELD = {
  vip,
  whenNoneEligible: "Drop" as const,
  status: {
    activeNodeName: "a",
    phase: "Active" as const,
    term: 3,
    egressIP: vip,
    standbyNodeNames: ["b"],
  },
};

function held(changes: (snapshot: Snapshot) => Partial<Snapshot>): Snapshot {
  const bound = (speaking: boolean) => ({
    lease: { report: report({ addresses: [address({ term: 3, ip: vip, speaking })] }) },
  });
  const snapshot = cluster({
    nodes: { a: bound(true), b: bound(false) },
    gateways: [gateway("gw", HELD)],
  });
  return { ...snapshot, ...changes(snapshot) };
}

/** Each takes what is known of one node's object away, as an object that cannot be read does. */
const LOST: Readonly<Record<string, (node: string) => (snapshot: Snapshot) => Partial<Snapshot>>> =
  {
    "Node": (name) => ({ nodes }) => ({
      nodes: nodes.filter((node) => node.name !== name),
      invalid: [invalid("Node", name)],
    }),
    "Node's Ready condition": (name) => ({ nodes }) => ({
      nodes: nodes.map((node) =>
        node.name === name ? { ...node, unread: "status.conditions[0]" } : node
      ),
    }),
    "Cilium pod": (name) => ({ ciliumPods }) => ({
      ciliumPods: ciliumPods.filter(({ nodeName }) => nodeName !== name),
      invalid: [invalid("Pod", `cilium-${name}`)],
    }),
    "agent's pod": (name) => ({ agentPods }) => ({
      agentPods: agentPods.filter(({ nodeName }) => nodeName !== name),
      invalid: [invalid("Pod", `sallyport-agent-${name}`)],
    }),
    "Lease": (name) => ({ leases }) => ({
      leases: leases.filter((lease) => lease.name !== name),
      invalid: [invalid("Lease", name)],
    }),
    "agent's report": (name) => ({ leases }) => ({
      leases: leases.map((lease) => {
        if (lease.name !== name) return lease;
        const { report: _, ...rest } = lease;
        return { ...rest, reportError: "it is not JSON" };
      }),
    }),
  };

for (const [what, lost] of Object.entries(LOST)) {
  Deno.test(`a gateway stays where it is when its holder's ${what} cannot be read`, () => {
    const plan = decide(held(lost("a")));
    const { activeNodeName, phase, term, decision } = gatewayPlan(plan);
    assert.deepEqual({ activeNodeName, phase, term, decision }, {
      activeNodeName: "a",
      phase: "Active",
      term: 3,
      decision: "Keep",
    });
  });

  Deno.test(`a node whose ${what} cannot be read is elected by nobody`, () => {
    const cordoned = held(({ nodes }) => ({
      nodes: nodes.map((node) => node.name === "a" ? { ...node, cordoned: true } : node),
    }));
    assert.equal(gatewayPlan(decide(cordoned)).activeNodeName, "b");
    const plan = decide({ ...cordoned, ...lost("b")(cordoned) });
    assert.notEqual(gatewayPlan(plan).activeNodeName, "b");
    if (what === "Node") return;
    const { eligible, reasons } = candidate(plan, "b");
    assert.equal(eligible, false);
    assert.ok(reasons.some(({ type }) => type === "Unreadable"));
  });
}
