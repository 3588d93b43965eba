/** Our CustomResourceDefinitions as a real API server enforces them. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { controlPlaneTests } from "../support/control_plane.ts";
import { GATEWAY_REFUSALS } from "../support/crd_gateway_refusals.ts";
import { policy, primaryGateway, virtualGateway, virtualWith } from "../support/crd_manifests.ts";
import { POLICY_REFUSALS } from "../support/crd_policy_refusals.ts";
import { type KubeObject, objectsOf } from "../../src/build/kube_object.ts";
import type { RawApi } from "../support/raw_api.ts";

const test = controlPlaneTests();
const API = "/apis/network.deckhouse.io/v1alpha1";
const GATEWAYS = `${API}/egressgateways`;
const POLICIES = `${API}/egressgatewaypolicies`;

for (
  const file of [
    "egress-gateway-primary-ip.yaml",
    "egress-gateway-virtual-ip.yaml",
    "egress-gateway-policy.yaml",
    "spread-policy.yaml",
    "zones.yaml",
    "demo/gateways.yaml",
    "demo/policies.yaml",
  ]
) {
  test(`the example ${file} applies and reads back as it was written`, async ({ api }) => {
    const path = fileURLToPath(new URL(`../../k8s/examples/${file}`, import.meta.url));
    const written = objectsOf(await Deno.readTextFile(path));
    const stored = await api.apply(written);
    assert.ok(stored.length > 0);
    assert.deepEqual(stored.map(({ spec }) => spec), written.map(({ spec }) => spec));
    for (const object of stored) await api.delete(await api.pathOf(object));
  });
}

const ACCEPTED: readonly (readonly [what: string, object: KubeObject])[] = [
  ["all nodes", virtualGateway({ nodeSelector: {} })],
  ["a name of 52 characters", virtualGateway({}, "g".repeat(52))],
  ["a name with dots", virtualGateway({}, "egress.zone-a")],
  ["an interface name of 15 characters", virtualWith({ interfaces: ["fifteen-letters"] })],
  ["an interface name with '.' and '@'", virtualWith({ interfaces: ["bond0.100", "veth@1"] })],
  ["an empty list of interfaces", virtualWith({ interfaces: [] })],
  ["no standbys", virtualWith({ standby: "Unbound", standbys: 0 })],
  ["eight standbys", virtualWith({ standby: "Bound", standbys: 8 })],
  ["a public address", virtualWith({ ip: "8.8.4.200" })],
  ["the first and last unicast addresses", virtualWith({ ip: "1.0.0.0" })],
  ["the last unicast address", virtualWith({ ip: "223.255.255.255" })],
  [
    "an uplink with targets of each kind and family",
    primaryGateway({
      failureDetection: {
        uplink: {
          targets: [
            "icmp:10.0.0.1",
            "icmp:2001:db8::1",
            "tcp:10.0.0.1:443",
            "tcp:[2001:db8::1]:65535",
            "arp:10.0.0.1",
            "arp:fe80::1",
          ],
          interface: "eth1",
          intervalMilliseconds: 1_000,
          failures: 2,
          require: "All",
        },
      },
    }),
  ],
  [
    "every optional field",
    primaryGateway({
      preferredNodes: [{ weight: 1, nodeSelector: { zone: "a" } }, {
        weight: 100,
        nodeSelector: { "topology.kubernetes.io/zone": "b" },
      }],
      strategy: "Hash",
      failback: { mode: "Never", minReadySeconds: 0 },
      failureDetection: {
        heartbeat: "Ignore",
        timeoutSeconds: 2,
        peers: false,
        ciliumAgentGraceSeconds: 3600,
      },
      whenNoneEligible: "Drop",
    }),
  ],
  [
    "empty optional blocks",
    virtualGateway({ failback: {}, failureDetection: {}, preferredNodes: [] }),
  ],
  [
    "namespaces allowed by name and by label",
    virtualGateway({
      allowedNamespaces: {
        names: ["shop", "n".repeat(63)],
        selector: {
          matchLabels: { "example.com/team": "shop" },
          matchExpressions: [{ key: "env", operator: "NotIn", values: ["test"] }],
        },
      },
    }),
  ],
  [
    "all namespaces allowed by an empty selector",
    virtualGateway({ allowedNamespaces: { selector: {} } }),
  ],
  ["a policy's name of 63 characters", policy({}, "p".repeat(63))],
  ["every pod", policy({ selectors: [{ podSelector: {} }] })],
  ["every namespace", policy({ selectors: [{ namespaceSelector: {} }] })],
  ["one address", policy({ destinationCIDRs: ["192.0.2.7/32"] })],
  ["a CIDR twice", policy({ destinationCIDRs: ["192.0.2.7/32", "192.0.2.7/32"] })],
  ["no exclusions", policy({ excludedCIDRs: [] })],
  ["a thousand destinations", policy({ destinationCIDRs: manyCIDRs(1000) })],
  [
    "every operator",
    policy({
      selectors: [{
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "a" } },
        podSelector: {
          matchExpressions: [
            { key: "app", operator: "In", values: ["a", ""] },
            { key: "app", operator: "NotIn", values: ["b"] },
            { key: "example.com/tier", operator: "Exists" },
            { key: "tier", operator: "DoesNotExist", values: [] },
          ],
        },
      }],
    }),
  ],
];

for (const [what, object] of ACCEPTED) {
  test(`the API server accepts ${what}`, async ({ api }) => {
    const { status, body } = await dryRun(api, object);
    assert.equal(status, 201, JSON.stringify(body));
    assert.deepEqual((body as KubeObject)["spec"], object["spec"], "No defaults are filled in");
  });
}

for (const { what, object, field, says } of [...GATEWAY_REFUSALS, ...POLICY_REFUSALS]) {
  test(`the API server refuses ${what}`, async ({ api }) => {
    const { status, body } = await dryRun(api, object);
    assert.equal(status, 422, JSON.stringify(body));
    const causes = ownCauses(body);
    assert.deepEqual(causes.map((cause) => cause.field), [field], JSON.stringify(causes));
    const message = causes[0]?.message ?? "";
    assert.ok(message.includes(says), `Expected '${says}', the API server says '${message}'`);
  });
}

for (const object of [virtualGateway({ nodeSelecter: {} }), policy({ selector: [] })]) {
  test(`an unknown field of ${object.kind} is refused when fields are validated, as kubectl does`, async ({ api }) => {
    const { status, body } = await dryRun(api, object);
    assert.equal(status, 400);
    assert.match(
      (body as { message: string }).message,
      /strict decoding error: unknown field "spec\.\w+"/,
    );
  });
}

test("a change of the virtual IP and of the mode is allowed", async ({ api }) => {
  await api.apply(virtualWith({}));
  await api.apply(virtualWith({ ip: "172.18.18.243" }));
  await api.put(`${GATEWAYS}/g`, {
    ...primaryGateway(),
    metadata: (await api.get(`${GATEWAYS}/g`)).metadata,
  });
  await api.delete(`${GATEWAYS}/g`);
});

const CONDITION = {
  type: "Ready",
  status: "True",
  reason: "Serving",
  message: "Node a serves",
  lastTransitionTime: "2026-11-23T10:00:00Z",
  observedGeneration: 1,
};

const GATEWAY_STATUS = {
  observedGeneration: 1,
  activeNodeName: "a",
  activeNodeAddresses: ["192.0.2.1"],
  standbyNodeNames: ["b"],
  egressIP: "172.18.18.242",
  egressIPs: ["172.18.18.242", "2001:db8::242"],
  readyNodes: 2,
  term: 3,
  phase: "Active",
  candidates: [
    {
      node: "a",
      eligible: true,
      eligibleSince: "2026-11-23T10:00:00Z",
      rank: 100,
      reasons: [],
    },
    {
      node: "c",
      eligible: false,
      rank: 0,
      reasons: [{
        type: "BindFailed",
        message: "The address could not be bound",
        retryAfter: "2026-11-23T10:01:00Z",
      }],
    },
  ],
  lastFailover: {
    from: "b",
    fromEgressIP: "172.18.18.242",
    fromEgressIPs: ["172.18.18.242", "2001:db8::242"],
    to: "a",
    reason: "NodeNotReady",
    startTime: "2026-11-23T10:00:00Z",
    durationMilliseconds: 12,
  },
  history: [{
    term: 3,
    time: "2026-11-23T10:00:00Z",
    from: "b",
    to: "a",
    reason: "FailedOver",
    message: "b: HeartbeatStale",
    planned: false,
    outageSince: "2026-11-23T09:59:57.500Z",
    durationMilliseconds: 41,
    outageMilliseconds: 2_541,
  }],
  conditions: [CONDITION],
};

/** As the API server prints a list. */
const EGRESS_IPS_COLUMN = '["172.18.18.242","2001:db8::242"]';

