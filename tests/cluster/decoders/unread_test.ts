/** What cannot be read of a Node, a Pod or a Lease: it takes nothing else with it, and moves no gateway. */
import assert from "node:assert/strict";
import {
  decodeCiliumPolicy,
  decodeGateway,
  decodeLease,
  decodeNode,
  decodePod,
} from "../../../src/cluster/decoders/kinds.ts";
import { readable } from "../../../src/cluster/decoders/decode.ts";
import { decide } from "../../../src/core/decide.ts";
import type { InvalidObject, Plan, Snapshot } from "../../../src/core/types.ts";
import { at, NOW, VIP } from "../../support/builders.ts";
import { egressGateway, found, gatewayPlan, policyCondition } from "../../support/read_plan.ts";
import { policy } from "../../support/builders.ts";

// deno-lint-ignore no-explicit-any -- JSON that is edited member by member
type Any = any;

const PREFIX = "egress-gateway.network.deckhouse.io/";

interface Raw {
  readonly node: Any;
  readonly cilium: Any;
  readonly agent: Any;
  readonly lease: Any;
}

/** A machine as the API server tells of it; all is well with it. */
function machine(name: string): Raw {
  const ready = { type: "Ready", status: "True", lastTransitionTime: at(-3_600) };
  const pod = (namespace: string, prefix: string) => ({
    metadata: { name: `${prefix}-${name}`, namespace },
    spec: { nodeName: name },
    status: { phase: "Running", conditions: [ready] },
  });
  return {
    node: {
      metadata: {
        name,
        resourceVersion: "1",
        labels: { "kubernetes.io/hostname": `${name}.example.org`, role: "egress" },
      },
      spec: {},
      status: {
        conditions: [ready],
        addresses: [{ type: "InternalIP", address: `10.0.0.${name.charCodeAt(0)}` }],
      },
    },
    cilium: pod("kube-system", "cilium"),
    agent: pod("sallyport-system", "sallyport-agent"),
    lease: {
      metadata: {
        name,
        namespace: "sallyport-system",
        resourceVersion: "1",
        annotations: { [`${PREFIX}report`]: JSON.stringify(reportOf(name)) },
        managedFields: [{ manager: "agent", operation: "Update", time: at(0) }],
      },
    },
  };
}

function reportOf(name: string): Any {
  return {
    interfaces: [{ name: "eth1", up: true }],
    cilium: { ready: true },
    addresses: [{
      gateway: "gw",
      uid: "uid-gw",
      term: 3,
      ip: VIP,
      interface: "eth1",
      boundAt: at(-600),
      speaking: name === "a",
    }],
    failures: [],
    uplinks: [],
    unreachable: [],
    heard: { "uid-gw": 3 },
    leaving: false,
    renewingSince: at(-600),
  };
}

/** `a` holds the gateway in term 3, and Cilium sends the traffic there. */
const GATEWAY = {
  metadata: { name: "gw", uid: "uid-gw", resourceVersion: "1", generation: 1 },
  spec: {
    nodeSelector: { role: "egress" },
    sourceIP: { mode: "VirtualIPAddress", virtualIPAddress: { ip: VIP, interfaces: ["eth1"] } },
  },
  status: {
    activeNodeName: "a",
    activeNodeAddresses: ["10.0.0.97"],
    egressIP: VIP,
    term: 3,
    phase: "Active",
    standbyNodeNames: ["b", "c"],
    candidates: ["a", "b", "c"].map((node) => ({ node, eligible: true, eligibleSince: at(-600) })),
    lastFailover: { to: "a", reason: "", startTime: at(-600), durationMilliseconds: 100 },
  },
};

const CILIUM_POLICY = {
  metadata: { name: "web", uid: "u", resourceVersion: "1", labels: { [`${PREFIX}policy`]: "web" } },
  spec: {
    selectors: [{ podSelector: { matchLabels: { app: "web" } } }],
    destinationCIDRs: ["0.0.0.0/0"],
    egressGateway: {
      nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a.example.org" } },
      egressIP: VIP,
    },
  },
};

