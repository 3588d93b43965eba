/** The main job on a real API server with Cilium's real CRDs: manifests in, CiliumEgressGatewayPolicies and status out. */
import assert from "node:assert/strict";
import { explainGateway } from "../../src/core/explain.ts";
import type { GatewayStatus } from "../../src/core/types.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { tick } from "../../src/controller/tick.ts";
import type { TickResult } from "../../src/controller/tick.ts";
import { clientOf, putNode, removePod } from "../support/cluster.ts";
import { controlPlaneTests } from "../support/control_plane.ts";
import type { ControlPlane } from "../support/control_plane.ts";

const test = controlPlaneTests();

const EGRESS = { "dedicated/egress": "" };
const GATEWAYS = "/apis/network.deckhouse.io/v1alpha1/egressgateways";
const POLICIES = "/apis/network.deckhouse.io/v1alpha1/egressgatewaypolicies";
const CEGPS = "/apis/cilium.io/v2/ciliumegressgatewaypolicies";
const ACTIVE_FOR = "egress-gateway.network.deckhouse.io/active-for-my-egressgw";
const MEMBER = "egress-gateway.network.deckhouse.io/member";

interface Cegp {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly labels: Record<string, string>;
    readonly annotations: Record<string, string>;
    readonly ownerReferences: readonly { readonly kind: string; readonly uid: string }[];
  };
  readonly spec: Record<string, unknown> & {
    readonly egressGateway: {
      readonly nodeSelector: { readonly matchLabels: Record<string, string> };
    };
  };
}

async function statusOf(plane: ControlPlane, name = "my-egressgw"): Promise<GatewayStatus> {
  const { status } = await plane.api.get<{ status?: GatewayStatus }>(`${GATEWAYS}/${name}`);
  return status ?? {};
}

async function cegpOf(plane: ControlPlane, name = "my-egressgw-policy"): Promise<Cegp> {
  return await plane.api.get<Cegp>(`${CEGPS}/${name}`);
}

async function nodesWith(plane: ControlPlane, label: string): Promise<readonly string[]> {
  const nodes = await plane.api.list(`/api/v1/nodes?labelSelector=${encodeURIComponent(label)}`);
  return nodes.map(({ metadata }) => metadata.name).sort();
}

/** Everything gone, then three nodes and the seed's manifests, as they are, and one tick. */
async function seed(plane: ControlPlane, client: KubeClient): Promise<TickResult> {
  for (
    const path of [
      POLICIES,
      GATEWAYS,
      CEGPS,
      "/api/v1/nodes",
      "/api/v1/namespaces/kube-system/pods",
    ]
  ) {
    await plane.api.delete(`${path}?gracePeriodSeconds=0`);
  }
  for (const name of ["a", "b", "c"]) await putNode(plane, name, { labels: EGRESS });
  for (const file of ["egress-gateway-primary-ip", "egress-gateway-policy"]) {
    await plane.api.apply(
      await Deno.readTextFile(new URL(`../../k8s/examples/${file}.yaml`, import.meta.url)),
    );
  }
  return await tick(client);
}

