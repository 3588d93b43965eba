/** Gateways and policies of both families: what Cilium is told for each, and what is said where a gateway has but one. */
import assert from "node:assert/strict";
import { adoption, givenBack } from "../../src/core/adoption.ts";
import { decide } from "../../src/core/decide.ts";
import { applyMergePatch } from "../../src/core/merge_patch.ts";
import { FORMER_ANNOTATION, NO_NODE_LABEL } from "../../src/core/names.ts";
import { wayOut } from "../../src/core/way_out.ts";
import type { CiliumPolicy, JsonObject, Snapshot } from "../../src/core/types.ts";
import { applyPlan, applyWhatFits } from "../support/apply_plan.ts";
import {
  cluster,
  edit,
  foreignCiliumPolicy,
  gateway,
  policy,
  report,
} from "../support/builders.ts";
import type { GatewayOptions, Machine, PolicyOptions } from "../support/builders.ts";
import { later, obey, running, settle } from "../support/obedient_agents.ts";
import {
  bodyOf,
  found,
  gatewayCondition,
  gatewayPlan,
  policyCondition,
  reasonTypes,
  writes,
} from "../support/read_plan.ts";

const V4 = "172.18.18.242";
const V6 = "2001:db8::242";
const BOTH: PolicyOptions = { destinationCIDRs: ["0.0.0.0/0", "::/0"] };

function world(
  { of = [V4, V6], to = BOTH, nodes = { a: {}, b: {} }, ...rest }: {
    readonly of?: readonly string[] | "eth1";
    readonly to?: PolicyOptions;
    readonly nodes?: Readonly<Record<string, Machine>>;
    readonly gateway?: GatewayOptions;
    readonly ciliumPolicies?: readonly CiliumPolicy[];
  } = {},
): Snapshot {
  const options = of === "eth1" ? {} : { vip: of };
  return cluster({
    nodes,
    gateways: [gateway("gw", { ...options, ...rest.gateway })],
    policies: [policy("web", to)],
    ciliumPolicies: rest.ciliumPolicies ?? [],
  });
}

/** Name of each Cilium policy -> its destinations, those excluded, its node and its source. */
function told({ ciliumPolicies }: Snapshot): Readonly<Record<string, string>> {
  return Object.fromEntries(
    ciliumPolicies.map(({ name, spec }) => {
      const { nodeSelector, ...source } = spec["egressGateway"] as JsonObject;
      const labels = (nodeSelector as JsonObject)["matchLabels"] as JsonObject;
      const node = labels[NO_NODE_LABEL] === undefined ? labels["kubernetes.io/hostname"] : "none";
      const excluded = spec["excludedCIDRs"] === undefined ? "" : ` but ${spec["excludedCIDRs"]}`;
      const from = Object.entries(source).map(([key, value]) => `${key} ${value}`).join();
      return [name, `${spec["destinationCIDRs"]}${excluded} by ${node} ${from}`.trim()];
    }).sort(),
  );
}

const withPolicy = (state: Snapshot, options: PolicyOptions): Snapshot =>
  edit(state, {
    policies: {
      web: {
        spec: policy("web", options).spec,
        generation: (state.policies[0]?.generation ?? 0) + 1,
      },
    },
  });

const withIPs = (state: Snapshot, vip: readonly string[]): Snapshot =>
  edit(state, { gateways: { gw: { spec: gateway("gw", { vip }).spec } } });

const after = (state: Snapshot, dead: readonly string[] = []) => settle(state, { dead }).snapshot;
const statusOf = ({ policies }: Snapshot) => found(policies[0], "policy").status;
const gatewayOf = ({ gateways }: Snapshot) => found(gateways[0], "gateway");

function condition(state: Snapshot, type: string) {
  const { conditions = [] } = statusOf(state);
  const { status, reason, message } = found(conditions.find((each) => each.type === type), type);
  return { status, reason, message };
}

Deno.test("a policy of both families is one Cilium policy for each, with the gateway's address of that family", () => {
  const state = running(world({
    to: { ...BOTH, excludedCIDRs: ["2001:db8:1::/48", "10.0.0.0/8"] },
  }));
  assert.deepEqual(told(state), {
    "web": `0.0.0.0/0 but 10.0.0.0/8 by a egressIP ${V4}`,
    "web-ipv6": `::/0 but 2001:db8:1::/48 by a egressIP ${V6}`,
  });
  assert.deepEqual(condition(state, "Ready"), {
    status: "True",
    reason: "Active",
    message: "Traffic leaves by a",
  });
  const { activeNodeName, egressIP, egressIPs } = statusOf(state);
  assert.deepEqual({ activeNodeName, egressIP, egressIPs }, {
    activeNodeName: "a",
    egressIP: V4,
    egressIPs: [V4, V6],
  });
  const { status } = gatewayOf(state);
  assert.equal(status.egressIP, V4);
  assert.deepEqual(status.egressIPs, [V4, V6]);
});

