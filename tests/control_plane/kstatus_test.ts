/** Whether tools that wait take our objects for done, by the rules of kstatus (sigs.k8s.io/cli-utils), which Helm 4 and Flux use. */
import assert from "node:assert/strict";
import { tick } from "../../src/controller/tick.ts";
import type { Condition } from "../../src/core/types.ts";
import { clientOf, putNode } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";
import { policy, primaryGateway } from "../support/crd_manifests.ts";

const test = controlPlaneTests();
const OBJECTS = {
  gateway: "/apis/network.deckhouse.io/v1alpha1/egressgateways/g",
  policy: "/apis/network.deckhouse.io/v1alpha1/egressgatewaypolicies/p",
};

/** As kstatus computes it for a custom resource: generation, then Ready, and Current where it says nothing of itself. */
async function kstatus(plane: ControlPlane, path: string): Promise<string> {
  const { metadata, status } = await plane.api.get<{
    readonly metadata: { readonly generation: number };
    readonly status?: {
      readonly observedGeneration?: number;
      readonly conditions?: readonly Condition[];
    };
  }>(path);
  const { observedGeneration = metadata.generation, conditions = [] } = status ?? {};
  if (observedGeneration !== metadata.generation) return "InProgress";
  const ready = conditions.find(({ type }) => type === "Ready");
  return ready === undefined || ready.status === "True" ? "Current" : "InProgress";
}

test("an object is not done before the first tick, done after it, and not done again when it was edited", async (plane) => {
  await putNode(plane, "a", { labels: { "dedicated/egress": "" } });
  await plane.api.apply([primaryGateway(), policy()]);
  for (const path of Object.values(OBJECTS)) {
    assert.equal(await kstatus(plane, path), "InProgress", `${path} is new`);
  }
  await using client = await clientOf(plane);
  assert.deepEqual((await tick(client)).problems, []);
  for (const path of Object.values(OBJECTS)) {
    assert.equal(await kstatus(plane, path), "Current", `${path} was decided`);
  }
  await plane.api.patch(OBJECTS.gateway, { spec: { failback: { mode: "Never" } } });
  assert.equal(await kstatus(plane, OBJECTS.gateway), "InProgress");
  await tick(client);
  assert.equal(await kstatus(plane, OBJECTS.gateway), "Current");
});