test("a status keeps every field, and columns show it", async ({ api }) => {
  await api.apply(virtualWith({}));
  await api.patch(`${GATEWAYS}/g/status?fieldValidation=Strict`, { status: GATEWAY_STATUS });
  assert.deepEqual((await api.get(`${GATEWAYS}/g`))["status"], GATEWAY_STATUS);
  assert.deepEqual(await table(api, GATEWAYS), {
    Name: "g",
    Ready: "True",
    Mode: "VirtualIPAddress",
    Active: "a",
    Phase: "Active",
    "Ready-Nodes": 2,
    "Egress IP": "172.18.18.242",
    "Egress IPs": EGRESS_IPS_COLUMN,
    From: "b",
    Term: 3,
    Reason: "Serving",
  });
  await api.delete(`${GATEWAYS}/g`);
});

test("a policy's status keeps every field, and columns show it", async ({ api }) => {
  const status = {
    observedGeneration: 1,
    activeNodeName: "a",
    egressIP: "172.18.18.242",
    egressIPs: ["172.18.18.242", "2001:db8::242"],
    gateways: [{
      name: "g",
      shards: 256,
      activeNodeName: "a",
      egressIP: "172.18.18.242",
      egressIPs: ["172.18.18.242", "2001:db8::242"],
      servedBy: "h",
    }],
    conditions: [CONDITION],
  };
  await api.apply(policy());
  await api.patch(`${POLICIES}/p/status?fieldValidation=Strict`, { status });
  assert.deepEqual((await api.get(`${POLICIES}/p`))["status"], status);
  assert.deepEqual(await table(api, POLICIES), {
    Name: "p",
    Ready: "True",
    Gateway: "g",
    Gateways: null,
    Active: "a",
    "Egress IP": "172.18.18.242",
    "Egress IPs": EGRESS_IPS_COLUMN,
    Reason: "Serving",
  });
  await api.delete(`${POLICIES}/p`);
});

