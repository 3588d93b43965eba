/**
 * Least privilege, with real tokens on a real API server: the identities of `k8s/base` can do their whole work, hold no
 * right that this work does not use, and are refused everything else.
 */
import assert from "node:assert/strict";
import { startAgent } from "../../src/agent/run_agent.ts";
import {
  emptyNode,
  pinGateway,
  releaseGateway,
  uncordonNode,
} from "../../src/cli/shared/interventions.ts";
import { Controller } from "../../src/controller/controller.ts";
import {
  AGENT_APP,
  FENCE_ANNOTATION,
  MEMBER_LABEL,
  NAMESPACE,
  PIN_ANNOTATION,
  POLICY_LABEL,
  PREFIX,
  REPORT_ANNOTATION,
  SHARD_LABEL,
} from "../../src/core/names.ts";
import type { GatewayStatus } from "../../src/core/types.ts";
import { sleep } from "../../src/kube/deadline.ts";
import { readWayOut } from "../../src/cluster/read_way_out.ts";
import { tick } from "../../src/controller/tick.ts";
import { createAuditLog } from "../support/audit.ts";
import { clientOf, putNode, putPod } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";
import { grant, grantsOf } from "../support/grants.ts";
import { kustomize, render } from "../../src/build/kustomize.ts";
import { policyManifest } from "../support/manifests.ts";
import { memoryHands } from "../support/memory_hands.ts";
import { missing, testWith } from "../support/needs.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { eventually, type RawApi, type RawRequest } from "../support/raw_api.ts";

const CONTROLLER = "sallyport-controller";
const userOf = (name: string) => `system:serviceaccount:${NAMESPACE}:${name}`;

const audit = createAuditLog([userOf(CONTROLLER), userOf(AGENT_APP)]);
const OPERATOR = "olga";
const onControlPlane = controlPlaneTests({
  extraApiArgs: audit.apiArgs,
  users: { [OPERATOR]: [] },
});
Deno.test.afterAll(() => audit[Symbol.dispose]());

/** A test with `k8s/base` installed. */
function test(name: string, fn: (plane: ControlPlane, t: Deno.TestContext) => Promise<void>): void {
  if (missing([kustomize]) !== null) testWith([kustomize], name, () => {});
  else {
    onControlPlane(name, async (plane, t) => {
      await plane.api.apply(await render("base"));
      await inForce(plane);
      await fn(plane, t);
    });
  }
}

/** An API server enforces an admission policy, and serves a kind, some time after it was written. */
async function inForce(plane: ControlPlane): Promise<void> {
  const probes = [[AGENT_APP, LEASES, leaseOf("probe")], [CONTROLLER, LEASES, leaseOf("probe")], [
    CONTROLLER,
    CEGPS,
    FOREIGN,
  ]] as const;
  for (const [account, path, body] of probes) {
    const api = plane.api.as(await plane.serviceAccountToken(NAMESPACE, account));
    await eventually(`${account} is held to its admission policy`, async () => {
      const dry = await api.request({ method: "POST", path: `${path}?dryRun=All`, body });
      return dry.status === 403;
    });
  }
  const kinds = ["egressgateways", "egressgatewaypolicies"].map((kind) => `${OURS}/${kind}`);
  for (const path of [...kinds, CILIUM_NODES]) {
    await eventually(`${path} is served`, async () => {
      return (await plane.api.request({ path })).status === 200;
    });
  }
}

const LEASES = `/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases`;
const CILIUM_NODES = "/apis/cilium.io/v2/ciliumnodes";
const CEGPS = "/apis/cilium.io/v2/ciliumegressgatewaypolicies";
const OURS = "/apis/network.deckhouse.io/v1alpha1";
const EGRESS = { "dedicated/egress": "" };

function gateway(name: string, sourceIP: object): KubeObject {
  return {
    apiVersion: "network.deckhouse.io/v1alpha1",
    kind: "EgressGateway",
    metadata: { name },
    spec: { nodeSelector: EGRESS, sourceIP },
  };
}

/** Somebody else's, which nobody of ours may touch. */
const FOREIGN: KubeObject = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumEgressGatewayPolicy",
  metadata: { name: "theirs" },
  spec: {
    selectors: [{ podSelector: { matchLabels: { app: "theirs" } } }],
    destinationCIDRs: ["192.0.2.0/24"],
    egressGateway: { nodeSelector: { matchLabels: { team: "theirs" } }, interface: "eth9" },
  },
};

