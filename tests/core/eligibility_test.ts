/** Why a node may not hold a gateway: one row for each reason. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import type { ReasonType } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { address, at, cluster, gateway, NOW, report } from "../support/builders.ts";
import type { GatewayOptions, Machine } from "../support/builders.ts";
import { later } from "../support/obedient_agents.ts";
import { candidate, gatewayPlan, reasonTypes } from "../support/read_plan.ts";

interface Row {
  readonly when: string;
  readonly machine: Machine;
  readonly gateway?: GatewayOptions;
  readonly says: RegExp;
}

const VIP_MODE: GatewayOptions = { vip: "172.18.18.242" };

const EXCLUDED: Partial<Record<ReasonType, readonly Row[]>> = {
  NodeNotReady: [
    {
      when: "the kubelet says so",
      machine: {
        node: { ready: false, readySince: NOW - 60_000, readyMessage: "disk full" },
      },
      says: /^Node condition Ready is False since 2026-11-23T09:59:00Z: disk full$/,
    },
    {
      when: "the kubelet is silent",
      machine: { node: { ready: "Unknown" } },
      says: /Ready is Unknown/,
    },
  ],
  NodeCordoned: [
    { when: "it is cordoned", machine: { node: { cordoned: true } }, says: /kubectl uncordon/ },
  ],
  NodeDeleting: [
    { when: "it is being deleted", machine: { node: { deleting: true } }, says: /being deleted/ },
  ],
  HostnameLabelMissing: [
    {
      when: "Cilium could not find it, as it has no hostname label",
      machine: { node: { noHostname: true } },
      says: /kubectl label node b kubernetes\.io\/hostname=b$/,
    },
  ],
  HostnameLabelNotUnique: [
    {
      when: "an earlier node has its hostname label",
      machine: { node: { labels: { "kubernetes.io/hostname": "a" } } },
      says: /^Node a has the same label kubernetes\.io\/hostname=a, and Cilium would send/,
    },
  ],
  NoIPv4Address: [
    {
      when: "Cilium could not reach it, as it has IPv6 addresses alone",
      machine: { node: { internalIPs: ["fd00::2"], externalIPs: ["2001:db8::2"] } },
      says:
        /^Node has no IPv4 address \(its addresses are fd00::2, 2001:db8::2\), and Cilium sends a gateway its traffic by that/,
    },
  ],
  Unreadable: [
    {
      when: "a part of its Node cannot be read",
      machine: { node: { unread: "spec.unschedulable: expected a boolean" } },
      says: /^Cannot read Node: spec\.unschedulable: expected a boolean$/,
    },
    {
      when: "its Cilium pod cannot be read",
      machine: { cilium: { ready: false, unread: "status.conditions: expected an array" } },
      says: /^Cannot read Pod kube-system\/cilium-b: status\.conditions: expected an array$/,
    },
    {
      when: "its agent pod cannot be read (VIP mode)",
      machine: { agent: { ready: false, unread: "status.conditions: expected an array" } },
      gateway: VIP_MODE,
      says: /^Cannot read Pod sallyport-system\/sallyport-agent-b: status/,
    },
    {
      when: "its Lease does not tell when it was renewed",
      machine: { lease: { ago: null, unread: "metadata.managedFields: odd" } },
      says: /^Cannot read Lease: metadata\.managedFields: odd$/,
    },
    {
      when: "its agent's report cannot be read (VIP mode)",
      machine: { lease: { report: null, reportError: "interfaces: expected an array" } },
      gateway: VIP_MODE,
      says: /Cannot read the agent's report: interfaces: expected an array/,
    },
  ],
  CiliumAgentNotReady: [
    { when: "no Cilium runs on it", machine: { cilium: null }, says: /^No cilium-agent pod runs/ },
    {
      when: "its Cilium pod is not Ready",
      machine: { cilium: { ready: false } },
      says: /^Pod kube-system\/cilium-b is not Ready$/,
    },
    {
      when: "its Cilium pod is being deleted",
      machine: { cilium: { deleting: true } },
      says: /cilium-b is being deleted/,
    },
    {
      when: "its agent says that Cilium's healthz fails",
      machine: { lease: { report: { cilium: { ready: false, message: "kvstore is down" } } } },
      says: /healthz on the node fails: kvstore is down$/,
    },
  ],
  AgentNotReady: [
    {
      when: "no agent runs on it (VIP mode)",
      machine: { agent: null },
      gateway: VIP_MODE,
      says: /^No sallyport-agent pod/,
    },
    {
      when: "its agent pod is not Ready (VIP mode)",
      machine: { agent: { ready: false } },
      gateway: VIP_MODE,
      says: /sallyport-agent-b is not Ready/,
    },
  ],
  AgentLeaving: [
    {
      when: "its agent shuts down",
      machine: { lease: { report: { leaving: true } } },
      says: /is shutting down/,
    },
  ],
  HeartbeatStale: [
    {
      when: "its last heartbeat is timeoutSeconds old",
      machine: { lease: { ago: 4 } },
      says: /last heartbeat is of 2026-11-23T09:59:56Z, timeoutSeconds is 4$/,
    },
    {
      when: "a resident observer saw its Lease unchanged for timeoutSeconds",
      machine: { lease: { ago: 1, unchangedForMilliseconds: 4_000 } },
      says: /timeoutSeconds is 4/,
    },
    {
      when: "its Lease never was (VIP mode)",
      machine: { lease: null },
      gateway: VIP_MODE,
      says: /never renewed Lease 'b'/,
    },
    {
      when: "its Lease was only fenced, never renewed (VIP mode)",
      machine: { lease: { ago: null, report: null } },
      gateway: VIP_MODE,
      says: /never renewed Lease 'b'/,
    },
  ],
  BindFailed: [
    {
      when: "its agent says that it cannot bind the VIP",
      machine: {
        lease: {
          report: {
            failures: [{ gateway: "gw", reason: "BindFailed", message: "Operation not permitted" }],
          },
        },
      },
      gateway: VIP_MODE,
      says: /^Operation not permitted$/,
    },
  ],
  InterfaceMissing: [
    {
      when: "the interface is not there",
      machine: { lease: { report: { interfaces: [{ name: "eth0", up: true }] } } },
      says: /^Interface 'eth1' is not on this node$/,
    },
    {
      when: "the interface is down",
      machine: { lease: { report: { interfaces: [{ name: "eth1", up: false }] } } },
      says: /^Interface 'eth1' is down$/,
    },
    {
      when: "none of a VIP's interfaces is there",
      machine: {},
      gateway: { ...VIP_MODE, interfaces: ["eno1", "enp3s0"] },
      says: /^None of the interfaces 'eno1', 'enp3s0' is on this node$/,
    },
    {
      when: "its agent finds no interface for the VIP",
      machine: {
        lease: {
          report: {
            failures: [{ gateway: "gw", reason: "InterfaceMissing", message: "No default route" }],
          },
        },
      },
      gateway: VIP_MODE,
      says: /^No default route$/,
    },
  ],
  AddressConflict: [
    {
      when: "another host answers for the VIP",
      machine: {
        lease: { report: { addresses: [address({ conflict: "02:00:00:00:00:07" })] } },
      },
      gateway: VIP_MODE,
      says: /Another host \(02:00:00:00:00:07\) answers for 172\.18\.18\.242/,
    },
    {
      when: "its agent found another owner before it bound the VIP",
      machine: {
        lease: {
          report: {
            failures: [{ gateway: "gw", reason: "AddressConflict", message: "02:..:07 answers" }],
          },
        },
      },
      gateway: VIP_MODE,
      says: /^02:\.\.:07 answers$/,
    },
  ],
};

for (const [type, rows] of Object.entries(EXCLUDED)) {
  for (const row of rows) {
    Deno.test(`a node is not eligible with reason ${type} when ${row.when}`, () => {
      const plan = decide(cluster({
        // Two healthy nodes beside it, so that one silent node is no mass staleness.
        nodes: { a: {}, b: row.machine, c: {} },
        gateways: [gateway("gw", row.gateway)],
      }));
      const { eligible, eligibleSince, reasons } = candidate(plan, "b");
      assert.deepEqual(reasons.map((reason) => reason.type), [type]);
      assert.match(reasons[0]?.message ?? "", row.says);
      assert.equal(eligible, false);
      assert.equal(eligibleSince, undefined);
    });
  }
}

const ELIGIBLE: readonly (Omit<Row, "says">)[] = [
  {
    when: "a later node has its hostname label",
    machine: { node: { labels: { "kubernetes.io/hostname": "c" } } },
  },
  { when: "it is healthy", machine: {} },
  { when: "it is healthy (VIP mode)", machine: {}, gateway: VIP_MODE },
  { when: "it has no Ready condition", machine: { node: { ready: "Missing" } } },
  { when: "no agent runs on it (primary-IP mode)", machine: { agent: null, lease: null } },
  {
    when: "its report cannot be read (primary-IP mode)",
    machine: { lease: { report: null, reportError: "not JSON" } },
  },
  { when: "its heartbeat is a second short of timeoutSeconds", machine: { lease: { ago: 3 } } },
  {
    when: "heartbeats are to be ignored",
    machine: { lease: { ago: 60 } },
    gateway: { failureDetection: { heartbeat: "Ignore" } },
  },
  {
    when: "heartbeats count only if present and there never was one (VIP mode)",
    machine: { lease: null },
    gateway: { ...VIP_MODE, failureDetection: { heartbeat: "IfPresent" } },
  },
  {
    when: "its agent cannot bind the VIP of another gateway",
    machine: {
      lease: { report: { failures: [{ gateway: "other", reason: "BindFailed", message: "no" }] } },
    },
    gateway: VIP_MODE,
  },
  {
    when: "the host that answers for the VIP is one of our nodes",
    machine: {
      lease: {
        report: {
          interfaces: [{ name: "eth1", up: true, mac: "02:00:00:00:00:07" }],
          addresses: [address({ conflict: "02:00:00:00:00:07" })],
        },
      },
    },
    gateway: VIP_MODE,
  },
];

for (const row of ELIGIBLE) {
  Deno.test(`a node is eligible when ${row.when}`, () => {
    const plan = decide(cluster({
      nodes: { a: {}, b: row.machine, c: {} },
      gateways: [gateway("gw", row.gateway)],
    }));
    assert.deepEqual(candidate(plan, "b").reasons, []);
    assert.equal(candidate(plan, "b").eligible, true);
  });
}

const found = (...names: readonly string[]) => names.map((name) => ({ name, hostname: name }));

for (
  const { when, ciliumNodes, says } of [
    {
      when: "Cilium has no CiliumNode of it",
      ciliumNodes: { asked: ["a", "b"], found: found("a") },
      says: [
        "CiliumNodeMissing",
        /^No CiliumNode 'b' with label kubernetes\.io\/hostname=b is there, so that Cilium would drop what is sent to Node 'b'/,
      ],
    },
    {
      when: "its CiliumNode has another hostname label",
      ciliumNodes: { asked: ["a", "b"], found: [...found("a"), { name: "b", hostname: "a" }] },
      says: ["CiliumNodeMissing", /^No CiliumNode 'b' with label/],
    },
    {
      when: "an earlier CiliumNode has its hostname label",
      ciliumNodes: { asked: ["a", "b"], found: [...found("b"), { name: "a0", hostname: "b" }] },
      says: [
        "HostnameLabelNotUnique",
        /^CiliumNode 'a0' has the label kubernetes\.io\/hostname=b of Node 'b'/,
      ],
    },
    {
      when: "it is the first of two CiliumNodes with its hostname label",
      ciliumNodes: {
        asked: ["a", "b"],
        found: [{ name: "b0", hostname: "b" }, ...found("a", "b")],
      },
      says: undefined,
    },
    {
      when: "nobody has asked for its CiliumNode yet",
      ciliumNodes: { asked: ["a"], found: found("a") },
      says: undefined,
    },
  ] as const
) {
  Deno.test(`a node is ${says === undefined ? "eligible" : "not"} when ${when}`, () => {
    const plan = decide(cluster({
      nodes: { a: {}, b: {}, c: {} },
      gateways: [gateway("gw")],
      ciliumNodes,
    }));
    const [reason] = candidate(plan, "b").reasons;
    assert.equal(reason?.type, says?.[0]);
    if (says !== undefined) assert.match(reason?.message ?? "", says[1]);
    assert.equal(candidate(plan, "b").eligible, says === undefined);
  });
}

Deno.test("a holder whose CiliumNode is gone gives way, and names it", () => {
  const status = { phase: "Active", activeNodeName: "a", term: 1, candidates: [] } as const;
  const plan = decide(cluster({
    nodes: { a: {}, b: {} },
    gateways: [gateway("gw", { status })],
    ciliumNodes: { asked: ["a", "b"], found: found("b") },
  }));
  assert.equal(gatewayPlan(plan).activeNodeName, "b");
  assert.match(gatewayPlan(plan).message, /CiliumNode 'a'/);
});

Deno.test("a second Cilium pod that is being deleted does not make a node ineligible", () => {
  const before = cluster({ nodes: { a: {} }, gateways: [gateway("gw")] });
  const [pod] = before.ciliumPods;
  assert.ok(pod);
  const leaving = { ...pod, name: "cilium-old", deleting: true };
  const plan = decide({ ...before, ciliumPods: [leaving, pod] });
  assert.equal(candidate(plan, "a").eligible, true);
});

Deno.test("only nodes that match all labels of the nodeSelector are candidates", () => {
  const plan = decide(cluster({
    nodes: {
      a: { node: { labels: { role: "egress" } } },
      b: { node: { labels: { role: "egress", zone: "1" } } },
      c: { node: { labels: { zone: "1" } } },
    },
    gateways: [gateway("gw", { nodeSelector: { role: "egress", zone: "1" } })],
  }));
  assert.deepEqual(plan.gateways[0]?.candidates.map(({ node }) => node), ["b"]);
});

Deno.test("a node with several faults names them all, in a fixed order", () => {
  const plan = decide(cluster({
    nodes: {
      a: {},
      b: { node: { ready: false, cordoned: true }, cilium: null, lease: { ago: 9 } },
      c: {},
    },
    gateways: [gateway("gw")],
  }));
  assert.deepEqual(reasonTypes(plan, "b"), [
    "NodeNotReady",
    "NodeCordoned",
    "CiliumAgentNotReady",
    "HeartbeatStale",
  ]);
});

const GRACE = { failureDetection: { ciliumAgentGraceSeconds: 30 } };

for (
  const { when, since, eligible, until } of [
    { when: "within", since: -10, eligible: true, until: 20 },
    { when: "at the end of", since: -30, eligible: false, until: 0 },
    { when: "long after", since: -300, eligible: false, until: -270 },
  ]
) {
  Deno.test(
    `a Cilium that restarts makes its node ${
      eligible ? "keep its role" : "ineligible"
    } ${when} the grace period`,
    () => {
      const plan = decide(cluster({
        nodes: { a: { cilium: { ready: false, readySince: NOW + since * 1_000 } } },
        gateways: [gateway("gw", GRACE)],
      }));
      assert.deepEqual(candidate(plan, "a").reasons, [{
        type: "CiliumAgentNotReady",
        message: "Pod kube-system/cilium-a is not Ready",
        retryAfter: at(until),
      }]);
      assert.equal(candidate(plan, "a").eligible, eligible);
    },
  );
}

Deno.test("the grace period of a Cilium pod that is gone counts from when it was first missed", () => {
  const remembered = {
    type: "CiliumAgentNotReady" as const,
    message: "No cilium-agent pod runs on this node",
    retryAfter: at(5),
  };
  const status = {
    candidates: [{
      node: "a",
      eligible: true,
      eligibleSince: at(-60),
      rank: 0,
      reasons: [remembered],
    }],
  };
  const before = cluster({
    nodes: { a: { cilium: null } },
    gateways: [gateway("gw", { ...GRACE, status })],
  });
  assert.deepEqual(candidate(decide(before), "a").reasons, [remembered]);
  assert.equal(candidate(decide(before), "a").eligible, true);
  assert.equal(candidate(decide({ ...before, now: NOW + 5_000 }), "a").eligible, false);
});

Deno.test("a reason that is still tolerated is named after those that count", () => {
  const plan = decide(cluster({
    nodes: {
      a: { cilium: { ready: false, readySince: NOW }, lease: { report: { leaving: true } } },
    },
    gateways: [gateway("gw", GRACE)],
  }));
  assert.deepEqual(reasonTypes(plan, "a"), ["AgentLeaving", "CiliumAgentNotReady"]);
});

/** A gateway that node b serves, while another host answers for its VIP where b and c look. */
function disputed(phase: "Active" | "Preparing") {
  const seen = { addresses: [address({ conflict: "02:00:00:00:00:07" })] };
  const status = {
    phase,
    activeNodeName: "b",
    egressIP: "172.18.18.242",
    term: 1,
    candidates: [],
  } as const;
  return cluster({
    nodes: { a: {}, b: { lease: { report: seen } }, c: { lease: { report: seen } } },
    gateways: [gateway("gw", { ...VIP_MODE, status })],
  });
}