test("short names and a category lead to our kinds, and clash with none of Cilium's", async ({ api }) => {
  interface Resource {
    readonly name: string;
    readonly shortNames?: readonly string[];
    readonly categories?: readonly string[];
  }
  const discover = async (path: string) =>
    (await api.get<{ resources: Resource[] }>(path)).resources;
  const ours = (await discover(API)).filter(({ name }) => !name.includes("/"));
  assert.deepEqual(
    ours.map(({ name, shortNames, categories }) => [name, shortNames, categories]).sort(),
    [
      ["egressgatewaypolicies", ["egwp"], ["sallyport"]],
      ["egressgateways", ["egw"], ["sallyport"]],
    ],
  );
  const theirs = (await discover("/apis/cilium.io/v2")).flatMap(({ shortNames = [] }) =>
    shortNames
  );
  assert.ok(theirs.includes("cegp"));
  assert.ok(!theirs.includes("egw") && !theirs.includes("egwp"));
});

function manyCIDRs(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`);
}

function dryRun(api: RawApi, object: KubeObject) {
  return api.request({
    method: "POST",
    path: `${
      object.kind === "EgressGateway" ? GATEWAYS : POLICIES
    }?dryRun=All&fieldValidation=Strict`,
    body: object,
  });
}

interface Cause {
  readonly field: string;
  readonly message: string;
}

/** What the API server adds to a complaint of its own accord: that it left out rules, or a type error once more. */
const REMARKS = ["some validation rules were not checked", "Checked value must be of type"];

function ownCauses(body: unknown): readonly Cause[] {
  const { details } = body as { readonly details?: { readonly causes?: readonly Cause[] } };
  return (details?.causes ?? []).filter(({ message }) =>
    !REMARKS.some((remark) => message.includes(remark))
  );
}

/** The only row of `kubectl get -o wide`, by column; Age is only seen to be there, as it grows. */
async function table(api: RawApi, path: string): Promise<Readonly<Record<string, unknown>>> {
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
  const { columnDefinitions, rows } = await api.get<{
    readonly columnDefinitions: readonly { readonly name: string }[];
    readonly rows: readonly { readonly cells: readonly unknown[] }[];
  }>(path, { accept });
  assert.equal(rows.length, 1);
  const cells = columnDefinitions.map(({ name }, index) => [name, rows[0]?.cells[index]]);
  const { Age, ...others } = Object.fromEntries(cells);
  assert.match(Age, /^\d+s$/);
  return others;
}