function snapshotOf(
  machines: readonly Raw[],
  gateway: Any = GATEWAY,
  ciliumPolicy: Any = CILIUM_POLICY,
): Snapshot {
  const invalid: InvalidObject[] = [];
  return {
    now: NOW,
    nodes: readable(machines.map(({ node }) => decodeNode(node)), invalid),
    ciliumPods: readable(machines.map(({ cilium }) => decodePod(cilium)), invalid),
    agentPods: readable(machines.map(({ agent }) => decodePod(agent)), invalid),
    leases: readable(machines.map(({ lease }) => decodeLease(lease)), invalid),
    gateways: readable([decodeGateway(gateway)], invalid),
    policies: [policy("web")],
    ciliumPolicies: readable([decodeCiliumPolicy(ciliumPolicy)], invalid),
    invalid,
  };
}

/** What is odd about a machine, by edits of its objects. */
const ODD: Readonly<Record<string, (machine: Any) => void>> = {
  "a foreign condition has the status 'true'": ({ node }) =>
    node.status.conditions.unshift({ type: "Foreign", status: "true" }),
  "a foreign condition is a text": ({ node }) => node.status.conditions.unshift("Foreign"),
  "a foreign condition has an odd time": ({ node }) =>
    node.status.conditions.push({ type: "Foreign", status: "True", lastTransitionTime: "today" }),
  "the condition Ready has an odd time": ({ node }) =>
    node.status.conditions[0].lastTransitionTime = "today",
  "the condition Ready has an odd message": ({ node }) => node.status.conditions[0].message = 5,
  "the condition Ready has the status 'true'": ({ node }) =>
    node.status.conditions[0].status = "true",
  "of two conditions Ready the first cannot be read": ({ node }) =>
    node.status.conditions.unshift({ type: "Ready", status: "yes" }),
  "conditions are null": ({ node }) => node.status.conditions = null,
  "conditions are a text": ({ node }) => node.status.conditions = "Ready",
  "the status is missing": ({ node }) => delete node.status,
  "the status is null": ({ node }) => node.status = null,
  "the status is a text": ({ node }) => node.status = "Ready",
  "the spec is null": ({ node }) => node.spec = null,
  "unschedulable is null": ({ node }) => node.spec.unschedulable = null,
  "unschedulable is a text": ({ node }) => node.spec.unschedulable = "true",
  "addresses are null": ({ node }) => node.status.addresses = null,
  "addresses are a text": ({ node }) => node.status.addresses = "10.0.0.97",
  "an address has no type": ({ node }) => node.status.addresses.unshift({ address: "10.0.0.5" }),
  "a foreign label is a number": ({ node }) => node.metadata.labels.cores = 8,
  "the label that selects is a number": ({ node }) => node.metadata.labels.role = 1,
  "the hostname label is a number": ({ node }) =>
    node.metadata.labels["kubernetes.io/hostname"] = 1,
  "labels are a list": ({ node }) => node.metadata.labels = ["role"],
  "annotations are null": ({ node }) => node.metadata.annotations = null,
  "an annotation is a number": ({ node }) => node.metadata.annotations = { cores: 8 },
  "ownerReferences are odd": ({ node }) => node.metadata.ownerReferences = ["x"],
  "creationTimestamp is odd": ({ node }) => node.metadata.creationTimestamp = "today",
  "managedFields of the Node are odd": ({ node }) => node.metadata.managedFields = [{ time: 5 }],
  "uid, resourceVersion and generation of the Node are odd": ({ node }) =>
    Object.assign(node.metadata, { uid: 5, generation: "1" }),
  "conditions of Cilium's pod are null": ({ cilium }) => cilium.status.conditions = [null],
  "a foreign condition of Cilium's pod is odd": ({ cilium }) =>
    cilium.status.conditions.push({ type: "Foreign", status: 5 }),
  "the condition Ready of Cilium's pod is odd": ({ cilium }) =>
    cilium.status.conditions[0].status = true,
  "conditions of Cilium's pod are a text": ({ cilium }) => cilium.status.conditions = "Ready",
  "the status of Cilium's pod is a text": ({ cilium }) => cilium.status = "Running",
  "nodeName of Cilium's pod is a number": ({ cilium }) => cilium.spec.nodeName = 5,
  "the spec of Cilium's pod is a text": ({ cilium }) => cilium.spec = "a",
  "the name of Cilium's pod is a number": ({ cilium }) => cilium.metadata.name = 5,
  "labels of Cilium's pod are odd": ({ cilium }) => cilium.metadata.labels = { a: 1 },
  "the condition Ready of the agent's pod is odd": ({ agent }) =>
    agent.status.conditions[0].status = true,
  "nodeName of the agent's pod is a number": ({ agent }) => agent.spec.nodeName = 5,
  "the agent's pod is a text": (machine) => machine.agent = "agent",
  "the spec of the Lease is a text": ({ lease }) => lease.spec = "x",
  "managedFields of the Lease are a text": ({ lease }) => lease.metadata.managedFields = "agent",
  "the time of the last renewal is odd": ({ lease }) =>
    lease.metadata.managedFields[0].time = "today",
  "another's entry in managedFields is odd": ({ lease }) =>
    lease.metadata.managedFields.push({ manager: "other", time: "today" }),
  "the report is no JSON": ({ lease }) => lease.metadata.annotations[`${PREFIX}report`] = "{",
  "the report is null": ({ lease }) => lease.metadata.annotations[`${PREFIX}report`] = "null",
  "an annotation of the Lease is a number": ({ lease }) => lease.metadata.annotations.cores = 8,
  ...Object.fromEntries(
    Object.keys(reportOf("a")).flatMap((part) => [
      [`${part} of the report cannot be read`, editReport((report) => report[part] = 5)],
      [`${part} of the report is missing`, editReport((report) => delete report[part])],
      [`${part} of the report is null`, editReport((report) => report[part] = null)],
    ]),
  ),
  "one interface of the report is odd": editReport((report) =>
    report.interfaces = [{ name: "eth1", up: "yes" }]
  ),
  "a failure has a reason of a newer version": editReport((report) =>
    report.failures = [{ gateway: "gw", reason: "UplinkDown", message: "No answer" }]
  ),
};

