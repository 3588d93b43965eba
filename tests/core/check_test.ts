/** What `check` finds, and what it says to do. */
import assert from "node:assert/strict";
import { findings } from "../../src/core/check.ts";
import type { CheckFacts, Finding } from "../../src/core/check.ts";
import { decide } from "../../src/core/decide.ts";
import type { Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, gateway, invalid, policy } from "../support/builders.ts";

const SETTINGS = {
  "enable-egress-gateway": "true",
  "enable-bpf-masquerade": "true",
  "kube-proxy-replacement": "true",
};

function facts(
  { nodes = { a: {}, b: {} }, gateways = [gateway("gw")], ...rest }:
    & Omit<Partial<Snapshot>, "nodes">
    & { readonly nodes?: Parameters<typeof cluster>[0]["nodes"] } = {},
): CheckFacts {
  const before = cluster({ nodes, gateways, policies: [policy("web")], ...rest });
  const snapshot = applyPlan(before, decide(before));
  return {
    snapshot,
    plan: decide(snapshot),
    controllers: { state: "Working", message: "2 of 2 controllers ready" },
    definitions: [{ name: "egressgateways.network.deckhouse.io", state: "Current", missing: [] }],
    ciliumConfig: SETTINGS,
    ciliumVersions: [{ version: "v1.20.2", pods: ["cilium-a", "cilium-b"] }],
    ownVersions: [{ version: "0.1.0", pods: ["x"] }],
  };
}

const bad = (found: readonly Finding[]) =>
  found.filter(({ level }) => level !== "ok").map(({ level, about, message }) =>
    `${level} ${about}: ${message}`
  );

Deno.test("where all is well nothing is found, and what was looked at is told", () => {
  const found = findings(facts());
  assert.deepEqual(bad(found), []);
  assert.deepEqual(found.map(({ about }) => about), [
    "CRD egressgateways.network.deckhouse.io",
    "controllers",
    "versions",
    "Cilium settings",
    "Cilium",
    "candidates",
    "gateway gw",
    "policies",
  ]);
});

/** The same cluster with a gateway of IPv6, and other settings or versions of Cilium. */
const withIPv6 = (
  changes: Partial<CheckFacts> & {
    readonly vip?: readonly string[];
    readonly to?: readonly string[];
  },
): CheckFacts => {
  const { vip = ["172.18.18.242", "2001:db8::242"], to = ["0.0.0.0/0", "::/0"], ...rest } = changes;
  const policies = [policy("web", { destinationCIDRs: to })];
  return { ...facts({ gateways: [gateway("gw", { vip })], policies }), ...rest };
};

Deno.test("of a cluster with IPv6, Cilium's settings for that are looked at, and its version", () => {
  const cilium = (facts: CheckFacts) =>
    bad(findings(facts)).filter((line) => /^\w+ Cilium/.test(line));
  const off = { "enable-ipv6": "false", "enable-ipv6-masquerade": "false", "enable-ipv4": "false" };
  const old = [{ version: "v1.19.6", pods: ["cilium-a"] }];
  assert.deepEqual(cilium(withIPv6({})), []);
  assert.deepEqual(cilium(withIPv6({ ciliumConfig: { ...SETTINGS, ...off } })), [
    "error Cilium settings: enable-ipv6 is false: Helm value ipv6.enabled=true",
    "error Cilium settings: enable-ipv6-masquerade is false: Helm value enableIPv6Masquerade=true",
    "error Cilium settings: enable-ipv4 is false: Helm value ipv4.enabled=true",
  ]);
  assert.deepEqual(cilium(withIPv6({ ciliumVersions: old })), [
    "error Cilium: cilium-a run v1.19.6, which takes no IPv6 address as egressIP: 1.20 or newer is needed for gateways gw",
  ]);
  // Who has no IPv6 needs none of it.
  const ipv4 = { vip: ["172.18.18.242"], to: ["0.0.0.0/0"] };
  assert.deepEqual(
    cilium(withIPv6({ ...ipv4, ciliumConfig: { ...SETTINGS, ...off }, ciliumVersions: old })),
    [],
  );
});