/** A real agent on a node of its own, with its own pod's token, but with hands that act on memory. */
async function startNode(plane: ControlPlane, name: string, address: string) {
  await putNode(plane, name, { labels: EGRESS, internalIP: address });
  const token = await agentToken(plane, name);
  const client = await clientOf(plane, {
    kubeconfig: await plane.writeKubeconfig(`agent-${name}`, token),
  });
  const stop = new AbortController();
  const running = startAgent(client, {
    nodeName: name,
    hands: memoryHands({ address }),
    stateDirectory: `${plane.dir}/state-${name}`,
    ciliumHealthz: undefined,
    createPings: () => ({ setTargets() {}, [Symbol.dispose]() {} }),
    signal: stop.signal,
  });
  return {
    name,
    /** The API server is not reached any more. */
    cutOff: () => client.close(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running.ended;
      await client.close();
    },
  };
}

/** Holds what is to be disposed of at the same time: an agent that is cut off takes its 5 s to leave. */
function together() {
  const held: AsyncDisposable[] = [];
  return {
    use<T extends AsyncDisposable>(one: T): T {
      held.push(one);
      return one;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(held.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}

async function agentToken(plane: ControlPlane, node: string): Promise<string> {
  const pod = { name: `${AGENT_APP}-${node}`, namespace: NAMESPACE };
  await putPod(plane, {
    ...pod,
    node,
    labels: { "app.kubernetes.io/name": AGENT_APP },
    serviceAccountName: AGENT_APP,
  });
  return await plane.serviceAccountToken(NAMESPACE, AGENT_APP, { boundPod: pod.name });
}

async function controllerClient(plane: ControlPlane) {
  const token = await plane.serviceAccountToken(NAMESPACE, CONTROLLER);
  return await clientOf(plane, { kubeconfig: await plane.writeKubeconfig(CONTROLLER, token) });
}

/** What the audit log has of an identity since a moment. */
async function recorder(account: string) {
  const user = userOf(account);
  const { length } = await audit.requestsOf(user);
  return async () => (await audit.requestsOf(user)).slice(length);
}

/** Grants that no recording can show, and why they stand. */
const UNSEEN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [CONTROLLER]: {
    [`delete leases.coordination.k8s.io in ${NAMESPACE}`]:
      "a Lease is removed five minutes after the last word on it, and the API server's clock is its own",
  },
  [AGENT_APP]: {
    [`create leases.coordination.k8s.io in ${NAMESPACE}`]:
      "an apply that creates is recorded as patch and authorized as create too",
  },
};

async function assertUsedIsGranted(
  api: RawApi,
  account: string,
  recorded: Awaited<ReturnType<typeof recorder>>,
): Promise<void> {
  const requests = await recorded();
  // A conflict is the protocol's own; all else that is refused is a right that is missing.
  const refused = requests.filter(({ code }) => code >= 400 && code !== 409);
  assert.deepEqual(refused, [], `${account} was refused`);
  const used = [...new Set(requests.map(grant))].sort();
  const unseen = Object.keys(UNSEEN[account] ?? {});
  const granted = await grantsOf(api, { namespace: NAMESPACE, name: account });
  assert.deepEqual(
    {
      grantedAndNeverUsed: granted.filter((one) => !used.includes(one) && !unseen.includes(one)),
      usedAndNotGranted: used.filter((one) => !granted.includes(one)),
      explainedAndNotGranted: unseen.filter((one) => !granted.includes(one)),
    },
    { grantedAndNeverUsed: [], usedAndNotGranted: [], explainedAndNotGranted: [] },
    account,
  );
}

test(
  "controller and agents carry a whole life of gateways through with exactly the rights they have",
  async (plane, t) => {
    const { api } = plane;
    const recordedOfController = await recorder(CONTROLLER);
    const recordedOfAgents = await recorder(AGENT_APP);
    await using client = await controllerClient(plane);
    await using agents = together();
    const nodes = new Map<string, Awaited<ReturnType<typeof startNode>>>();
    for (const [index, name] of ["a", "b", "c", "d", "e"].entries()) {
      nodes.set(name, agents.use(await startNode(plane, name, `10.7.0.${index + 1}`)));
    }
    await api.apply([
      FOREIGN,
      gateway("primary", {
        mode: "PrimaryIPFromEgressGatewayNodeInterface",
        primaryIPFromEgressGatewayNodeInterface: { interfaceName: "eth1" },
      }),
      gateway("virtual", {
        mode: "VirtualIPAddress",
        virtualIPAddress: { ip: "10.7.0.100", interfaces: ["eth1"] },
      }),
      policyManifest("through-primary", "primary"),
      policyManifest("through-virtual", "virtual"),
    ]);

    const statusOf = async (name: string) =>
      (await api.get<{ status?: GatewayStatus }>(`${OURS}/egressgateways/${name}`)).status;
    const tickUntil = (what: string, isSo: () => Promise<boolean>) =>
      eventually(what, async () => {
        assert.deepEqual((await tick(client)).problems, []);
        return await isSo();
      }, { timeoutMilliseconds: 20_000, everyMilliseconds: 100 });
    /** The holder, once the gateway serves by another node than that. */
    const holderOtherThan = async (name: string, node: string | undefined) => {
      let holder = "";
      await tickUntil(`${name} serves by another node than ${node ?? "none"}`, async () => {
        const status = await statusOf(name);
        if (status?.phase !== "Active" || !status.activeNodeName) return false;
        holder = status.activeNodeName;
        return holder !== node;
      });
      return holder;
    };

    await t.step("both gateways get a holder", async () => {
      await eventually("all agents renew", async () => (await api.list(LEASES)).length === 5);
      assert.equal(await holderOtherThan("primary", undefined), "a");
      await holderOtherThan("virtual", undefined);
      const names = (await api.list(CEGPS)).map(({ metadata }) => metadata.name).sort();
      assert.deepEqual(names, ["theirs", "through-primary", "through-virtual"]);
    });

    await t.step("a cordoned holder hands over", async () => {
      const holder = (await statusOf("virtual"))?.activeNodeName ?? "";
      for (const name of new Set(["a", holder])) {
        await api.patch(`/api/v1/nodes/${name}`, { spec: { unschedulable: true } });
      }
      assert.equal(await holderOtherThan("primary", "a"), "b");
      await holderOtherThan("virtual", holder);
    });

    await t.step("a holder without a Lease is fenced by a new one", async () => {
      const holder = (await statusOf("virtual"))?.activeNodeName ?? "";
      await nodes.get(holder)?.cutOff();
      await api.delete(`${LEASES}/${holder}`);
      await holderOtherThan("virtual", holder);
      const { annotations, managedFields } = (await api.get(`${LEASES}/${holder}`)).metadata;
      assert.ok(annotations?.[FENCE_ANNOTATION]);
      assert.deepEqual(
        (managedFields as { manager: string }[]).map(({ manager }) => manager),
        ["controller"],
      );
    });

    let silent = "";
    await t.step("a holder that falls silent is fenced in its Lease", async () => {
      const holder = (await statusOf("virtual"))?.activeNodeName ?? "";
      silent = holder;
      await nodes.get(holder)?.cutOff();
      await holderOtherThan("virtual", holder);
      const { annotations } = (await api.get(`${LEASES}/${holder}`)).metadata;
      assert.ok(annotations?.[FENCE_ANNOTATION]);
      assert.ok(annotations[REPORT_ANNOTATION]);
    });

    await t.step("the resident controller follows the Leases", async () => {
      const stop = new AbortController();
      const errors: Error[] = [];
      const ended = new Controller(client, {
        signal: stop.signal,
        onError: (error) => errors.push(error),
      }).run();
      await sleep(1_500);
      stop.abort();
      await ended;
      assert.deepEqual(errors, []);
    });

    await t.step("without gateways nothing of ours is left on nodes and in Cilium", async () => {
      // No garbage collector runs here, so that the controller's own deletion is seen.
      for (const name of ["through-primary", "through-virtual"]) {
        await api.delete(`${OURS}/egressgatewaypolicies/${name}`);
      }
      await tickUntil(
        "only their policy is left",
        async () => (await api.list(CEGPS)).length === 1,
      );
      for (const name of ["primary", "virtual"]) await api.delete(`${OURS}/egressgateways/${name}`);
      const labelled = async () =>
        (await api.list("/api/v1/nodes")).filter(({ metadata }) =>
          Object.keys(metadata.labels ?? {}).some((key) => key.startsWith(PREFIX))
        ).map(({ metadata }) => metadata.name);
      // Its last report, which nobody takes back, says that it has the virtual IP.
      const stillReporting = [silent];
      await tickUntil(
        "labels of ours are gone",
        async () => JSON.stringify(await labelled()) === JSON.stringify(stillReporting),
      );
    });

    await assertUsedIsGranted(api, CONTROLLER, recordedOfController);
    await assertUsedIsGranted(api, AGENT_APP, recordedOfAgents);
  },
);

test("a hand-written policy is left alone until somebody labels it, then it is taken over in place", async (plane) => {
  const { api } = plane;
  await using client = await controllerClient(plane);
  const written = { ...FOREIGN, metadata: { name: "by-hand" } };
  await putNode(plane, "adopting", { labels: EGRESS });
  const [before] = await api.apply([
    written,
    gateway("adopting", {
      mode: "PrimaryIPFromEgressGatewayNodeInterface",
      primaryIPFromEgressGatewayNodeInterface: { interfaceName: "eth1" },
    }),
    policyManifest("by-hand", "adopting"),
  ]);
  const path = `${CEGPS}/by-hand`;
  assert.deepEqual((await tick(client)).problems, []);
  assert.deepEqual((await api.get(path)).spec, before?.spec);
  const { status } = await api.get<{ status: { conditions: { reason: string }[] } }>(
    `${OURS}/egressgatewaypolicies/by-hand`,
  );
  assert.equal(status.conditions[0]?.reason, "NameClash");
  await api.patch(path, { metadata: { labels: { [POLICY_LABEL]: "by-hand" } } });
  assert.deepEqual((await tick(client)).problems, []);
  const after = await api.get<KubeObject & { spec: { selectors: unknown; egressGateway: object } }>(
    path,
  );
  assert.equal(after.metadata.uid, before?.metadata.uid);
  assert.deepEqual(after.spec.egressGateway, {
    nodeSelector: { matchLabels: { "kubernetes.io/hostname": "adopting" } },
    interface: "eth1",
  });
  await api.delete(`${OURS}/egressgatewaypolicies/by-hand`);
  await api.delete(`${OURS}/egressgateways/adopting`);
  await api.delete("/api/v1/nodes/adopting");
  await tick(client);
});

test("an operator pins, releases and drains with ClusterRole sallyport-operator", async (plane) => {
  const { api } = plane;
  await api.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "operators" },
    roleRef: {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "ClusterRole",
      name: "sallyport-operator",
    },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: OPERATOR }],
  } as KubeObject);
  await putNode(plane, "operated", { labels: EGRESS });
  await api.apply(gateway("operated", {
    mode: "PrimaryIPFromEgressGatewayNodeInterface",
    primaryIPFromEgressGatewayNodeInterface: { interfaceName: "eth1" },
  }));
  const kubeconfig = await plane.writeKubeconfig(OPERATOR, plane.tokenFor(OPERATOR));
  await using client = await clientOf(plane, { kubeconfig });
  const pin = async () =>
    (await api.get(`${OURS}/egressgateways/operated`)).metadata.annotations?.[PIN_ANNOTATION];
  await pinGateway(client, { gateway: "operated", node: "operated" });
  assert.equal(await pin(), "operated");
  await releaseGateway(client, "operated");
  assert.equal(await pin(), undefined);
  const isCordoned = async () =>
    (await api.get<KubeObject & { readonly spec: { readonly unschedulable?: boolean } }>(
      "/api/v1/nodes/operated",
    )).spec.unschedulable ?? false;
  await pinGateway(client, { gateway: "operated", node: "operated" });
  assert.match(
    (await emptyNode(client, "operated", { dryRun: true })).join(),
    /^Cordoned operated/,
  );
  assert.deepEqual([await isCordoned(), await pin()], [false, "operated"]);
  await emptyNode(client, "operated");
  assert.deepEqual([await isCordoned(), await pin()], [true, undefined]);
  await uncordonNode(client, "operated");
  await assert.rejects(
    readWayOut(client, { namespace: "default", name: "nosuch", destination: "203.0.113.7" }),
    /Cannot find Pod 'nosuch'/,
  );
  assert.equal(await isCordoned(), false);
  await api.delete(`${OURS}/egressgateways/operated`);
});