test("the seed's manifests become the right Cilium policy, status and node labels in one tick", async (plane) => {
  await using client = await clientOf(plane);
  const { problems, settled, plan } = await seed(plane, client);
  assert.deepEqual(problems, []);
  assert.equal(settled, true);
  assert.equal(plan.gateways[0]?.decision, "Elect");

  const cegp = await cegpOf(plane);
  const { egressGateways, ...spec } = cegp.spec;
  assert.deepEqual(egressGateways ?? [], [], "Cilium's CRD fills in an empty list");
  assert.deepEqual(spec, {
    selectors: [{
      podSelector: { matchLabels: { app: "backend", "io.kubernetes.pod.namespace": "my-ns" } },
    }],
    destinationCIDRs: ["0.0.0.0/0"],
    egressGateway: {
      nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } },
      interface: "eth1",
    },
  });
  const policy = await plane.api.get<
    { metadata: { uid: string }; status: { activeNodeName: string } }
  >(
    `${POLICIES}/my-egressgw-policy`,
  );
  assert.deepEqual(cegp.metadata.ownerReferences.map(({ kind, uid }) => [kind, uid]), [
    ["EgressGatewayPolicy", policy.metadata.uid],
  ]);
  assert.equal(policy.status.activeNodeName, "a");

  const status = await statusOf(plane);
  assert.equal(status.activeNodeName, "a");
  assert.equal(status.term, 1);
  assert.equal(status.phase, "Active");
  assert.deepEqual(status.standbyNodeNames, ["b", "c"]);
  assert.equal(status.readyNodes, 3);
  assert.deepEqual(status.conditions?.map(({ type, status }) => [type, status]), [
    ["Ready", "True"],
    ["Degraded", "False"],
    ["NoStandby", "False"],
    ["AddressConflict", "False"],
  ]);
  assert.deepEqual(await nodesWith(plane, MEMBER), ["a", "b", "c"]);
  assert.deepEqual(await nodesWith(plane, ACTIVE_FOR), ["a"]);
});

test("a tick that finds nothing changed writes nothing", async (plane) => {
  const methods: string[] = [];
  await using client = await clientOf(plane, { onRequest: ({ method }) => methods.push(method) });
  await seed(plane, client);
  await tick(client);
  methods.length = 0;
  const { plan } = await tick(client);
  assert.deepEqual(plan.changes, []);
  assert.deepEqual([...new Set(methods)], ["GET"]);
});

const WAYS_TO_LOSE_THE_ROLE: readonly {
  readonly what: string;
  readonly reason: RegExp;
  /** A person or a program of the cluster chose it, so that it is no failover. */
  readonly planned?: boolean;
  readonly act: (plane: ControlPlane) => Promise<unknown>;
}[] = [
  {
    what: "cordoning the active node",
    reason: /NodeCordoned: Node is cordoned/,
    planned: true,
    act: (plane) => plane.api.patch("/api/v1/nodes/a", { spec: { unschedulable: true } }),
  },
  {
    what: "taking the label from the active node",
    reason: /a is no longer a candidate/,
    planned: true,
    act: (plane) =>
      plane.api.patch("/api/v1/nodes/a", {
        metadata: { labels: { "dedicated/egress": null } },
      }),
  },
  {
    what: "NotReady of the active node",
    reason: /NodeNotReady: Node condition Ready is False/,
    act: (plane) => putNode(plane, "a", { labels: EGRESS, ready: false }),
  },
  {
    what: "deleting the Cilium pod of the active node",
    reason: /CiliumAgentNotReady: No cilium-agent pod runs on this node/,
    act: (plane) => removePod(plane, "kube-system", "cilium-a"),
  },
  {
    what: "deleting the active node",
    reason: /a is no longer a candidate/,
    act: (plane) => plane.api.delete("/api/v1/nodes/a"),
  },
];

for (const { what, reason, planned = false, act } of WAYS_TO_LOSE_THE_ROLE) {
  test(`${what} moves the gateway in one tick, and explain says why`, async (plane) => {
    await using client = await clientOf(plane);
    await seed(plane, client);
    await act(plane);
    const { plan } = await tick(client);
    const [gateway] = plan.gateways;
    assert.ok(gateway);
    assert.equal(gateway.decision, planned ? "Move" : "FailOver");
    assert.match(explainGateway(gateway, plan), reason);
    assert.match(explainGateway(gateway, plan), /moves from a to b/);

    const status = await statusOf(plane);
    assert.equal(status.activeNodeName, "b");
    assert.equal(status.term, 2);
    assert.equal(status.lastFailover?.from, "a");
    const cegp = await cegpOf(plane);
    assert.deepEqual(cegp.spec.egressGateway.nodeSelector, {
      matchLabels: { "kubernetes.io/hostname": "b" },
    });
    assert.deepEqual(await nodesWith(plane, ACTIVE_FOR), ["b"]);
    const events = await plane.api.list<{ involvedObject: { name: string }; reason: string }>(
      "/api/v1/namespaces/default/events",
    );
    assert.ok(
      events.some((event) =>
        event.reason === (planned ? "Moved" : "FailedOver") &&
        event.involvedObject.name === "my-egressgw"
      ),
    );
  });
}