Deno.test("a policy of one family is one Cilium policy, named as it is", () => {
  const ipv4 = running(world({ to: {} }));
  assert.deepEqual(told(ipv4), { web: `0.0.0.0/0 by a egressIP ${V4}` });
  assert.deepEqual(statusOf(ipv4).egressIPs, undefined);
  const ipv6 = running(world({ to: { destinationCIDRs: ["2001:db8::/32"] } }));
  assert.deepEqual(told(ipv6), { web: `2001:db8::/32 by a egressIP ${V6}` });
  assert.deepEqual(statusOf(ipv6).egressIP, V6);
});

Deno.test("a policy on a gateway of IPv4 alone looks to Cilium as it did before there was IPv6", () => {
  const [made] = running(world({ of: [V4], to: {} })).ciliumPolicies;
  const { name, annotations } = found(made, "web");
  assert.equal(name, "web");
  assert.deepEqual(Object.keys(annotations).sort(), [
    "egress-gateway.network.deckhouse.io/bound-at",
    "egress-gateway.network.deckhouse.io/term",
  ]);
});

Deno.test("a gateway of IPv4 alone serves a policy of both for that one; the other is dropped, and said so", () => {
  const state = running(world({ of: [V4] }));
  assert.deepEqual(told(state), {
    "web": `0.0.0.0/0 by a egressIP ${V4}`,
    "web-ipv6": "::/0 by none",
  });
  const message =
    "EgressGateway 'gw' has no IPv6 address, so that Cilium drops the traffic to IPv6 destinations";
  assert.deepEqual(condition(state, "Accepted"), {
    status: "True",
    reason: "FamilyNotServed",
    message,
  });
  assert.deepEqual(condition(state, "Ready"), {
    status: "True",
    reason: "FamilyNotServed",
    message: `Traffic leaves by a; ${message}`,
  });
  assert.equal(statusOf(state).egressIP, V4);
  assert.equal(statusOf(state).egressIPs, undefined);
});

Deno.test("a gateway of IPv6 alone serves a policy of both for that one", () => {
  const state = running(world({ of: [V6] }));
  assert.deepEqual(told(state), {
    "web": "0.0.0.0/0 by none",
    "web-ipv6": `::/0 by a egressIP ${V6}`,
  });
  assert.match(condition(state, "Ready").message, /'gw' has no IPv4 address, so that Cilium drops/);
});

Deno.test("a policy of the other family alone is not ready, and its traffic is dropped", () => {
  const state = running(world({ of: [V4], to: { destinationCIDRs: ["::/0"] } }));
  assert.deepEqual(told(state), { web: "::/0 by none" });
  assert.deepEqual(condition(state, "Ready"), {
    status: "False",
    reason: "FamilyNotServed",
    message:
      "EgressGateway 'gw' has no IPv6 address, so that Cilium drops the traffic to IPv6 destinations",
  });
});

Deno.test("what a family is not served with is told once, as an event", () => {
  const before = world({ of: [V4] });
  const state = running(before);
  const events: string[] = [];
  let now = before;
  for (let tick = 0; tick < 8; tick++) {
    const plan = decide(now);
    events.push(
      ...plan.events.filter(({ kind }) => kind === "EgressGatewayPolicy").map(({ reason }) =>
        reason
      ),
    );
    now = later(obey(applyPlan(now, plan)), 1);
  }
  assert.equal(events.filter((reason) => reason === "FamilyNotServed").length, 1, events.join());
  assert.deepEqual(decide(state).events, []);
});

Deno.test("in primary-IP mode each family leaves by what the interface has of it", () => {
  const interfaces = [{ name: "eth1", up: true, addresses: ["10.0.0.5/24", "2001:db8::5/64"] }];
  const nodes = { a: { lease: { report: { interfaces } } }, b: {} };
  const state = running(world({ of: "eth1", nodes }));
  assert.deepEqual(told(state), {
    "web": "0.0.0.0/0 by a interface eth1",
    "web-ipv6": "::/0 by a interface eth1",
  });
  assert.deepEqual(statusOf(state).egressIPs, ["10.0.0.5", "2001:db8::5"]);
  assert.equal(condition(state, "Ready").reason, "Active");
});