interface Attempt extends RawRequest {
  readonly what: string;
  /** Status, and what the message says; a number alone: it is allowed. */
  readonly answer: number | readonly [number, RegExp];
}

const MERGE = "application/merge-patch+json";
const APPLY = "application/apply-patch+yaml";
const NO_RIGHT = [403, /cannot .* (resource|path)/] as const;

async function assertAttempts(api: RawApi, attempts: readonly Attempt[]): Promise<void> {
  for (const { what, answer, ...request } of attempts) {
    const { status, body } = await api.request(request);
    const { message = "" } = body as { readonly message?: string };
    const [code, words] = typeof answer === "number" ? [answer, /(?:)/] : answer;
    assert.equal(status, code, `${what}: ${message}`);
    assert.match(message, words, what);
  }
}

function leaseOf(name: string, metadata: object = {}): object {
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name, namespace: NAMESPACE, ...metadata },
    spec: { holderIdentity: name },
  };
}

const APPLIED = "fieldManager=agent&force=true";
const annotate = (key: string, value: string | null) => ({
  metadata: { annotations: { [key]: value } },
});

test("an agent writes its own node's Lease, its report in it, and nothing else", async (plane) => {
  const { api } = plane;
  for (const name of ["own", "other"]) await putNode(plane, name);
  const own = api.as(await agentToken(plane, "own"));
  const fence = { [FENCE_ANNOTATION]: '{"uid":3}' };
  const report = { [REPORT_ANNOTATION]: "{}" };
  const others = [403, /may write the Lease of its own node only: .* of node own, not of other/];
  const oneAnnotation = [403, /may write one annotation of its Lease, .*\/report; the fence is/];
  const lease = (name: string) => `${LEASES}/${name}`;
  const attempts: readonly Attempt[] = [
    {
      what: "create and fence at once",
      method: "PATCH",
      path: `${lease("own")}?${APPLIED}`,
      contentType: APPLY,
      body: leaseOf("own", { annotations: fence }),
      answer: [403, oneAnnotation[1] as RegExp],
    },
    {
      what: "renew, the first time",
      method: "PATCH",
      path: `${lease("own")}?${APPLIED}`,
      contentType: APPLY,
      body: leaseOf("own", { annotations: report }),
      answer: 201,
    },
    {
      what: "renew again",
      method: "PATCH",
      path: `${lease("own")}?${APPLIED}`,
      contentType: APPLY,
      body: leaseOf("own", { annotations: { [REPORT_ANNOTATION]: '{"leaving":true}' } }),
      answer: 200,
    },
    {
      what: "apply another node's Lease",
      method: "PATCH",
      path: `${lease("other")}?${APPLIED}`,
      contentType: APPLY,
      body: leaseOf("other", { annotations: report }),
      answer: [403, others[1] as RegExp],
    },
    {
      what: "create another node's Lease",
      method: "POST",
      path: LEASES,
      body: leaseOf("other"),
      answer: [403, others[1] as RegExp],
    },
  ];
  await assertAttempts(own, attempts);
  await api.patch(lease("own"), annotate(FENCE_ANNOTATION, '{"uid":3}'));
  const patch = (what: string, body: object): Attempt => ({
    what,
    method: "PATCH",
    path: lease("own"),
    contentType: MERGE,
    body,
    answer: [403, oneAnnotation[1] as RegExp],
  });
  const finalizers = [403, /may not set finalizers or owners/] as const;
  await assertAttempts(own, [
    patch("remove the fence", annotate(FENCE_ANNOTATION, null)),
    patch("lower the fence", annotate(FENCE_ANNOTATION, '{"uid":2}')),
    patch("remove all annotations", { metadata: { annotations: null } }),
    patch("add an annotation", annotate("example.com/own", "1")),
    {
      ...patch("set a finalizer", { metadata: { finalizers: ["example.com/own"] } }),
      answer: finalizers,
    },
    {
      what: "renew below a fence",
      method: "PATCH",
      path: `${lease("own")}?${APPLIED}`,
      contentType: APPLY,
      body: leaseOf("own", { annotations: report }),
      answer: 200,
    },
    ...["get", "list"].map((verb): Attempt => ({
      what: `${verb} Leases`,
      path: verb === "get" ? lease("own") : LEASES,
      answer: NO_RIGHT,
    })),
    { what: "delete its Lease", method: "DELETE", path: lease("own"), answer: NO_RIGHT },
    {
      what: "renew a Lease of kube-system",
      method: "PATCH",
      path: `/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/own?${APPLIED}`,
      contentType: APPLY,
      body: { ...leaseOf("own", { namespace: "kube-system" }) },
      answer: NO_RIGHT,
    },
    ...[
      "/api/v1/nodes",
      "/api/v1/nodes/own",
      "/api/v1/pods",
      `/api/v1/namespaces/${NAMESPACE}/pods`,
      "/api/v1/secrets",
      `/api/v1/namespaces/${NAMESPACE}/secrets`,
      `${OURS}/egressgatewaypolicies`,
      CEGPS,
    ].map((path): Attempt => ({ what: `read ${path}`, path, answer: NO_RIGHT })),
    { what: "read gateways", path: `${OURS}/egressgateways`, answer: 200 },
    {
      what: "make itself the holder",
      method: "PATCH",
      path: `${OURS}/egressgateways/any/status`,
      contentType: MERGE,
      body: { status: { activeNodeName: "own" } },
      answer: NO_RIGHT,
    },
    {
      what: "label its own node",
      method: "PATCH",
      path: "/api/v1/nodes/own",
      contentType: MERGE,
      body: { metadata: { labels: { [MEMBER_LABEL]: "" } } },
      answer: NO_RIGHT,
    },
    {
      what: "execute in its own pod",
      method: "POST",
      path: `/api/v1/namespaces/${NAMESPACE}/pods/${AGENT_APP}-own/exec?command=id&stdout=true`,
      answer: NO_RIGHT,
    },
  ]);
});

