/** The way of a gateway's traffic from pod to wire: each step when all is well, and when it is not. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { pathOf } from "../../src/core/path.ts";
import type { CiliumEndpoint, Entry, PathSources, Step } from "../../src/core/path_types.ts";
import type { CiliumNodes, Report, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import {
  address,
  cluster,
  edit,
  foreignCiliumPolicy,
  gateway,
  NOW,
  policy,
  report,
  VIP,
} from "../support/builders.ts";

const MAC = { a: "02:00:00:00:00:0a", b: "02:00:00:00:00:0b" };
const TARGET = "icmp:192.0.2.1";

const POD = {
  namespace: "shop",
  name: "web-0",
  labels: { app: "web" },
  namespaceLabels: {},
  nodeName: "c",
  hostNetwork: false,
  ips: ["10.244.3.7"],
};

const ENDPOINT: CiliumEndpoint = {
  namespace: "shop",
  name: "web-0",
  state: "ready",
  identity: 4711,
  labels: { app: "web", "io.kubernetes.pod.namespace": "shop" },
  ips: POD.ips,
};

/** Gateway "gw" served by a, with b standing by and hearing it, a policy and a pod on c. */
function world({ virtual = true }: { readonly virtual?: boolean } = {}) {
  const uplink = {
    targets: [TARGET],
    intervalMilliseconds: 1_000,
    failures: 3,
    require: "Any" as const,
  };
  const gw = gateway("gw", {
    ...(virtual ? { vip: VIP } : {}),
    nodeSelector: { egress: "" },
    failureDetection: { uplink },
    status: {
      phase: "Active",
      activeNodeName: "a",
      standbyNodeNames: ["b"],
      ...(virtual ? { egressIP: VIP } : {}),
      term: 1,
      candidates: [],
    },
  });
  const said = (name: "a" | "b", more: Partial<Report>) => ({
    report: report({ interfaces: [{ name: "eth1", up: true, mac: MAC[name] }], ...more }),
  });
  const uplinks = [{ gateway: "gw", uid: "uid-gw", reached: [TARGET], missing: [], lost: [] }];
  const before = cluster({
    nodes: {
      a: {
        node: { labels: { egress: "" } },
        lease: said("a", { addresses: [address({ speaking: true })], uplinks }),
      },
      b: {
        node: { labels: { egress: "" } },
        lease: said("b", { addresses: [address({ conflict: MAC.a })], uplinks }),
      },
      c: {},
    },
    gateways: [gw],
    policies: [policy("web")],
    ciliumNodes: {
      asked: ["a", "b"],
      found: [{ name: "a", hostname: "a" }, { name: "b", hostname: "b" }],
    },
  });
  return applyPlan(before, decide(before));
}

function entry(snapshot: Snapshot): Entry {
  const [gatewayIP = ""] = snapshot.nodes.find(({ name }) => name === "a")?.internalIPs ?? [];
  return { sourceIP: "10.244.3.7", destination: "0.0.0.0/0", egressIP: VIP, gatewayIP };
}

type Change = (sources: PathSources) => Partial<Omit<PathSources, "plan">>;

function stepsAfter(
  change: Change = () => ({}),
  options: Parameters<typeof world>[0] = {},
): readonly Step[] {
  const snapshot = world(options);
  const whole: PathSources = {
    snapshot,
    plan: decide(snapshot),
    pods: [POD],
    endpoints: [ENDPOINT],
    entries: new Map([["a", [entry(snapshot)]], ["c", [entry(snapshot)]]]),
  };
  const changed = { ...whole, ...change(whole) };
  const sources = { ...changed, plan: decide(changed.snapshot) };
  const [gw] = sources.snapshot.gateways;
  assert.ok(gw);
  return pathOf(gw, sources);
}

const notOk = (steps: readonly Step[]) =>
  steps.filter(({ verdict }) => verdict !== "ok").map(({ step, verdict }) => `${verdict} ${step}`);

