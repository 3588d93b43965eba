/** Whether tools that wait take our objects for done, by the rules of kstatus (sigs.k8s.io/cli-utils), which Helm 4 and Flux use. */
import assert from "node:assert/strict";
import { tick } from "../../src/controller/tick.ts";
import type { Condition } from "../../src/core/types.ts";
import { clientOf, putNode } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";
import { policy, primaryGateway, virtualWith } from "../support/crd_manifests.ts";

const test = controlPlaneTests();
const OBJECTS = {
  gateway: "/apis/network.deckhouse.io/v1alpha1/egressgateways/g",
  policy: "/apis/network.deckhouse.io/v1alpha1/egressgatewaypolicies/p",
};

/** As kstatus computes it for a custom resource: generation, then Stalled, then Ready, and Current where it says nothing of itself. */
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
  if (conditions.some(({ type, status }) => type === "Stalled" && status === "True")) {
    return "Failed";
  }
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

test("what only another spec can mend has failed, what may come by itself has not, and neither is for good", async (plane) => {
  await putNode(plane, "a", { labels: { "dedicated/egress": "" } });
  await putNode(plane, "b", { internalIP: "192.0.2.77" });
  for (const path of Object.values(OBJECTS)) await plane.api.delete(path);
  await plane.api.apply([
    virtualWith({ ip: "192.0.2.77" }),
    policy({ egressGatewayName: "missing" }),
    policy({ excludedCIDRs: ["0.0.0.0/0"] }, "nothing"),
  ]);
  await using client = await clientOf(plane);
  await tick(client);
  assert.equal(await kstatus(plane, OBJECTS.gateway), "Failed", "its address is a node's own");
  assert.equal(await kstatus(plane, OBJECTS.policy), "InProgress", "its gateway may come");
  const nothing = OBJECTS.policy.replace(/p$/, "nothing");
  await plane.api.patch(OBJECTS.policy, { spec: { egressGatewayName: "g" } });
  await plane.api.patch(nothing, { spec: { egressGatewayName: "g" } });
  await tick(client);
  assert.equal(await kstatus(plane, nothing), "Failed", "it excludes all that it has");
  await plane.api.patch(OBJECTS.gateway, virtualWith({ ip: "192.0.2.78" }));
  await plane.api.patch(nothing, { spec: { excludedCIDRs: null } });
  await tick(client);
  assert.equal(await kstatus(plane, OBJECTS.gateway), "InProgress", "nobody has bound it yet");
  assert.equal(await kstatus(plane, nothing), "InProgress", "its gateway has nobody yet");
});