const FUTURE = "2099-01-01T00:00:00Z";

test("an agent renews under its own name, and at no other time than now", async (plane) => {
  const { api } = plane;
  await putNode(plane, "named");
  const agent = api.as(await agentToken(plane, "named"));
  const controller = api.as(await plane.serviceAccountToken(NAMESPACE, CONTROLLER));
  const path = `${LEASES}/named`;
  const renewal = leaseOf("named", { annotations: { [REPORT_ANNOTATION]: "{}" } });
  const apply = (what: string, query: string, answer: Attempt["answer"]): Attempt => ({
    what,
    method: "PATCH",
    path: `${path}${query}`,
    contentType: APPLY,
    body: renewal,
    answer,
  });
  const asAgent = [403, /may write its Lease as field manager agent only/] as const;
  const byApply = [
    403,
    /may write its Lease by a server-side apply only; who else wrote it/,
  ] as const;
  const ownTime = [403, /may not choose the time of its heartbeat/] as const;
  const create = (what: string, body: object, answer: Attempt["answer"]): Attempt => ({
    what,
    method: "POST",
    path: `${LEASES}?fieldManager=agent`,
    body,
    answer,
  });
  const { spec: _, ...bare } = leaseOf("named") as { spec: unknown };
  const ofFuture = {
    manager: "agent",
    operation: "Apply",
    apiVersion: "coordination.k8s.io/v1",
    time: FUTURE,
    fieldsType: "FieldsV1",
    fieldsV1: { "f:spec": {} },
  };
  await assertAttempts(agent, [
    apply("make the Lease as the controller", "?fieldManager=controller&force=true", asAgent),
    create("make the Lease with a time to come", {
      ...bare,
      metadata: { name: "named", namespace: NAMESPACE, managedFields: [ofFuture] },
    }, ownTime),
    create("make the Lease by a POST", leaseOf("named"), byApply),
    apply("make the Lease", `?${APPLIED}`, 201),
  ]);
  await controller.patch(`${path}?fieldManager=controller`, annotate(FENCE_ANNOTATION, '{"u":3}'));
  const written = async () => {
    const { managedFields } = (await api.get(path)).metadata;
    return managedFields as { manager: string; operation: string; time: string }[];
  };
  const before = await written();
  assert.deepEqual(before.map(({ manager }) => manager).sort(), ["agent", "controller"]);
  const withTime = (manager: string, time: string, more: object = {}) => ({
    metadata: {
      managedFields: before.map((entry) =>
        entry.manager === manager ? { ...entry, time, ...more } : entry
      ),
    },
  });
  const fewerFields = { fieldsV1: { "f:spec": { "f:holderIdentity": {} } } };
  const merge = (what: string, body: object, answer: Attempt["answer"]): Attempt => ({
    what,
    method: "PATCH",
    path: `${path}?fieldManager=agent`,
    contentType: MERGE,
    body,
    answer,
  });
  await assertAttempts(agent, [
    apply("renew as the controller", "?fieldManager=controller&force=true", asAgent),
    apply("renew as somebody", "?fieldManager=kubectl&force=true", asAgent),
    merge("renew by a merge patch", { spec: { holderIdentity: "other" } }, byApply),
    // The API server takes it back by itself, as nothing else is changed.
    merge("set the time of its heartbeat alone", withTime("agent", FUTURE), 200),
    merge("set the time of its heartbeat", withTime("agent", FUTURE, fewerFields), ownTime),
    merge("set the time of its heartbeat with a report", {
      ...withTime("agent", FUTURE),
      spec: { holderIdentity: "other" },
    }, byApply),
    merge(
      "set the time of the fence",
      withTime("controller", FUTURE, { fieldsV1: { "f:metadata": { "f:annotations": {} } } }),
      byApply,
    ),
    merge("forget who wrote what", { metadata: { managedFields: [{}] } }, byApply),
    {
      ...apply("label its Lease", `?${APPLIED}`, [403, /may not label its Lease/]),
      body: leaseOf("named", {
        labels: { "example.com/a": "1" },
        annotations: { [REPORT_ANNOTATION]: "{}" },
      }),
    },
    apply("renew", `?${APPLIED}`, 200),
  ]);
  const after = await written();
  const of = (manager: string, list: typeof after) => list.filter((one) => one.manager === manager);
  assert.deepEqual(of("controller", after), of("controller", before));
  assert.deepEqual(of("agent", after).map(({ operation }) => operation), ["Apply"]);
  assert.ok(Date.parse(of("agent", after)[0]?.time ?? "") < Date.parse(FUTURE));

  const asController = [403, /may write a Lease as field manager controller only/] as const;
  const notAsOther = [403, /may not write as another field manager/] as const;
  const fence = (
    what: string,
    query: string,
    body: object,
    answer: Attempt["answer"],
  ): Attempt => ({
    what,
    method: "PATCH",
    path: `${path}${query}`,
    contentType: MERGE,
    body,
    answer,
  });
  const four = annotate(FENCE_ANNOTATION, '{"u":4}');
  await assertAttempts(controller, [
    fence("fence as an agent", "?fieldManager=agent", four, asController),
    fence("fence as nobody", "", four, asController),
    fence(
      "set the time of a heartbeat",
      "?fieldManager=controller",
      withTime("agent", FUTURE, fewerFields),
      notAsOther,
    ),
    fence("forget the heartbeat", "?fieldManager=controller", {
      metadata: { managedFields: [{}] },
    }, notAsOther),
    fence("fence", "?fieldManager=controller", four, 200),
  ]);
});

