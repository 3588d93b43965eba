/** One EgressGatewayPolicy is one CiliumEgressGatewayPolicy of the same name, and nobody else's is touched. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import type { CiliumPolicy, JsonObject, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import {
  cluster,
  edit,
  foreignCiliumPolicy,
  gateway,
  invalid,
  lease,
  policy,
  VIP,
} from "../support/builders.ts";
import type { ClusterOptions } from "../support/builders.ts";
import { running } from "../support/obedient_agents.ts";
import { bodyOf, egressGateway, found, policyCondition, writes } from "../support/read_plan.ts";

const PREFIX = "egress-gateway.network.deckhouse.io/";
const NO_NODE = { nodeSelector: { matchLabels: { [`${PREFIX}no-node`]: "true" } } };

/** One gateway that a holds, one policy, and what `parts` adds. */
function before(parts: Omit<ClusterOptions, "nodes"> = {}): Snapshot {
  return cluster({
    nodes: { a: {}, b: {} },
    gateways: [gateway("gw")],
    policies: [policy("web")],
    ...parts,
  });
}

const settled = () => running(before());

const ciliumPolicy = (state: Snapshot, name = "web"): CiliumPolicy =>
  found(state.ciliumPolicies.find((each) => each.name === name), name);

Deno.test("a policy becomes a Cilium policy that names the holder by its hostname label", () => {
  const state = before({
    policies: [
      policy("web", {
        destinationCIDRs: ["0.0.0.0/0"],
        excludedCIDRs: ["10.0.0.0/8"],
        selectors: [{
          podSelector: { matchLabels: { app: "web" } },
          namespaceSelector: { matchLabels: { team: "shop" } },
        }],
      }),
    ],
  });
  const plan = decide(
    edit(state, { nodes: { a: { labels: { "kubernetes.io/hostname": "a.example.org" } } } }),
  );
  assert.deepEqual(bodyOf(plan, "CiliumEgressGatewayPolicy", "web"), {
    apiVersion: "cilium.io/v2",
    kind: "CiliumEgressGatewayPolicy",
    metadata: {
      name: "web",
      labels: {
        "app.kubernetes.io/managed-by": "sallyport",
        [`${PREFIX}policy`]: "web",
        [`${PREFIX}gateway`]: "gw",
      },
      annotations: { [`${PREFIX}term`]: "1" },
      ownerReferences: [{
        apiVersion: "network.deckhouse.io/v1alpha1",
        kind: "EgressGatewayPolicy",
        name: "web",
        uid: "uid-web",
        controller: true,
      }],
    },
    spec: {
      selectors: [{
        podSelector: { matchLabels: { app: "web" } },
        namespaceSelector: { matchLabels: { team: "shop" } },
      }],
      destinationCIDRs: ["0.0.0.0/0"],
      excludedCIDRs: ["10.0.0.0/8"],
      egressGateway: {
        nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a.example.org" } },
        interface: "eth1",
      },
    },
  });
});

Deno.test("in VIP mode the Cilium policy names the VIP, the term and when the VIP was bound", () => {
  const state = running(before({ gateways: [gateway("gw", { vip: VIP })] }));
  const { spec, annotations } = ciliumPolicy(state);
  assert.deepEqual(spec["egressGateway"], {
    nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } },
    egressIP: VIP,
  });
  assert.deepEqual(Object.keys(annotations).sort(), [`${PREFIX}bound-at`, `${PREFIX}term`]);
});

Deno.test("the policy's status says which node and which address its traffic leaves by", () => {
  const addresses = ["192.0.2.10/24", "192.0.2.11/24"];
  const interfaces = [{ name: "eth1", up: true, addresses }];
  const primary = running(cluster({
    nodes: { a: { lease: { report: { interfaces } } } },
    gateways: [gateway("gw")],
    policies: [policy("web")],
  }));
  const vip = running(before({ gateways: [gateway("gw", { vip: VIP })] }));
  const ipOf = (state: Snapshot) => {
    const { activeNodeName, egressIP } = found(state.policies[0], "policy").status;
    return [activeNodeName, egressIP];
  };
  assert.deepEqual(ipOf(primary), ["a", "192.0.2.10"]);
  assert.deepEqual(ipOf(vip), ["a", VIP]);
  // Without agents nobody knows the interface's address.
  assert.deepEqual(ipOf(running(edit(before(), { leases: { a: null, b: null } }))), [
    "a",
    undefined,
  ]);
});