Deno.test("another host that answers takes no gateway from a holder that serves, and keeps others out", () => {
  const plan = decide(disputed("Active"));
  assert.equal(gatewayPlan(plan).activeNodeName, "b");
  const of = (node: string) => candidate(plan, node);
  assert.deepEqual([of("b").eligible, of("b").reasons[0]?.type], [true, "AddressConflict"]);
  assert.deepEqual([of("c").eligible, of("c").reasons[0]?.type], [false, "AddressConflict"]);
});

Deno.test("a holder that does not serve yet gives way", () => {
  assert.equal(gatewayPlan(decide(disputed("Preparing"))).activeNodeName, "a");
});

Deno.test("a node that saw another host answer is kept out for a minute, and no status is written meanwhile", () => {
  const state = applyPlan(disputed("Active"), decide(disputed("Active")));
  const silent = (seconds: number) => {
    const then = later(state, seconds);
    return {
      ...then,
      leases: then.leases.map((each) => ({ ...each, report: report({ addresses: [address()] }) })),
    };
  };
  // Before the better-ranked a may take the gateway back.
  const { changes } = decide(silent(9));
  assert.deepEqual(changes.filter(({ kind }) => kind === "EgressGateway"), []);
  assert.equal(candidate(decide(silent(59)), "c").eligible, false);
  assert.equal(candidate(decide(silent(60)), "c").eligible, true);
});