test("a heartbeat goes on over what a person wrote into the Lease", async (plane) => {
  const { api } = plane;
  await putNode(plane, "edited");
  const agent = api.as(await agentToken(plane, "edited"));
  const path = `${LEASES}/edited`;
  const renew = (report: string) =>
    agent.patch(
      `${path}?${APPLIED}`,
      leaseOf("edited", { annotations: { [REPORT_ANNOTATION]: report } }),
      "apply",
    );
  await renew("{}");
  await api.patch(`${path}?fieldManager=kubectl-edit`, {
    metadata: {
      annotations: { [REPORT_ANNOTATION]: '{"leaving":true}', "example.com/note": "mine" },
      labels: { "example.com/team": "net" },
    },
    spec: { holderIdentity: "somebody" },
  });
  await renew('{"leaving":false}');
  const { metadata } = await api.get(path);
  assert.equal(metadata.annotations?.[REPORT_ANNOTATION], '{"leaving":false}');
  assert.equal(metadata.annotations?.["example.com/note"], "mine");
});

test("a token of the agent's account that is bound to no node writes no Lease", async (plane) => {
  await putNode(plane, "unbound");
  const unbound = plane.api.as(await plane.serviceAccountToken(NAMESPACE, AGENT_APP));
  await assertAttempts(unbound, [{
    what: "renew",
    method: "PATCH",
    path: `${LEASES}/unbound?${APPLIED}`,
    contentType: APPLY,
    body: leaseOf("unbound"),
    answer: [403, /this token is of no node, not of unbound/],
  }]);
});