function editReport(edit: (report: Any) => void): (machine: Any) => void {
  return ({ lease }) => {
    const key = `${PREFIX}report`;
    const report = JSON.parse(lease.metadata.annotations[key]);
    edit(report);
    lease.metadata.annotations[key] = JSON.stringify(report);
  };
}

function planWith(name: string, edit: (machine: Any) => void): Plan {
  return decide(snapshotOf(["a", "b", "c"].map((each) => {
    const raw = machine(each);
    if (each === name) edit(raw);
    return raw;
  })));
}

/** Parts that say by their absence what stands there, so that the holder may have to go. */
const TELLING = /^interfaces of the report is (missing|null)/;

for (const [what, edit] of Object.entries(ODD)) {
  if (!TELLING.test(what)) {
    Deno.test(`a holder keeps its gateway when ${what}`, () => {
      const plan = planWith("a", edit);
      const { activeNodeName, decision, term } = gatewayPlan(plan, "gw");
      assert.deepEqual([activeNodeName, decision, term], ["a", "Keep", 3]);
      const moved = plan.changes.filter(({ kind }) => kind === "CiliumEgressGatewayPolicy").map((
        { body },
      ) => (body["spec"] as Any)?.egressGateway).filter((each) => each !== undefined);
      assert.deepEqual(moved, []);
    });
  }
  Deno.test(`another gateway node is unharmed when on a standby ${what}`, () => {
    const plan = planWith("b", edit);
    const { activeNodeName, decision, candidates } = gatewayPlan(plan, "gw");
    assert.deepEqual([activeNodeName, decision], ["a", "Keep"]);
    const well = candidates.filter(({ eligible }) => eligible).map(({ node }) => node);
    assert.ok(well.includes("a") && well.includes("c"), `eligible: ${well}`);
  });
}