Deno.test("a hand-edited Cilium policy is put back, what others added to its metadata stays", () => {
  const state = settled();
  const cegp = ciliumPolicy(state);
  const edited = edit(state, {
    ciliumPolicies: {
      web: {
        labels: { ...cegp.labels, [`${PREFIX}gateway`]: "wrong", team: "theirs" },
        annotations: { note: "theirs" },
        spec: {
          ...cegp.spec,
          destinationCIDRs: ["10.0.0.0/8"],
          egressGateway: {
            nodeSelector: { matchLabels: { "kubernetes.io/hostname": "b", extra: "yes" } },
            interface: "eth1",
          },
        },
      },
    },
  });
  const plan = decide(edited);
  assert.deepEqual(bodyOf(plan, "CiliumEgressGatewayPolicy", "web"), {
    metadata: {
      resourceVersion: cegp.resourceVersion,
      labels: { [`${PREFIX}gateway`]: "gw" },
      annotations: { [`${PREFIX}term`]: "1" },
    },
    spec: {
      destinationCIDRs: ["0.0.0.0/0"],
      egressGateway: {
        nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a", extra: null } },
      },
    },
  });
  const repaired = ciliumPolicy(applyPlan(edited, plan));
  assert.deepEqual(repaired.spec, cegp.spec);
  assert.deepEqual(repaired.labels, { ...cegp.labels, team: "theirs" });
  assert.deepEqual(repaired.annotations, { ...cegp.annotations, note: "theirs" });
});

Deno.test("keys in another order are no difference", () => {
  const state = settled();
  const { spec } = ciliumPolicy(state);
  const reversed: JsonObject = Object.fromEntries(Object.entries(spec).reverse());
  assert.deepEqual(
    decide(edit(state, { ciliumPolicies: { web: { spec: reversed } } })).changes,
    [],
  );
});

Deno.test("a changed policy changes exactly that part of its Cilium policy", () => {
  const state = settled();
  const { spec } = policy("web", { destinationCIDRs: ["192.0.2.0/24"] });
  const plan = decide(edit(state, { policies: { web: { spec, generation: 2 } } }));
  assert.deepEqual(bodyOf(plan, "CiliumEgressGatewayPolicy", "web")["spec"], {
    destinationCIDRs: ["192.0.2.0/24"],
  });
});

Deno.test("exclusions that are taken out of a policy are taken out of the Cilium policy", () => {
  const state = running(before({ policies: [policy("web", { excludedCIDRs: ["10.0.0.0/8"] })] }));
  const plan = decide(edit(state, { policies: { web: { spec: policy("web").spec } } }));
  assert.deepEqual(bodyOf(plan, "CiliumEgressGatewayPolicy", "web")["spec"], {
    excludedCIDRs: null,
  });
});

Deno.test("an owner that is not the policy's uid is replaced, other owners stay", () => {
  const state = settled();
  const theirs = { apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "uid-x" };
  const stale = { ...found(ciliumPolicy(state).ownerReferences[0], "owner"), uid: "uid-old" };
  const edited = edit(state, { ciliumPolicies: { web: { ownerReferences: [theirs, stale] } } });
  const after = applyPlan(edited, decide(edited));
  assert.deepEqual(ciliumPolicy(after).ownerReferences.map(({ uid }) => uid), ["uid-x", "uid-web"]);
});

Deno.test("a Cilium policy that lost our label is still ours by its owner", () => {
  const state = edit(settled(), { ciliumPolicies: { web: { labels: {} } } });
  const after = applyPlan(state, decide(state));
  assert.equal(ciliumPolicy(after).labels[`${PREFIX}policy`], "web");
});

Deno.test("a Cilium policy that lost its owner is still ours by its label", () => {
  const state = edit(settled(), {
    policies: { web: null },
    ciliumPolicies: { web: { ownerReferences: [] } },
  });
  assert.deepEqual(writes(decide(state)), ["delete CiliumEgressGatewayPolicy/web"]);
});