test("the controller changes labels of ours on nodes, and nothing else", async (plane) => {
  await putNode(plane, "labelled", { labels: { "example.com/team": "x" } });
  const controller = plane.api.as(await plane.serviceAccountToken(NAMESPACE, CONTROLLER));
  const node = "/api/v1/nodes/labelled";
  const patch = (what: string, body: object, answer: Attempt["answer"]): Attempt => ({
    what,
    method: "PATCH",
    path: node,
    contentType: MERGE,
    body,
    answer,
  });
  const label = (key: string, value: string | null) => ({ metadata: { labels: { [key]: value } } });
  const otherLabel = [403, /may change labels of nodes that begin with .*, no others/] as const;
  const nothingElse = [403, /may change labels of nodes, nothing else/] as const;
  const onceOnly = [
    403,
    /may give a shard to a node that has none, and change it no more/,
  ] as const;
  await assertAttempts(controller, [
    patch("set member", label(MEMBER_LABEL, ""), 200),
    patch("remove member", label(MEMBER_LABEL, null), 200),
    patch("give a shard that is none", label(SHARD_LABEL, "256"), 200),
    patch("replace it", label(SHARD_LABEL, "255"), 200),
    patch("change a shard", label(SHARD_LABEL, "7"), onceOnly),
    patch("remove a shard", label(SHARD_LABEL, null), onceOnly),
    patch("add a foreign label", label("example.com/other", "1"), otherLabel),
    patch("change a foreign label", label("example.com/team", "y"), otherLabel),
    patch("remove a foreign label", label("example.com/team", null), otherLabel),
    patch("relabel as egress", label("dedicated/egress", ""), otherLabel),
    patch("remove all labels", { metadata: { labels: null } }, otherLabel),
    patch("cordon", { spec: { unschedulable: true } }, nothingElse),
    patch("taint", { spec: { taints: [{ key: "k", effect: "NoExecute" }] } }, nothingElse),
    patch("annotate", { metadata: { annotations: { "example.com/a": "1" } } }, nothingElse),
    patch("set a finalizer", { metadata: { finalizers: ["example.com/a"] } }, nothingElse),
    { ...patch("patch the status", { status: {} }, NO_RIGHT), path: `${node}/status` },
    { what: "delete", method: "DELETE", path: node, answer: NO_RIGHT },
    {
      what: "create",
      method: "POST",
      path: "/api/v1/nodes",
      body: { apiVersion: "v1", kind: "Node", metadata: { name: "new" } },
      answer: NO_RIGHT,
    },
  ]);
});