Deno.test("an interface without an address of a family is told, where the agent reports what it has", () => {
  const interfaces = [{ name: "eth1", up: true, addresses: ["10.0.0.5/24"] }];
  const nodes = { a: { lease: { report: { interfaces } } }, b: {} };
  const state = running(world({ of: "eth1", nodes }));
  assert.deepEqual(condition(state, "Ready"), {
    status: "True",
    reason: "FamilyNotServed",
    message:
      "Traffic leaves by a; EgressGateway 'gw' on eth1 has no IPv6 address, so that Cilium drops the traffic to IPv6 destinations",
  });
});

Deno.test("the second Cilium policy goes when the policy loses its IPv6 destinations", () => {
  const state = running(world());
  assert.deepEqual(told(after(withPolicy(state, {}))), {
    web: `0.0.0.0/0 by a egressIP ${V4}`,
  });
});

Deno.test("the Cilium policy of IPv6 is there before the one that had these destinations leaves them", () => {
  const before = running(world({ to: { destinationCIDRs: ["::/0"] } }));
  const wider = withPolicy(before, BOTH);
  const first = applyPlan(wider, decide(wider));
  assert.deepEqual(told(first), {
    "web": `::/0 by a egressIP ${V6}`,
    "web-ipv6": `::/0 by a egressIP ${V6}`,
  });
  assert.deepEqual(told(after(first)), {
    "web": `0.0.0.0/0 by a egressIP ${V4}`,
    "web-ipv6": `::/0 by a egressIP ${V6}`,
  });
});

Deno.test("a policy that loses its IPv4 destinations goes over to its own name without a gap", () => {
  const before = running(world());
  const narrower = withPolicy(before, { destinationCIDRs: ["::/0"] });
  const first = applyPlan(narrower, decide(narrower));
  assert.deepEqual(told(first), {
    "web": `::/0 by a egressIP ${V6}`,
    "web-ipv6": `::/0 by a egressIP ${V6}`,
  });
  assert.deepEqual(told(after(first)), { web: `::/0 by a egressIP ${V6}` });
});

Deno.test("somebody's policy with the name of the second is left alone, and the clash is told", () => {
  const theirs = foreignCiliumPolicy("web-ipv6");
  const state = running(world({ ciliumPolicies: [theirs] }));
  assert.deepEqual(state.ciliumPolicies.find(({ name }) => name === "web-ipv6"), theirs);
  assert.equal(told(state)["web"], `0.0.0.0/0 by a egressIP ${V4}`);
  assert.equal(condition(state, "Conflicted").reason, "NameClash");
  assert.match(
    condition(state, "Ready").message,
    /CiliumEgressGatewayPolicy 'web-ipv6' exists and is not ours/,
  );
});

Deno.test("a hand-made copy of ours for IPv6 is not taken for ours", () => {
  const state = running(world({ to: {} }));
  const [made] = state.ciliumPolicies;
  const copy = { ...found(made, "web"), name: "web-ipv6", uid: "uid-copy", ownerReferences: [] };
  const plan = decide({ ...state, ciliumPolicies: [...state.ciliumPolicies, copy] });
  assert.deepEqual(writes(plan).filter((write) => write.includes("web-ipv6")), []);
});

Deno.test("an EgressGatewayPolicy that is called as the second is refused that name, and nothing of either is lost", () => {
  let state: Snapshot = {
    ...world(),
    policies: [policy("web", BOTH), policy("web-ipv6", { destinationCIDRs: ["10.0.0.0/8"] })],
  };
  for (let tick = 0; tick < 10; tick++) {
    state = later(obey(applyWhatFits(state, decide(state))), 1);
  }
  const names = state.ciliumPolicies.map(({ name }) => name).sort();
  assert.deepEqual(names, ["web", "web-ipv6"]);
  const clashes = state.policies.filter(({ status }) =>
    status.conditions?.some(({ reason }) => reason === "NameClash")
  );
  assert.equal(clashes.length, 1);
});

Deno.test("a policy over several gateways is one Cilium policy for each of them and family", () => {
  const state = running({
    ...world(),
    gateways: [
      gateway("gw", { vip: [V4, V6] }),
      gateway("other", { vip: ["172.18.18.243", "2001:db8::243"] }),
    ],
    policies: [policy("web", { ...BOTH, gateways: ["gw", "other"] })],
  });
  assert.deepEqual(state.ciliumPolicies.map(({ name }) => name).sort(), [
    "web-ipv6.gw",
    "web-ipv6.other",
    "web.gw",
    "web.other",
  ]);
});