/** Without both it is taken for one that was adopted, see tests/core/adoption_test.ts. */
const MARKS: Readonly<Record<string, object>> = {
  label: { labels: { "app.kubernetes.io/managed-by": null, team: "x" } },
  owner: { labels: { team: "x" }, ownerReferences: [] },
};

for (const [mark, metadata] of Object.entries(MARKS)) {
  test(`a Cilium policy that was edited by hand, its ${mark} too, is put back`, async (plane) => {
    await using client = await clientOf(plane);
    await seed(plane, client);
    const before = await cegpOf(plane);
    await plane.api.patch(`${CEGPS}/my-egressgw-policy`, {
      metadata,
      spec: {
        destinationCIDRs: ["10.0.0.0/8"],
        excludedCIDRs: ["10.1.0.0/16"],
        egressGateways: [{ nodeSelector: { matchLabels: { "kubernetes.io/hostname": "b" } } }],
        egressGateway: {
          nodeSelector: { matchLabels: { "kubernetes.io/hostname": "c", extra: "y" } },
        },
      },
    });
    await tick(client);
    const after = await cegpOf(plane);
    assert.deepEqual(after.spec, before.spec);
    assert.deepEqual(after.metadata.ownerReferences, before.metadata.ownerReferences);
    assert.deepEqual(after.metadata.labels, { ...before.metadata.labels, team: "x" });
  });
}

test("a Cilium policy of the same name that is not ours is never touched, and a condition says so", async (plane) => {
  await using client = await clientOf(plane);
  await seed(plane, client);
  await plane.api.apply({
    apiVersion: "cilium.io/v2",
    kind: "CiliumEgressGatewayPolicy",
    metadata: { name: "by-hand" },
    spec: {
      selectors: [{ podSelector: {} }],
      destinationCIDRs: ["192.0.2.0/24"],
      egressGateway: { nodeSelector: { matchLabels: { x: "y" } } },
    },
  });
  const before = await plane.api.get(`${CEGPS}/by-hand`);
  await plane.api.apply({
    apiVersion: "network.deckhouse.io/v1alpha1",
    kind: "EgressGatewayPolicy",
    metadata: { name: "by-hand" },
    spec: {
      egressGatewayName: "my-egressgw",
      destinationCIDRs: ["0.0.0.0/0"],
      selectors: [{ podSelector: {} }],
    },
  });
  await tick(client);
  await tick(client);
  assert.deepEqual(await plane.api.get(`${CEGPS}/by-hand`), before);
  const { status } = await plane.api.get<
    { status: { conditions: { type: string; status: string; message: string }[] } }
  >(
    `${POLICIES}/by-hand`,
  );
  const conflicted = status.conditions.find(({ type }) => type === "Conflicted");
  assert.equal(conflicted?.status, "True");
  assert.match(conflicted?.message ?? "", /rename this policy or delete that object/);

  await plane.api.delete(`${POLICIES}/by-hand`);
  await tick(client);
  assert.deepEqual(await plane.api.get(`${CEGPS}/by-hand`), before);
});

test("a deleted policy takes its Cilium policy with it; a deleted gateway leaves one that selects no node", async (plane) => {
  await using client = await clientOf(plane);
  await seed(plane, client);
  await plane.api.delete(`${GATEWAYS}/my-egressgw`);
  await tick(client);
  const closed = await cegpOf(plane);
  assert.deepEqual(Object.keys(closed.spec.egressGateway.nodeSelector.matchLabels), [
    "egress-gateway.network.deckhouse.io/no-node",
  ]);
  assert.deepEqual(await nodesWith(plane, ACTIVE_FOR), []);
  assert.deepEqual(await nodesWith(plane, MEMBER), []);

  await plane.api.delete(`${POLICIES}/my-egressgw-policy`);
  await tick(client);
  assert.deepEqual(await plane.api.list(CEGPS), []);
});

