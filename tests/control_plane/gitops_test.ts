/** What GitOps tools do on a real API server: apply again and again, as a field manager that forces nothing. */
import assert from "node:assert/strict";
import { tick } from "../../src/controller/tick.ts";
import { PIN_ANNOTATION } from "../../src/core/names.ts";
import { clientOf, putNode } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";
import { policy, primaryGateway } from "../support/crd_manifests.ts";

const test = controlPlaneTests();

/** Path -> what is in Git. */
const IN_GIT = {
  "/apis/network.deckhouse.io/v1alpha1/egressgateways/g": primaryGateway(),
  "/apis/network.deckhouse.io/v1alpha1/egressgatewaypolicies/p": policy(),
};
const GATEWAY = "/apis/network.deckhouse.io/v1alpha1/egressgateways/g";

test("what a GitOps tool applies again is unchanged by controller and operators, and changes nothing of theirs", async (plane) => {
  await putNode(plane, "a", { labels: { "dedicated/egress": "" } });
  await putNode(plane, "b", { labels: { "dedicated/egress": "" } });
  await applyUnforced(plane);
  await using client = await clientOf(plane);
  await tick(client);
  // As `sallyport move` does.
  await plane.api.patch(GATEWAY, { metadata: { annotations: { [PIN_ANNOTATION]: "b" } } });
  await tick(client);
  const before = await versions(plane);
  await applyUnforced(plane);
  assert.deepEqual(await versions(plane), before);
  const { metadata, status } = await plane.api.get<{
    readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
    readonly status: { readonly activeNodeName: string };
  }>(GATEWAY);
  assert.deepEqual([metadata.annotations[PIN_ANNOTATION], status.activeNodeName], ["b", "b"]);
});

/** By server-side apply; a field that somebody else owns with another value would be a conflict. */
async function applyUnforced(plane: ControlPlane): Promise<void> {
  for (const [path, object] of Object.entries(IN_GIT)) {
    const { status, body } = await plane.api.request({
      method: "PATCH",
      path: `${path}?fieldManager=gitops`,
      contentType: "application/apply-patch+yaml",
      body: object,
    });
    assert.ok(status < 300, JSON.stringify(body));
  }
}

async function versions(plane: ControlPlane): Promise<readonly string[]> {
  return await Promise.all(
    Object.keys(IN_GIT).map(async (path) => {
      const { metadata } = await plane.api.get<{
        readonly metadata: { readonly resourceVersion: string };
      }>(path);
      return metadata.resourceVersion;
    }),
  );
}