Deno.test("gateways that are called as the parts of IPv6 are told apart from these", () => {
  const gateways = ["ipv6", "ipv6.b", "b"];
  const state = running({
    ...world(),
    gateways: gateways.map((name, index) =>
      gateway(name, { vip: [`172.18.18.${index + 1}`, `2001:db8::${index + 1}`] })
    ),
    policies: [policy("web", { ...BOTH, gateways })],
  });
  assert.deepEqual(state.ciliumPolicies.map(({ name }) => name).sort(), [
    "web-ipv6.b",
    "web-ipv6.ipv6",
    "web-ipv6.ipv6.b",
    "web.b",
    "web.ipv6",
    "web.ipv6.b",
  ]);
  assert.deepEqual(decide(state).changes, []);
});

Deno.test("nodes whose IPv6 is served stay with that gateway when one without an IPv6 address is added", () => {
  const gateways = [gateway("gw", { vip: [V4, V6] }), gateway("other", { vip: "172.18.18.243" })];
  const before = running({ ...world(), gateways, policies: [policy("web", BOTH)] });
  const state = after(withPolicy(before, { ...BOTH, gateways: ["gw", "other"] }));
  const ways = told(state);
  assert.deepEqual(Object.keys(ways), ["web-ipv6", "web-ipv6.gw", "web.gw", "web.other"]);
  assert.equal(ways["web-ipv6"], `::/0 by a egressIP ${V6}`);
});

// ---------------------------------------------------------------- handover

const serving = (state: Snapshot) => told(state)["web-ipv6"]?.split(" ")[2];

Deno.test("a move takes both addresses: it waits while one of the two is not bound", () => {
  const state = running(world());
  assert.equal(serving(state), "a");
  const moving = edit(state, {
    gateways: { gw: { annotations: { "egress-gateway.network.deckhouse.io/pin": "b" } } },
  });
  const begun = applyPlan(moving, decide(moving));
  const obeyed = obey(begun);
  const lease = found(obeyed.leases.find(({ name }) => name === "b"), "b");
  const half = edit(obeyed, {
    leases: {
      b: {
        report: {
          ...report(),
          ...lease.report,
          addresses: lease.report?.addresses.filter(({ ip }) => ip === V4) ?? [],
        },
      },
    },
  });
  const plan = decide(later(half, 0));
  assert.equal(gatewayPlan(plan).phase, "Preparing");
  assert.match(
    gatewayPlan(plan).message,
    /b has not yet reported virtual IP 2001:db8::242 as bound/,
  );
  assert.equal(serving(applyPlan(half, plan)), "a");
  const done = decide(later(obeyed, 0));
  assert.equal(gatewayPlan(done).phase, "Active");
  assert.deepEqual(told(applyPlan(obeyed, done)), {
    "web": `0.0.0.0/0 by b egressIP ${V4}`,
    "web-ipv6": `::/0 by b egressIP ${V6}`,
  });
});

Deno.test("a move waits for the old holder while it speaks for one of the two", () => {
  const state = running(world());
  const moving = edit(state, {
    gateways: { gw: { annotations: { "egress-gateway.network.deckhouse.io/pin": "b" } } },
  });
  const begun = obey(applyPlan(moving, decide(moving)));
  const lease = found(begun.leases.find(({ name }) => name === "a"), "a");
  const addresses = found(lease.report, "report").addresses.map((address) => ({
    ...address,
    speaking: address.ip === V6,
  }));
  const half = edit(begun, {
    leases: { a: { report: { ...report(), ...lease.report, addresses } } },
  });
  const plan = decide(half);
  assert.equal(gatewayPlan(plan).phase, "Preparing");
  assert.match(gatewayPlan(plan).message, /a still speaks for the virtual IP/);
});

Deno.test("a dead holder of both is followed in one term", () => {
  const state = running(world());
  const term = gatewayOf(state).status.term ?? 0;
  const gone = settle(later(state, 6, ["a"]), { dead: ["a"] }).snapshot;
  assert.equal(gatewayOf(gone).status.activeNodeName, "b");
  assert.equal(gatewayOf(gone).status.term, term + 1);
  assert.deepEqual(gatewayOf(gone).status.lastFailover?.fromEgressIPs, [V4, V6]);
  assert.deepEqual(told(gone), {
    "web": `0.0.0.0/0 by b egressIP ${V4}`,
    "web-ipv6": `::/0 by b egressIP ${V6}`,
  });
});