Deno.test("where all is well each step says so, and from what it knows that", () => {
  const steps = stepsAfter();
  assert.deepEqual(notOk(steps), [], JSON.stringify(steps, null, 1));
  assert.deepEqual(steps.map(({ step }) => step), [
    "pods",
    "identity",
    "policy",
    "node",
    "datapath",
    "address",
    "permission",
    "neighbours",
    "answer",
  ]);
  const permission = steps.find(({ step }) => step === "permission");
  assert.deepEqual([permission?.source, permission?.ageSeconds], ["Lease sallyport-system/a", 0]);
});

const leaseOf = (change: Partial<Report>): Change => ({ snapshot }) => ({
  snapshot: edit(snapshot, {
    leases: {
      a: {
        report: {
          ...snapshot.leases.find(({ name }) => name === "a")?.report ?? report(),
          ...change,
        },
      },
    },
  }),
});

const nodesFound = (found: CiliumNodes["found"]): Change => ({ snapshot }) => ({
  snapshot: { ...snapshot, ciliumNodes: { asked: ["a", "b"], found } },
});

const BROKEN: readonly {
  readonly when: string;
  readonly change: Change;
  readonly not: readonly string[];
  readonly says: RegExp;
}[] = [
  {
    when: "no policy names the gateway",
    change: ({ snapshot }) => ({ snapshot: { ...snapshot, policies: [], ciliumPolicies: [] } }),
    not: ["wrong pods", "unknown identity", "unknown policy"],
    says: /No EgressGatewayPolicy names gateway gw/,
  },
  {
    when: "no pod has the labels",
    change: () => ({ pods: [{ ...POD, labels: { app: "wob" } }] }),
    not: ["wrong pods", "unknown identity"],
    says: /No running pod is selected by web/,
  },
  {
    when: "the pod is on its host's network",
    change: () => ({ pods: [{ ...POD, hostNetwork: true }] }),
    not: ["wrong pods", "unknown identity"],
    says: /No running pod is selected/,
  },
  {
    when: "a hand-written policy names the same network for the pod",
    change: ({ snapshot }) => ({
      snapshot: {
        ...snapshot,
        ciliumPolicies: [
          ...snapshot.ciliumPolicies,
          foreignCiliumPolicy("theirs", {
            spec: {
              selectors: [{ podSelector: { matchLabels: { app: "web" } } }],
              destinationCIDRs: ["0.0.0.0/0"],
              egressGateway: { nodeSelector: { matchLabels: { team: "theirs" } } },
            },
          }),
        ],
      },
    }),
    not: ["wrong pods"],
    says: /CiliumEgressGatewayPolicy 'theirs' and EgressGatewayPolicy 'web' name the same network/,
  },
  {
    when: "Cilium has not taken the pod up",
    change: () => ({ endpoints: [] }),
    not: ["wrong identity"],
    says: /agent on node c has no CiliumEndpoint for pod shop\/web-0/,
  },
  {
    when: "Cilium knows the pod by other labels",
    change: () => ({ endpoints: [{ ...ENDPOINT, labels: { app: "old" } }] }),
    not: ["wrong identity"],
    says: /knows pod shop\/web-0 by identity 4711/,
  },
  {
    when: "Cilium's policy was edited by hand",
    change: ({ snapshot }) => {
      const spec = { ...snapshot.ciliumPolicies[0]?.spec, destinationCIDRs: ["192.0.2.0/24"] };
      return { snapshot: edit(snapshot, { ciliumPolicies: { web: { spec } } }) };
    },
    not: ["wrong policy", "wrong datapath"],
    says: /'web' is not what .* ask for \(.*destinationCIDRs/,
  },
  {
    when: "Cilium's policy is gone",
    change: ({ snapshot }) => ({ snapshot: { ...snapshot, ciliumPolicies: [] } }),
    not: ["wrong policy"],
    says: /'web' is not there/,
  },
  {
    when: "Cilium has no record of the holder",
    change: nodesFound([{ name: "b", hostname: "b" }]),
    not: ["wrong node"],
    says: /^a: CiliumNodeMissing: No CiliumNode 'a'/,
  },
  {
    when: "CiliumNodes cannot be listed",
    change: ({ snapshot: { ciliumNodes: _, ...snapshot } }) => ({ snapshot }),
    not: ["unknown node"],
    says: /whether it finds it is not known/,
  },
  {
    when: "Cilium's agent on the pod's node has no entry",
    change: ({ snapshot }) => ({ entries: new Map([["a", [entry(snapshot)]], ["c", []]]) }),
    not: ["wrong datapath"],
    says: /agent on c has no entry for pod shop\/web-0 \(10\.244\.3\.7\) to 0\.0\.0\.0\/0/,
  },
  {
    when: "Cilium's agent on the holder found no address",
    change: ({ snapshot }) => ({
      entries: new Map([["a", [{ ...entry(snapshot), egressIP: "0.0.0.0" }]]]),
    }),
    not: ["wrong datapath"],
    says: /agent on a found no address to send from/,
  },
  {
    when: "Cilium's agents were not asked",
    change: () => ({ entries: undefined }),
    not: ["unknown datapath"],
    says: /--exec asks them/,
  },
  {
    when: "the address cannot be bound",
    change: leaseOf({
      addresses: [],
      failures: [{ gateway: "gw", reason: "BindFailed", message: "no such device" }],
    }),
    not: ["wrong address", "wrong permission"],
    says: /^a: BindFailed: no such device$/,
  },
  {
    when: "the holder's agent has not renewed for a while",
    change: ({ snapshot }) => ({
      snapshot: edit(snapshot, { leases: { a: { renewedAt: NOW - 9_000 } } }),
    }),
    not: ["unknown address", "wrong permission", "unknown answer"],
    says: /has not renewed its Lease for 9 s/,
  },
  {
    when: "the holder's agent does not claim the address",
    change: leaseOf({ addresses: [address({ speaking: false })] }),
    not: ["wrong permission"],
    says: /does not claim 172\.18\.18\.242 in term 1/,
  },
  {
    when: "another host answers",
    change: leaseOf({ addresses: [address({ speaking: true, conflict: "02:00:00:00:00:99" })] }),
    not: ["wrong neighbours"],
    says: /Another host \(02:00:00:00:00:99\) answers .* as a hears it/,
  },
  {
    when: "no standby hears the holder",
    change: ({ snapshot }) => ({ snapshot: edit(snapshot, { leases: { b: null } }) }),
    not: ["unknown neighbours"],
    says: /no standby has heard a answer/,
  },
  {
    when: "the uplink's target does not answer the holder",
    change: leaseOf({
      uplinks: [{ gateway: "gw", uid: "uid-gw", reached: [], missing: [], lost: [TARGET] }],
    }),
    not: ["wrong answer"],
    says: /icmp:192\.0\.2\.1 does not answer a/,
  },
];

for (const { when, change, not, says } of BROKEN) {
  Deno.test(`when ${when}, the step that is not ok says so: ${not.join(", ")}`, () => {
    const steps = stepsAfter(change);
    assert.deepEqual(notOk(steps), not, JSON.stringify(steps, null, 1));
    const first = not.find((each) => each.startsWith("wrong")) ?? not[0];
    const step = steps.find(({ step }) => first?.endsWith(step));
    assert.match(step?.message ?? "", says);
  });
}

Deno.test("in primary-IP mode the address is the node's own, and nobody needs a permission", () => {
  const link = { name: "eth1", up: true, mac: MAC.a, addresses: ["192.0.2.10/24"] };
  const steps = stepsAfter(leaseOf({ interfaces: [link], addresses: [] }), { virtual: false });
  assert.deepEqual(notOk(steps), [], JSON.stringify(steps, null, 1));
});