const ROWS: readonly {
  readonly what: string;
  readonly change: (well: CheckFacts) => CheckFacts;
  readonly says: RegExp;
}[] = [
  {
    what: "a CRD that is missing",
    change: (well) => ({
      ...well,
      definitions: [{ name: "x.network.deckhouse.io", state: "Missing", missing: [] }],
    }),
    says:
      /^error CRD x\.network\.deckhouse\.io: Is not installed: kubectl apply --server-side -f k8s\/crds$/,
  },
  {
    what: "a CRD of an older version",
    change: (well) => ({
      ...well,
      definitions: [{ name: "x", state: "Current", missing: ["spec.strategy"] }],
    }),
    says: /^warning CRD x: Is older than this program, and lacks spec\.strategy: kubectl apply/,
  },
  {
    what: "no controller at work",
    change: (well) => ({
      ...well,
      controllers: { state: "NotWorking", message: "No controller runs; one last worked at T" },
    }),
    says:
      /^error controllers: No controller runs; one last worked at T; kubectl -n sallyport-system/,
  },
  {
    what: "two versions of our own",
    change: (well) => ({
      ...well,
      ownVersions: [{ version: "0.1.0", pods: ["x"] }, { version: "0.2.0", pods: ["y", "z"] }],
    }),
    says: /^warning versions: .* 0\.1\.0 \(1 pods\), 0\.2\.0 \(2 pods\)/,
  },
  {
    what: "a setting of Cilium that is off",
    change: (well) => ({
      ...well,
      ciliumConfig: { ...SETTINGS, "enable-bpf-masquerade": "false" },
    }),
    says:
      /^error Cilium settings: enable-bpf-masquerade is false: Helm value bpf\.masquerade=true$/,
  },
  {
    what: "endpoint slices, with which Cilium starts no egress gateway",
    change: (well) => ({
      ...well,
      ciliumConfig: { ...SETTINGS, "enable-cilium-endpoint-slice": "true" },
    }),
    says:
      /^error Cilium settings: enable-cilium-endpoint-slice is true: Helm value ciliumEndpointS/,
  },
  {
    what: "no ConfigMap of Cilium",
    change: (well) => ({ ...well, ciliumConfig: null }),
    says: /^warning Cilium settings: No ConfigMap cilium-config/,
  },
  {
    what: "Cilium that is too old",
    change: (well) => ({ ...well, ciliumVersions: [{ version: "v1.17.4", pods: ["cilium-a"] }] }),
    says: /^error Cilium: cilium-a run v1\.17\.4: 1\.18 or newer is needed/,
  },
  {
    what: "a node that may hold nothing",
    change: () => facts({ nodes: { a: {}, b: { node: { cordoned: true } } } }),
    says: /^warning node b: May not hold gw: NodeCordoned: /,
  },
  {
    what: "no standby",
    change: () => facts({ nodes: { a: {} } }),
    says: /^warning gateway gw: No other node could take over/,
  },
  {
    what: "no holder",
    change: () => facts({ nodes: { a: { node: { ready: false } } } }),
    says: /^error gateway gw: NoEligibleNode: .*; sallyport explain gw says more$/,
  },
  {
    what: "a pin that waits",
    change: () => facts({ gateways: [gateway("gw", { pin: "nosuch" })] }),
    says: /^warning gateway gw: Pinned to nosuch, which does not hold it: sallyport release gw/,
  },
  {
    what: "a policy without its gateway",
    change: () => facts({ gateways: [] }),
    says: /^error policy web: GatewayNotFound: /,
  },
  {
    what: "an object that cannot be read",
    change: () => facts({ invalid: [invalid("EgressGateway", "wrong")] }),
    says: /^error EgressGateway wrong: Cannot be read: spec\.destinationCIDRs/,
  },
];

for (const { what, change, says } of ROWS) {
  Deno.test(`check finds ${what}`, () => {
    const found = bad(findings(change(facts())));
    assert.ok(found.some((line) => says.test(line)), found.join("\n"));
  });
}