Deno.test("a candidate that cannot be read may not be elected, and it is said why", () => {
  const plan = planWith("b", ODD["the condition Ready has the status 'true'"] ?? assert.fail);
  const { eligible, reasons } = found(
    gatewayPlan(plan, "gw").candidates.find(({ node }) => node === "b"),
    "b",
  );
  assert.deepEqual([eligible, reasons.map(({ type }) => type)], [false, ["Unreadable"]]);
  assert.match(
    reasons[0]?.message ?? "",
    /status\.conditions\[0\]\.?.*write True, False or Unknown/,
  );
});

Deno.test("what is known against a holder counts, whatever else cannot be read", () => {
  const plan = planWith("a", ({ node, lease }) => {
    node.status.conditions[0].status = "true";
    lease.metadata.managedFields[0].time = at(-30);
  });
  assert.equal(gatewayPlan(plan, "gw").decision, "FailOver");
});

Deno.test("a holder whose Node is refused as a whole keeps its gateway", () => {
  const state = snapshotOf(["a", "b", "c"].map(machine));
  const plan = decide({
    ...state,
    nodes: state.nodes.filter(({ name }) => name !== "a"),
    invalid: [{ kind: "Node", name: "a", message: "metadata.labels.spot: quote it" }],
  });
  assert.equal(gatewayPlan(plan, "gw").activeNodeName, "a");
  assert.equal(policyCondition(plan, "web", "Ready").status, "True");
});

Deno.test("a pod that has ended is not ready, whatever its condition says", () => {
  for (const phase of ["Failed", "Succeeded"]) {
    const plan = planWith("a", ({ cilium }) => cilium.status.phase = phase);
    assert.equal(gatewayPlan(plan, "gw").activeNodeName, "b", phase);
  }
});

Deno.test("one odd part of a gateway's status loses neither holder nor term", () => {
  const odd: Readonly<Record<string, unknown>> = {
    observedGeneration: "1",
    activeNodeAddresses: "10.0.0.97",
    standbyNodeNames: 5,
    readyNodes: "2",
    candidates: [5, { node: "a", eligible: true, eligibleSince: at(-600), rank: "0" }],
    lastFailover: 5,
    conditions: [{ type: 5 }, "Ready"],
  };
  for (const [field, value] of Object.entries(odd)) {
    const gateway = { ...GATEWAY, status: { ...GATEWAY.status, [field]: value } };
    const plan = decide(snapshotOf(["a", "b", "c"].map(machine), gateway));
    const { activeNodeName, decision, term } = gatewayPlan(plan, "gw");
    assert.deepEqual([activeNodeName, decision, term], ["a", "Keep", 3], field);
  }
});

Deno.test("a gateway whose holder or term cannot be read is left as it is", () => {
  for (
    const status of [{ ...GATEWAY.status, term: "3" }, { ...GATEWAY.status, activeNodeName: 1 }]
  ) {
    const plan = decide(snapshotOf(["a", "b", "c"].map(machine), { ...GATEWAY, status }));
    assert.deepEqual(plan.gateways, []);
    const kinds = plan.changes.map(({ kind }) => kind);
    assert.ok(!kinds.includes("CiliumEgressGatewayPolicy"), kinds.join());
  }
});

Deno.test("a Cilium policy with odd metadata is read as far as it can be", () => {
  const metadata = { ...CILIUM_POLICY.metadata, annotations: { a: 1 }, creationTimestamp: "today" };
  const state = snapshotOf(["a", "b", "c"].map(machine), GATEWAY, { ...CILIUM_POLICY, metadata });
  const plan = decide(state);
  assert.deepEqual(egressGateway(state, plan, "web"), CILIUM_POLICY.spec.egressGateway);
  assert.equal(policyCondition(plan, "web", "Accepted").status, "True");
});