test("an object that cannot be read is named, says so itself, and stops nobody else", async (plane) => {
  await using client = await clientOf(plane);
  await seed(plane, client);
  // As an older CRD without our validation would have let it in.
  const crd =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/egressgateways.network.deckhouse.io";
  const strict = await plane.api.get<{ spec: { versions: Record<string, unknown>[] } }>(crd);
  const lax = structuredClone(strict);
  const schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  lax.spec.versions[0] = { ...lax.spec.versions[0], schema: { openAPIV3Schema: schema } };
  await plane.api.put(crd, lax);
  try {
    await eventuallyCreated(() =>
      plane.api.apply({
        apiVersion: "network.deckhouse.io/v1alpha1",
        kind: "EgressGateway",
        metadata: { name: "broken" },
        spec: {
          nodeSelector: {},
          sourceIP: { mode: "VirtualIPAddress", virtualIPAddress: { ip: "not-an-ip" } },
        },
      })
    );
    await plane.api.patch("/api/v1/nodes/a", { spec: { unschedulable: true } });
    const { problems } = await tick(client);
    assert.equal((await statusOf(plane)).activeNodeName, "b");
    assert.equal(problems.length, 1);
    assert.match(
      problems[0] ?? "",
      /EgressGateway 'broken'.*virtualIPAddress\.ip: write an IP address such as/,
    );
    const [condition] = (await statusOf(plane, "broken")).conditions ?? [];
    assert.equal(condition?.reason, "InvalidSpec");
    assert.match(condition?.message ?? "", /write an IP address/);
    assert.deepEqual((await tick(client)).plan.changes, [], "the condition is written once");
  } finally {
    await plane.api.delete(`${GATEWAYS}/broken`);
    const { metadata } = await plane.api.get(crd);
    await plane.api.put(crd, { ...strict, metadata });
  }
});

test("two ticks at the same time leave one term and one holder", async (plane) => {
  await using client = await clientOf(plane);
  await seed(plane, client);
  for (const round of [1, 2, 3, 4, 5]) {
    const holder = (await statusOf(plane)).activeNodeName;
    await plane.api.patch(`/api/v1/nodes/${holder}`, { spec: { unschedulable: true } });
    await Promise.all([tick(client), tick(client), tick(client)]);
    await tick(client);
    const status = await statusOf(plane);
    assert.equal(status.term, 1 + round);
    const { matchLabels } = (await cegpOf(plane)).spec.egressGateway.nodeSelector;
    assert.deepEqual(matchLabels, { "kubernetes.io/hostname": status.activeNodeName });
    await plane.api.patch(`/api/v1/nodes/${holder}`, { spec: { unschedulable: null } });
    await tick(client);
  }
});

test("a partial observation changes nothing and is an error", async (plane) => {
  await using client = await clientOf(plane);
  await seed(plane, client);
  const before = await plane.api.get(`${GATEWAYS}/my-egressgw`);
  const deaf: KubeClient = {
    ...client,
    request: (request) =>
      request.method === "GET" && request.path.endsWith("/pods")
        ? Promise.reject(new Error("pods cannot be listed"))
        : client.request(request),
  };
  await plane.api.patch("/api/v1/nodes/a", { spec: { unschedulable: true } });
  await assert.rejects(tick(deaf), /pods cannot be listed/);
  assert.deepEqual(await plane.api.get(`${GATEWAYS}/my-egressgw`), before);
});

/** A changed CRD is served a moment later. */
async function eventuallyCreated(create: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      await create();
      return;
    } catch (error) {
      if (attempt === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
