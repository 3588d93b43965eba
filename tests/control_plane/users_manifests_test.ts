/** What people have already: manifests that were written for Deckhouse, and nodes that other controllers write to. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { type KubeObject, objectsOf } from "../../src/build/kube_object.ts";
import { tick } from "../../src/controller/tick.ts";
import { run } from "../kubelet/run.ts";
import { clientOf, putNode } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";
import { programs } from "../support/needs.ts";

const test = controlPlaneTests();
const GATEWAYS = "/apis/network.deckhouse.io/v1alpha1/egressgateways";
const FILES = ["egress-gateway-policy", "egress-gateway-primary-ip", "egress-gateway-virtual-ip"];

function pathOf(file: string): string {
  return fileURLToPath(new URL(`../../k8s/examples/${file}.yaml`, import.meta.url));
}

async function read(file: string): Promise<KubeObject> {
  const [object] = objectsOf(await Deno.readTextFile(pathOf(file)));
  assert.ok(object);
  return object;
}

/** As kubectl sends it, where there is one, else as it would: unknown fields are errors. */
async function apply(plane: ControlPlane, object: KubeObject): Promise<KubeObject> {
  if (programs("kubectl")() === null) {
    const file = await Deno.makeTempFile({ suffix: ".yaml" });
    try {
      await Deno.writeTextFile(file, stringify(object));
      await run(["kubectl", "apply", "--validate=strict", "-f", file], {
        env: { KUBECONFIG: plane.kubeconfigPath },
      });
    } finally {
      await Deno.remove(file);
    }
  }
  const [stored] = await plane.api.apply([object], { strict: true });
  assert.ok(stored);
  await plane.api.delete(await plane.api.pathOf(stored));
  return stored;
}

for (const file of FILES) {
  test(`Deckhouse's example ${file} applies with strict validation`, async (plane) => {
    const object = await read(file);
    assert.deepEqual((await apply(plane, object)).spec, object.spec);
  });
}

test("virtualIPAddress.routingTableName applies with strict validation, and is kept", async (plane) => {
  const object = withVirtualIP(await read("egress-gateway-virtual-ip"), {
    routingTableName: "external",
  });
  assert.deepEqual((await apply(plane, object)).spec, object.spec);
});

test("without a nodeSelector a gateway applies, and every node is its candidate", async (plane) => {
  const { nodeSelector: _, ...spec } = (await read("egress-gateway-primary-ip")).spec as Spec;
  const object = { ...await read("egress-gateway-primary-ip"), spec };
  assert.deepEqual((await apply(plane, object)).spec, spec);
  for (const name of ["a", "control-plane"]) await putNode(plane, name);
  await plane.api.apply(object);
  await using client = await clientOf(plane);
  const { plan, problems } = await tick(client);
  assert.deepEqual(problems, []);
  assert.deepEqual(plan.gateways[0]?.candidates.map(({ node }) => node), ["a", "control-plane"]);
  await plane.api.delete(`${GATEWAYS}/my-egressgw`);
  for (const name of ["a", "control-plane"]) await plane.api.delete(`/api/v1/nodes/${name}`);
});

test("a foreign controller's condition with an odd status moves no gateway", async (plane) => {
  const egress = { "dedicated/egress": "" };
  for (const name of ["a", "b"]) await putNode(plane, name, { labels: egress });
  await plane.api.apply(await read("egress-gateway-primary-ip"));
  await using client = await clientOf(plane);
  assert.equal((await tick(client)).plan.gateways[0]?.activeNodeName, "a");
  await plane.api.patch("/api/v1/nodes/a/status", {
    status: { conditions: [{ type: "example.com/Maintenance", status: "true" }] },
  }, "strategic-merge");
  const { plan, problems } = await tick(client);
  assert.deepEqual(problems, []);
  assert.deepEqual(plan.warnings, []);
  const [{ activeNodeName, term } = assert.fail("no gateway")] = plan.gateways;
  assert.deepEqual([activeNodeName, term], ["a", 1]);
});

type Spec = Readonly<Record<string, unknown>>;

function withVirtualIP(object: KubeObject, changes: Spec): KubeObject {
  const { sourceIP, ...spec } = object.spec as Spec;
  const { virtualIPAddress, ...rest } = sourceIP as Spec;
  return {
    ...object,
    spec: {
      ...spec,
      sourceIP: { ...rest, virtualIPAddress: { ...virtualIPAddress as Spec, ...changes } },
    },
  };
}