test("the controller writes fences, and never a heartbeat", async (plane) => {
  const { api } = plane;
  await putNode(plane, "fenced");
  const agent = api.as(await agentToken(plane, "fenced"));
  const controller = api.as(await plane.serviceAccountToken(NAMESPACE, CONTROLLER));
  const path = `${LEASES}/fenced`;
  const body = leaseOf("fenced", { annotations: { [REPORT_ANNOTATION]: "{}" } });
  await agent.patch(`${path}?${APPLIED}`, body, "apply");
  const oneAnnotation = [
    403,
    /may write one annotation of a Lease, .*\/fence; the report/,
  ] as const;
  const notRenew = [403, /may not renew a Lease/] as const;
  const patch = (what: string, body: object, answer: Attempt["answer"]): Attempt => ({
    what,
    method: "PATCH",
    path: `${path}?fieldManager=controller`,
    contentType: MERGE,
    body,
    answer,
  });
  const create = (what: string, body: object, answer: Attempt["answer"]): Attempt => ({
    what,
    method: "POST",
    path: `${LEASES}?fieldManager=controller`,
    body,
    answer,
  });
  const { spec: _, ...bare } = leaseOf("absent", {
    annotations: { [FENCE_ANNOTATION]: '{"uid":3}' },
  }) as { spec: unknown };
  await assertAttempts(controller, [
    patch("fence", annotate(FENCE_ANNOTATION, '{"uid":3}'), 200),
    patch("change the report", annotate(REPORT_ANNOTATION, '{"leaving":true}'), oneAnnotation),
    patch("remove the report", annotate(REPORT_ANNOTATION, null), oneAnnotation),
    patch("renew", { spec: { renewTime: "2026-11-23T10:00:00.000000Z" } }, notRenew),
    create(
      "create with a report",
      leaseOf("absent", {
        annotations: { [REPORT_ANNOTATION]: "{}" },
      }),
      oneAnnotation,
    ),
    create("create with a holder", leaseOf("absent"), notRenew),
    create("create with a fence", bare, 201),
    // Of a node that is gone: only RBAC could tell them apart, and it knows no ages.
    { what: "delete", method: "DELETE", path, answer: 200 },
    { what: "get", path, answer: NO_RIGHT },
    {
      what: "write a Lease of kube-system",
      method: "PATCH",
      path: "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/any",
      contentType: MERGE,
      body: {},
      answer: NO_RIGHT,
    },
  ]);
});

