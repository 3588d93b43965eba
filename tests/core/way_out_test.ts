/** By which way a pod's traffic leaves, as the policies say that Cilium is told. */
import assert from "node:assert/strict";
import { wayOut } from "../../src/core/way_out.ts";
import type { SourcePod } from "../../src/core/way_out.ts";
import { GATEWAY_LABEL, POLICY_LABEL } from "../../src/core/names.ts";
import type { CiliumPolicy, PolicyRule, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { decide } from "../../src/core/decide.ts";
import { cluster, foreignCiliumPolicy, gateway, policy } from "../support/builders.ts";

const OUTSIDE = "203.0.113.7";

function pod(options: Partial<SourcePod> = {}): SourcePod {
  return {
    namespace: "shop",
    name: "web-0",
    labels: { app: "web" },
    namespaceLabels: { team: "store" },
    nodeName: "w",
    hostNetwork: false,
    ...options,
  };
}

/** Two gateways on nodes a and b, as a controller leaves them. */
function settled(parts: Omit<Partial<Snapshot>, "nodes">): Snapshot {
  const before = cluster({
    nodes: { a: {}, b: {}, w: { node: { labels: { role: "worker" } } } },
    gateways: [
      gateway("gw"),
      gateway("other", { nodeSelector: { "kubernetes.io/hostname": "b" } }),
    ],
    ...parts,
  });
  return applyPlan(before, decide(before));
}

const ask = (snapshot: Snapshot, { from = pod(), to = OUTSIDE } = {}) =>
  wayOut(from, { destination: to, snapshot });

Deno.test("the way of a pod is told with gateway, policy, node, and why", () => {
  const way = ask(settled({ policies: [policy("web"), policy("db")] }));
  assert.deepEqual(
    [way.verdict, way.gateway, way.policy, way.node],
    ["Gateway", "gw", "web", "a"],
  );
  assert.match(
    way.why.join("; "),
    /EgressGatewayPolicy 'web' selects the pod \(selectors\[0\]\) and 0\.0\.0\.0\/0; a holds EgressGateway 'gw' in term 1 since .*best-ranked/,
  );
  assert.deepEqual(way.others, []);
});

const namespaced = (labels: Readonly<Record<string, string>>): PolicyRule => ({
  namespaceSelector: { matchLabels: labels },
});

const SELECTORS: readonly (readonly [string, PolicyRule, Partial<SourcePod>, boolean])[] = [
  ["a label", { podSelector: { matchLabels: { app: "web" } } }, {}, true],
  [
    "another value",
    { podSelector: { matchLabels: { app: "web" } } },
    { labels: { app: "b" } },
    false,
  ],
  ["every pod", { podSelector: {} }, { labels: {} }, true],
  ["a label of the namespace", namespaced({ team: "store" }), {}, true],
  ["another label of the namespace", namespaced({ team: "bank" }), {}, false],
  [
    "the namespace's name",
    { podSelector: { matchLabels: { "io.kubernetes.pod.namespace": "shop" } } },
    {},
    true,
  ],
  [
    "a pod that only calls itself of that namespace",
    namespaced({ team: "bank" }),
    { labels: { "io.cilium.k8s.namespace.labels.team": "bank" } },
    false,
  ],
  [
    "a label that must be absent",
    { podSelector: { matchExpressions: [{ key: "app", operator: "DoesNotExist" }] } },
    {},
    false,
  ],
  [
    "a value that it must not have, of a label that it lacks",
    { podSelector: { matchExpressions: [{ key: "tier", operator: "NotIn", values: ["x"] }] } },
    {},
    true,
  ],
];

for (const [what, rule, from, selected] of SELECTORS) {
  Deno.test(`a policy ${selected ? "selects" : "does not select"} by ${what}`, () => {
    const way = ask(settled({ policies: [policy("p", { selectors: [rule] })] }), {
      from: pod(from),
    });
    assert.equal(way.verdict, selected ? "Gateway" : "OwnNode");
  });
}

Deno.test("the most precise network counts, of whichever policy, and the others are told", () => {
  const web = [{ podSelector: { matchLabels: { app: "web" } } }];
  const both = settled({
    policies: [
      policy("wide", { selectors: web }),
      policy("narrow", {
        selectors: web,
        gateway: "other",
        destinationCIDRs: ["203.0.113.0/24"],
      }),
      policy("elsewhere", { selectors: web, destinationCIDRs: ["198.51.100.0/24"] }),
    ],
  });
  const way = ask(both);
  assert.deepEqual([way.policy, way.gateway, way.node], ["narrow", "other", "b"]);
  assert.deepEqual(way.others, [
    "EgressGatewayPolicy 'elsewhere' selects the pod, but not 203.0.113.7",
    "EgressGatewayPolicy 'wide' selects 0.0.0.0/0, which is less precise than 203.0.113.0/24",
  ]);
  assert.equal(ask(both, { to: "192.0.2.1" }).policy, "wide");
});

Deno.test("what one policy excludes leaves by the pod's own node, though another has it, less precisely", () => {
  const way = ask(settled({
    policies: [
      policy("web", { excludedCIDRs: ["203.0.113.0/24"] }),
      policy("all", { gateway: "other", selectors: [{ podSelector: {} }] }),
    ],
  }));
  assert.deepEqual([way.verdict, way.node], ["OwnNode", "w"]);
  assert.match(way.why.join(), /'web' excludes 203\.0\.113\.0\/24/);
});

Deno.test("two gateways for one network are left to chance, two policies of one gateway are not", () => {
  const selectors = [{ podSelector: {} }];
  const two = (other: string) =>
    ask(
      settled({
        policies: [policy("p", { selectors }), policy("q", { selectors, gateway: other })],
      }),
    );
  assert.equal(two("gw").verdict, "Gateway");
  const unclear = two("other");
  assert.equal(unclear.verdict, "Unclear");
  assert.match(unclear.why.join(), /'p' and .*'q' name the same network 0\.0\.0\.0\/0/);
});

Deno.test("nothing inside the cluster and nothing of the host's network goes by a gateway", () => {
  const world = settled({ policies: [policy("p", { selectors: [{ podSelector: {} }] })] });
  const [address = ""] = world.nodes.find(({ name }) => name === "b")?.internalIPs ?? [];
  const node = ask(world, { to: address });
  assert.deepEqual([node.verdict, node.why.join()], [
    "OwnNode",
    `${address} belongs to node b: what stays in the cluster goes by no gateway`,
  ]);
  const peer = wayOut(pod(), { destination: OUTSIDE, inCluster: "pod shop/db-0", snapshot: world });
  assert.match(peer.why.join(), /belongs to pod shop\/db-0/);
  assert.match(ask(world, { from: pod({ hostNetwork: true }) }).why.join(), /hostNetwork/);
});

Deno.test("without a holder the traffic is dropped, and the policy's own words say why", () => {
  const way = ask(settled({ policies: [policy("web", { gateway: "nosuch" })] }));
  assert.deepEqual([way.verdict, way.gateway], ["Dropped", "nosuch"]);
  assert.match(way.why.join("; "), /No EgressGateway 'nosuch'; Cilium drops/);
});

Deno.test("a policy that Cilium was not told of, or not for this namespace, is told", () => {
  const untold = cluster({
    nodes: { a: {} },
    gateways: [gateway("gw")],
    policies: [policy("web")],
  });
  const [told] = ask(untold).others;
  assert.match(told ?? "", /'web' selects it, but Cilium has not been told/);
  const refused = settled({
    gateways: [gateway("gw", { allowedNamespaces: { names: ["bank"] } })],
    policies: [policy("web")],
  });
  assert.equal(ask(refused).verdict, "OwnNode");
  assert.match(ask(refused).others.join(), /does not serve namespace shop \(allowedNamespaces\)/);
  const clash = settled({
    policies: [policy("web")],
    ciliumPolicies: [foreignCiliumPolicy("web")],
  });
  assert.match(ask(clash).others.join(), /CiliumEgressGatewayPolicy 'web' is somebody else's/);
});

Deno.test("policies that others wrote to Cilium count, and those that are not understood are told", () => {
  const foreign = (spec: CiliumPolicy["spec"]) =>
    settled({ ciliumPolicies: [foreignCiliumPolicy("theirs", { spec })] });
  const egressGateway = {
    nodeSelector: { matchLabels: { role: "worker" } },
    egressIP: "192.0.2.9",
  };
  const selectors = [{ podSelector: { matchLabels: { app: "web" } } }];
  const way = ask(foreign({ selectors, destinationCIDRs: ["0.0.0.0/0"], egressGateway }));
  assert.deepEqual(
    [way.verdict, way.policy, way.gateway, way.node, way.egressIP],
    ["Gateway", "theirs", undefined, "w", "192.0.2.9"],
  );
  const odd = foreign({
    selectors: [{ podSelector: {}, serviceSelector: {} }],
    destinationCIDRs: ["0.0.0.0/0"],
    egressGateway,
  });
  assert.equal(ask(odd).verdict, "OwnNode");
  assert.match(ask(odd).others.join(), /has a rule that is not understood here/);
});

Deno.test("while a gateway moves, the way is that of the node before", () => {
  const before = settled({
    gateways: [gateway("gw", { vip: "172.18.18.242" })],
    policies: [policy("web")],
  });
  const [made] = before.ciliumPolicies;
  assert.ok(made !== undefined);
  const way = ask({
    ...before,
    ciliumPolicies: [{
      ...made,
      labels: { ...made.labels, [POLICY_LABEL]: "web", [GATEWAY_LABEL]: "gw" },
      spec: {
        ...made.spec,
        egressGateway: {
          nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } },
          egressIP: "172.18.18.242",
        },
      },
    }],
    gateways: before.gateways.map((each) => ({
      ...each,
      status: { ...each.status, activeNodeName: "b", phase: "Preparing" as const },
    })),
  });
  assert.deepEqual([way.node, way.egressIP], ["a", "172.18.18.242"]);
  assert.match(way.why.join("; "), /a is still the way of .*; The gateway is moving to b \(Prep/);
});

Deno.test("IPv6 destinations are looked up among IPv6 networks alone", () => {
  const world = settled({
    policies: [policy("web", { destinationCIDRs: ["0.0.0.0/0", "2001:db8::/32"] })],
  });
  assert.equal(ask(world, { to: "2001:db8::7" }).verdict, "Gateway");
  assert.equal(ask(world, { to: "2001:db9::7" }).verdict, "OwnNode");
});
