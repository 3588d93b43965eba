/** Somebody's own CiliumEgressGatewayPolicy on a real API server with Kubernetes' garbage collector: adopted, and given back whole. */
import assert from "node:assert/strict";
import { pathOf } from "../../src/build/kustomize.ts";
import { tick } from "../../src/controller/tick.ts";
import { sallyport } from "../support/cli.ts";
import { clientOf, putNode } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";
import { policy, primaryGateway } from "../support/crd_manifests.ts";
import { eventually } from "../support/raw_api.ts";

const OPERATOR = "olga";
const test = controlPlaneTests({
  controllerManager: { controllers: ["garbage-collector-controller"] },
  users: { [OPERATOR]: [] },
});
const CILIUM = "/apis/cilium.io/v2/ciliumegressgatewaypolicies";
const POLICIES = "/apis/network.deckhouse.io/v1alpha1/egressgatewaypolicies";

interface Stored {
  readonly metadata: {
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly unknown[];
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

const mine = (name: string) => ({
  apiVersion: "cilium.io/v2",
  kind: "CiliumEgressGatewayPolicy",
  metadata: { name, labels: { team: "mine" } },
  spec: {
    selectors: [{ podSelector: { matchLabels: { app: "mine" } } }],
    destinationCIDRs: ["203.0.113.0/24"],
    egressGateway: { nodeSelector: { matchLabels: { gate: "mine" } }, interface: "eth9" },
  },
});

const bare = ({ metadata: { uid, labels, annotations, ownerReferences }, spec }: Stored) => ({
  uid,
  labels,
  annotations,
  ownerReferences,
  spec,
});

async function read(plane: ControlPlane, name: string): Promise<Stored> {
  return await plane.api.get<Stored>(`${CILIUM}/${name}`);
}

async function asOperator(plane: ControlPlane, args: readonly string[]): Promise<string> {
  const kubeconfig = await plane.writeKubeconfig("operator", plane.tokenFor(OPERATOR));
  const { code, stdout, stderr } = await sallyport(args, { env: { KUBECONFIG: kubeconfig } });
  assert.equal(code, 0, `sallyport ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

test("a policy that was adopted outlives what it was adopted for, and is given back whole", async (plane) => {
  const { api } = plane;
  await api.apply(await Deno.readTextFile(pathOf("base/rbac-people.yaml")));
  await api.apply(["sallyport-operator", "sallyport-adopter"].map((name) => ({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: OPERATOR }],
  })));
  await putNode(plane, "a", { labels: { "dedicated/egress": "" } });
  await api.apply([primaryGateway(), policy({}, "made"), mine("kept"), mine("freed")]);
  const before = { kept: bare(await read(plane, "kept")), freed: bare(await read(plane, "freed")) };
  await using client = await clientOf(plane);
  await tick(client);
  await api.apply([policy({}, "kept"), policy({}, "freed")]);
  await tick(client);
  assert.deepEqual(bare(await read(plane, "kept")), before.kept, "a clash changes nothing");

  for (const name of ["kept", "freed"]) {
    assert.match(await asOperator(plane, ["adopt", name]), new RegExp(`^Adopted .* ${name};`));
  }
  assert.deepEqual((await tick(client)).problems, []);
  const adopted = await read(plane, "kept");
  assert.equal(adopted.metadata.uid, before.kept.uid);
  assert.match(JSON.stringify(adopted.spec["egressGateway"]), /"kubernetes.io\/hostname":"a"/);

  // Given back by hand, while its EgressGatewayPolicy is still there.
  await asOperator(plane, ["give-back", "freed"]);
  await tick(client);
  assert.deepEqual(bare(await read(plane, "freed")), before.freed);

  // Deleted with it: what Sallyport made goes by the garbage collector, with no controller running.
  for (const name of ["made", "kept", "freed"]) await api.delete(`${POLICIES}/${name}`);
  await eventually(
    "the garbage collector deletes what was made",
    async () => (await api.request({ method: "GET", path: `${CILIUM}/made` })).status === 404,
    {
      timeoutMilliseconds: 60_000,
    },
  );
  assert.equal((await read(plane, "kept")).metadata.uid, before.kept.uid);
  assert.deepEqual((await tick(client)).problems, []);
  assert.deepEqual(bare(await read(plane, "kept")), before.kept);
  assert.deepEqual(bare(await read(plane, "freed")), before.freed);
});

test("an operator runs what the pages say, and sees what it is about", async (plane) => {
  await plane.api.apply(primaryGateway());
  for (const args of [["status"], ["explain"], ["history", "g"], ["plan"]]) {
    await asOperator(plane, args);
  }
});