Deno.test("a Cilium policy of the same name that is not ours stays as it is, and conditions say so", () => {
  const state = before({ ciliumPolicies: [foreignCiliumPolicy("web")] });
  const plan = decide(state);
  assert.equal(writes(plan).some((write) => write.includes("CiliumEgressGatewayPolicy")), false);
  for (
    const [type, status] of [["Accepted", "False"], ["Ready", "False"], ["Conflicted", "True"]]
  ) {
    const condition = policyCondition(plan, "web", type ?? "");
    assert.deepEqual([condition.status, condition.reason], [status, "NameClash"]);
  }
  const { message } = policyCondition(plan, "web", "Conflicted");
  assert.match(message, /rename this policy or delete that object/);
  assert.match(message, /until you want it back: sallyport adopt web$/);
  assert.match(plan.warnings[0] ?? "", /^EgressGatewayPolicy 'web': .*is not ours/);
  assert.equal(applyPlan(state, plan).policies[0]?.status.activeNodeName, undefined);
});

const FOREIGN: readonly (readonly [string, Partial<CiliumPolicy>])[] = [
  ["without labels", {}],
  ["that was copied from ours under another name", { labels: { [`${PREFIX}policy`]: "web" } }],
  [
    "that another EgressGatewayPolicy owns",
    {
      ownerReferences: [{
        apiVersion: "network.deckhouse.io/v1alpha1",
        kind: "EgressGatewayPolicy",
        name: "web",
        uid: "uid-web",
      }],
    },
  ],
  [
    "that an EgressGatewayPolicy of another API owns",
    {
      ownerReferences: [
        { apiVersion: "example.org/v1", kind: "EgressGatewayPolicy", name: "other", uid: "u" },
      ],
    },
  ],
];

for (const [what, options] of FOREIGN) {
  Deno.test(`a Cilium policy ${what} is never deleted`, () => {
    const plan = decide(before({ ciliumPolicies: [foreignCiliumPolicy("other", options)] }));
    assert.equal(writes(plan).includes("delete CiliumEgressGatewayPolicy/other"), false);
  });
}

Deno.test("a policy that is gone takes its Cilium policy along, with uid and resourceVersion", () => {
  const state = edit(settled(), { policies: { web: null } });
  const plan = decide(state);
  const { uid, resourceVersion } = ciliumPolicy(state);
  assert.deepEqual(plan.changes.map(({ action, name, body }) => ({ action, name, body })), [
    { action: "delete", name: "web", body: { preconditions: { uid, resourceVersion } } },
  ]);
  assert.deepEqual(applyPlan(state, plan).ciliumPolicies, []);
});

Deno.test("a Cilium policy that is already being deleted is not deleted again", () => {
  const state = edit(settled(), {
    policies: { web: null },
    ciliumPolicies: { web: { deleting: true } },
  });
  assert.deepEqual(decide(state).changes, []);
});

Deno.test("a policy that is being deleted gets no new Cilium policy and no status", () => {
  const state = before({ policies: [policy("web", { deleting: true })] });
  assert.equal(writes(decide(state)).some((write) => write.includes("Policy/web")), false);
});

Deno.test("a policy without its gateway selects no node, so that Cilium drops", () => {
  const state = before({ policies: [policy("web", { gateway: "missing" })] });
  const plan = decide(state);
  assert.deepEqual(egressGateway(state, plan, "web"), NO_NODE);
  const ready = policyCondition(plan, "web", "Ready");
  assert.deepEqual([ready.status, ready.reason], ["False", "GatewayNotFound"]);
  assert.match(ready.message, /^No EgressGateway 'missing'; Cilium drops/);
});

Deno.test("a policy whose gateway is deleted stops naming a node", () => {
  const state = edit(settled(), { gateways: { gw: null } });
  assert.deepEqual(egressGateway(state, decide(state), "web"), NO_NODE);
  assert.equal(applyPlan(state, decide(state)).policies[0]?.status.activeNodeName, undefined);
});