Deno.test("a gateway that gets an IPv6 address serves it from its next term, and drops nothing of IPv4 meanwhile", () => {
  const state = running(world({ of: [V4] }));
  const wider = withIPs(state, [V4, V6]);
  const begun = applyPlan(wider, decide(wider));
  assert.equal(gatewayOf(begun).status.phase, "Preparing");
  assert.deepEqual(told(begun), {
    "web": `0.0.0.0/0 by a egressIP ${V4}`,
    "web-ipv6": "::/0 by none",
  });
  const served = after(begun);
  assert.deepEqual(told(served), {
    "web": `0.0.0.0/0 by a egressIP ${V4}`,
    "web-ipv6": `::/0 by a egressIP ${V6}`,
  });
  assert.match(
    gatewayOf(served).status.lastFailover?.reason ?? "",
    /The source address changed from 172\.18\.18\.242 to 172\.18\.18\.242 and 2001:db8::242/,
  );
});

Deno.test("addresses in another order are the same gateway in the same term", () => {
  const state = running(world());
  const term = gatewayOf(state).status.term;
  const turned = after(withIPs(state, [V6, V4]));
  assert.equal(gatewayOf(turned).status.term, term);
  assert.equal(gatewayOf(turned).status.egressIP, V6);
  assert.deepEqual(told(turned), told(state));
});

Deno.test("an address that another host answers for keeps both from moving there", () => {
  const state = running(world());
  const heard = edit(state, {
    leases: {
      b: {
        report: {
          ...found(state.leases.find(({ name }) => name === "b")?.report, "report"),
          addresses: found(state.leases.find(({ name }) => name === "b")?.report, "report")
            .addresses
            .map((address) =>
              address.ip === V6 ? { ...address, conflict: "02:00:00:00:00:99" } : address
            ),
        },
      },
    },
  });
  const plan = decide(heard);
  assert.deepEqual(reasonTypes(plan, "b"), ["AddressConflict"]);
  assert.match(
    gatewayCondition(heard, plan, "AddressConflict").message,
    /Another host \(02:00:00:00:00:99\) answers for 2001:db8::242; take/,
  );
});

Deno.test("a Cilium policy looks again when the address of its family was bound anew", () => {
  const state = running(world());
  const boundAt = "2026-11-23T11:11:11.000Z";
  const said = found(state.leases.find(({ name }) => name === "a")?.report, "report");
  const rebound = edit(state, {
    leases: {
      a: {
        report: {
          ...said,
          addresses: said.addresses.map((each) => each.ip === V6 ? { ...each, boundAt } : each),
        },
      },
    },
  });
  const plan = decide(rebound);
  assert.deepEqual(writes(plan).filter((write) => write.includes("Cilium")), [
    "patch CiliumEgressGatewayPolicy/web-ipv6",
  ]);
  const { metadata } = bodyOf(plan, "CiliumEgressGatewayPolicy", "web-ipv6") as {
    metadata: JsonObject;
  };
  assert.deepEqual(metadata["annotations"], {
    "egress-gateway.network.deckhouse.io/bound-at": boundAt,
  });
});

// ---------------------------------------------------------------- refusals, pings, adoption

Deno.test("two gateways with one IPv6 address are a clash, also where the other address differs", () => {
  const state = running({
    ...world(),
    gateways: [
      gateway("gw", { vip: [V4, V6], createdAt: 1_000 }),
      gateway("younger", { vip: ["172.18.18.243", V6], createdAt: 2_000 }),
    ],
  });
  const plan = decide(state);
  assert.equal(gatewayPlan(plan, "younger").activeNodeName, null);
  assert.equal(
    gatewayCondition(state, plan, "AddressConflict", "younger").message,
    "2001:db8::242 is also the virtual IP of gw; write another address here",
  );
});