test("the controller never touches what others made, and reads no more than it needs", async (plane) => {
  const { api } = plane;
  await api.apply(FOREIGN);
  await putNode(plane, "executed");
  await putPod(plane, { name: "web", namespace: "default", node: "executed", labels: {} });
  const controller = api.as(await plane.serviceAccountToken(NAMESPACE, CONTROLLER));
  const notOurs = [403, /may write CiliumEgressGatewayPolicies that it made itself/] as const;
  const theirs = `${CEGPS}/theirs`;
  const takeOver = { metadata: { labels: { [POLICY_LABEL]: "theirs" } } };
  await assertAttempts(controller, [
    {
      what: "take over a policy",
      method: "PATCH",
      path: theirs,
      contentType: MERGE,
      body: takeOver,
      answer: notOurs,
    },
    { what: "delete a policy", method: "DELETE", path: theirs, answer: notOurs },
    {
      what: "delete all policies",
      method: "DELETE",
      path: CEGPS,
      answer: NO_RIGHT,
    },
    {
      what: "create a policy without our label",
      method: "POST",
      path: CEGPS,
      body: { ...FOREIGN, metadata: { name: "new" } },
      answer: notOurs,
    },
    ...([
      ["web.egress-a", 201],
      ["web-ipv6", 201],
      ["web-ipv6.egress-a", 201],
      ["webby", notOurs],
      ["web-ipv6s", notOurs],
      ["a.web", notOurs],
    ] as const).map(([name, answer]): Attempt => ({
      what: `create ${name} for policy web`,
      method: "POST",
      path: CEGPS,
      body: { ...FOREIGN, metadata: { name, labels: { [POLICY_LABEL]: "web" } } },
      answer,
    })),
    {
      what: "change a gateway's spec",
      method: "PATCH",
      path: `${OURS}/egressgateways/any`,
      contentType: MERGE,
      body: { spec: {} },
      answer: NO_RIGHT,
    },
    {
      what: "execute in a pod",
      method: "POST",
      path: "/api/v1/namespaces/default/pods/web/exec?command=id&stdout=true",
      answer: NO_RIGHT,
    },
    {
      what: "execute in an agent's pod",
      method: "POST",
      path: `/api/v1/namespaces/${NAMESPACE}/pods/web/exec?command=id&stdout=true`,
      answer: NO_RIGHT,
    },
    ...[
      "/api/v1/secrets",
      `/api/v1/namespaces/${NAMESPACE}/secrets/sallyport-token`,
      "/api/v1/namespaces/kube-system/secrets",
      "/api/v1/pods",
      "/api/v1/namespaces/default/pods",
      "/api/v1/nodes/executed",
      "/api/v1/namespaces/default/events",
      "/api/v1/secrets?watch=true&timeoutSeconds=1",
    ].map((path): Attempt => ({ what: `read ${path}`, path, answer: NO_RIGHT })),
  ]);
});