Deno.test("a policy whose gateway never had a holder selects no node", () => {
  const state = cluster({ nodes: {}, gateways: [gateway("gw")], policies: [policy("web")] });
  const plan = decide(state);
  assert.deepEqual(egressGateway(state, plan, "web"), NO_NODE);
  assert.match(policyCondition(plan, "web", "Ready").message, /Cilium drops the selected traffic$/);
});

Deno.test("a policy is not Ready while its traffic is sent to a node that is not eligible", () => {
  const state = edit(settled(), { nodes: { a: { ready: "False" }, b: { ready: "False" } } });
  const ready = policyCondition(decide(state), "web", "Ready");
  assert.deepEqual([ready.status, ready.reason], ["False", "ActiveNodeNotEligible"]);
});

Deno.test("a holder whose node object is gone is named by its name while nobody else is eligible", () => {
  const state = edit(settled(), { nodes: { a: null, b: null } });
  assert.deepEqual(egressGateway(state, decide(state), "web"), {
    nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } },
    interface: "eth1",
  });
});

Deno.test("a policy that turns to another gateway follows that gateway's holder", () => {
  const state = running(before({ gateways: [gateway("gw"), gateway("other", { pin: "b" })] }));
  const turned = edit(state, {
    policies: { web: { spec: policy("web", { gateway: "other" }).spec } },
  });
  const after = applyPlan(turned, decide(turned));
  assert.equal(ciliumPolicy(after).labels[`${PREFIX}gateway`], "other");
  assert.match(JSON.stringify(ciliumPolicy(after).spec["egressGateway"]), /"b"/);
});

Deno.test("a failover writes all policies in one burst behind the status", () => {
  const policies = ["p1", "p2", "p3"].map((name) => policy(name));
  const state = edit(running(before({ policies })), { nodes: { a: { ready: "False" } } });
  const group = decide(state).changes.filter((change) => change.group === "gw");
  const burst = group.filter(({ kind }) => kind === "CiliumEgressGatewayPolicy");
  assert.equal(burst.length, 3);
  assert.equal(new Set(burst.map(({ stage }) => stage)).size, 1);
  const [status] = group;
  assert.equal(status?.kind, "EgressGateway");
  assert.ok((status?.stage ?? 9) < (burst[0]?.stage ?? 0));
});

// ---------------------------------------------------------------- what cannot be read

Deno.test("a gateway that cannot be read leaves its Cilium policies as they are", () => {
  const state = settled();
  const unread = {
    ...edit(state, { gateways: { gw: null } }),
    invalid: [invalid("EgressGateway", "gw")],
  };
  const plan = decide(unread);
  assert.equal(writes(plan).some((write) => write.includes("Cilium")), false);
  for (const type of ["Accepted", "Ready"]) {
    const { status, reason } = policyCondition(plan, "web", type);
    assert.deepEqual([status, reason], ["Unknown", "Unreadable"]);
  }
  const { activeNodeName } = found(applyPlan(unread, plan).policies[0], "policy").status;
  assert.equal(activeNodeName, "a", "its traffic goes on by the node that it had");
});

Deno.test("a gateway that cannot be read gets no Cilium policies for new policies either", () => {
  const plan = decide(before({ gateways: [], invalid: [invalid("EgressGateway", "gw")] }));
  assert.equal(writes(plan).some((write) => write.includes("Cilium")), false);
});

Deno.test("a Cilium policy that cannot be read is neither made anew nor deleted", () => {
  const unread = (state: Snapshot): Snapshot => ({
    ...edit(state, { ciliumPolicies: { web: null } }),
    invalid: [invalid("CiliumEgressGatewayPolicy", "web")],
  });
  assert.equal(writes(decide(unread(settled()))).some((write) => write.includes("Cilium")), false);
});

Deno.test("a policy that cannot be read keeps its Cilium policy", () => {
  const state = edit(settled(), { policies: { web: null } });
  const plan = decide({ ...state, invalid: [invalid("EgressGatewayPolicy", "web")] });
  assert.deepEqual(plan.changes, []);
});

Deno.test("agents that come and go do not rewrite Cilium policies", () => {
  const state = settled();
  const gone = { ...state, leases: state.leases.map(({ name }) => lease(name, { ago: 99 })) };
  assert.equal(writes(decide(gone)).some((write) => write.includes("Cilium")), false);
});