Deno.test("an IPv6 address that a node has is refused", () => {
  const nodes = { a: { node: { internalIPs: ["10.0.0.1", V6] } }, b: {} };
  const plan = decide(world({ nodes }));
  assert.equal(gatewayPlan(plan).activeNodeName, null);
  assert.match(gatewayPlan(plan).message, /^2001:db8::242 is node a's own address/);
});

Deno.test("standbys ping by IPv4, and by IPv6 where the node lists nothing else", () => {
  const pinged = (internalIPs: readonly string[], externalIPs: readonly string[] = []) =>
    gatewayOf(running(world({ nodes: { a: { node: { internalIPs, externalIPs } } } }))).status
      .activeNodeAddresses;
  assert.deepEqual(pinged(["fd00::1", "10.0.0.1"]), ["10.0.0.1"]);
  assert.deepEqual(pinged(["fd00::1"], ["203.0.113.1"]), ["fd00::1"]);
});

Deno.test("a policy of both families that is adopted is divided without a gap, and given back whole", () => {
  const spec = {
    selectors: [{ podSelector: { matchLabels: { app: "web" } } }],
    destinationCIDRs: ["0.0.0.0/0", "::/0"],
    egressGateway: { nodeSelector: { matchLabels: { pool: "old" } } },
  };
  const theirs = foreignCiliumPolicy("web", { spec });
  const clashing = running(world({ ciliumPolicies: [theirs] }));
  const whole = {
    metadata: { labels: theirs.labels, annotations: theirs.annotations },
    spec,
  } as JsonObject;
  const { metadata } = applyMergePatch(whole, adoption(theirs)) as {
    metadata: Pick<CiliumPolicy, "labels" | "annotations">;
  };
  const taken = edit(clashing, { ciliumPolicies: { web: { ...metadata } } });
  const first = applyPlan(taken, decide(taken));
  assert.deepEqual(first.ciliumPolicies.find(({ name }) => name === "web")?.spec, spec);
  assert.equal(told(first)["web-ipv6"], `::/0 by a egressIP ${V6}`);
  const adopted = after(first);
  assert.deepEqual(told(adopted), {
    "web": `0.0.0.0/0 by a egressIP ${V4}`,
    "web-ipv6": `::/0 by a egressIP ${V6}`,
  });
  // Given back by hand, while the policy is still there: the second goes, since the first has its traffic again.
  const { web } = Object.fromEntries(adopted.ciliumPolicies.map((each) => [each.name, each]));
  const byHand = givenBack(found(web, "web"));
  assert.ok("patch" in byHand);
  const restored = applyMergePatch(
    {
      metadata: { labels: web?.labels ?? {}, annotations: web?.annotations ?? {} },
      spec: web?.spec ?? {},
    },
    byHand.patch,
  ) as { metadata: Pick<CiliumPolicy, "labels" | "annotations">; spec: JsonObject };
  const left = after(edit(adopted, {
    ciliumPolicies: { web: { ...restored.metadata, spec: restored.spec } },
  }));
  assert.deepEqual(left.ciliumPolicies.map(({ name }) => name), ["web"]);
  const back = after({ ...adopted, policies: [] });
  assert.deepEqual(back.ciliumPolicies.map(({ name }) => name), ["web"]);
  const given = found(back.ciliumPolicies[0], "web");
  assert.deepEqual(given.spec, spec);
  assert.equal(given.annotations[FORMER_ANNOTATION], undefined);
});

Deno.test("what is decided for both families needs no second plan", () => {
  for (const  of of[[V4, V6], [V4], [V6], "eth1"] as const) {
    const state = running(world({ of }));
    assert.deepEqual(decide(state).changes, [], String(of));
    assert.equal(policyCondition(decide(state), "web", "Accepted").status, "True");
  }
});

Deno.test("which way a pod's traffic goes is told of each family, also where it is dropped", () => {
  const pod = {
    namespace: "shop",
    name: "web-0",
    labels: { app: "web" },
    namespaceLabels: {},
    nodeName: "b",
    hostNetwork: false,
  };
  const way = (destination: string, snapshot: Snapshot) => wayOut(pod, { destination, snapshot });
  const both = running(world());
  assert.equal(way("203.0.113.7", both).egressIP, V4);
  assert.equal(way("2001:db8:9::7", both).egressIP, V6);
  const dropped = way("2001:db8:9::7", running(world({ of: [V4] })));
  assert.equal(dropped.verdict, "Dropped");
  assert.match(dropped.why.join(), /'gw' has no IPv6 address, so that Cilium drops/);
  const interfaces = [{ name: "eth1", up: true, addresses: ["10.0.0.5/24", "2001:db8::5/64"] }];
  const primary = running(
    world({ of: "eth1", nodes: { a: { lease: { report: { interfaces } } } } }),
  );
  assert.equal(way("2001:db8:9::7", primary).egressIP, "2001:db8::5");
});
