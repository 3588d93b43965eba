/** A gateway's node that Cilium has no record of, on a real API server with Cilium's own CRDs. */
import assert from "node:assert/strict";
import { Controller } from "../../src/controller/controller.ts";
import { tick } from "../../src/controller/tick.ts";
import type { GatewayStatus } from "../../src/core/types.ts";
import { ciliumNode, clientOf, putNode } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";
import { policy, primaryGateway } from "../support/crd_manifests.ts";
import { eventually } from "../support/raw_api.ts";

const test = controlPlaneTests();
const CILIUM_NODES = "/apis/cilium.io/v2/ciliumnodes";
const GATEWAY = "/apis/network.deckhouse.io/v1alpha1/egressgateways/g";

const statusOf = async (plane: ControlPlane) =>
  (await plane.api.get<{ readonly status?: GatewayStatus }>(GATEWAY)).status ?? {};

/** A gateway with two candidates that Cilium knows. */
async function serve(plane: ControlPlane): Promise<void> {
  for (const name of ["a", "b"]) {
    await putNode(plane, name, { labels: { "dedicated/egress": "" } });
    await plane.api.apply(ciliumNode(name));
  }
  // There is none at first.
  await plane.api.request({ method: "DELETE", path: GATEWAY });
  await plane.api.apply([primaryGateway(), policy()]);
}

test("a holder whose CiliumNode is gone is left at the next tick, the condition names both, and it may come back", async (plane) => {
  await serve(plane);
  await using client = await clientOf(plane);
  await tick(client);
  assert.equal((await statusOf(plane)).activeNodeName, "a");

  await plane.api.delete(`${CILIUM_NODES}/a`);
  assert.deepEqual((await tick(client)).problems, []);
  const { activeNodeName, candidates = [], conditions = [] } = await statusOf(plane);
  assert.equal(activeNodeName, "b");
  const [reason] = candidates.find(({ node }) => node === "a")?.reasons ?? [];
  assert.equal(reason?.type, "CiliumNodeMissing");
  assert.match(reason.message, /CiliumNode 'a'.*Node 'a'/);
  const degraded = conditions.find(({ type }) => type === "Degraded");
  assert.match(degraded?.message ?? "", /a \(CiliumNodeMissing\)/);

  await plane.api.apply(ciliumNode("a"));
  await tick(client);
  assert.deepEqual((await statusOf(plane)).candidates?.map(({ eligible }) => eligible), [
    true,
    true,
  ]);
});

test("where not one CiliumNode is there, none is missing", async (plane) => {
  await serve(plane);
  for (const name of ["a", "b"]) await plane.api.delete(`${CILIUM_NODES}/${name}`);
  await using client = await clientOf(plane);
  await tick(client);
  assert.deepEqual((await statusOf(plane)).candidates?.map(({ eligible }) => eligible), [
    true,
    true,
  ]);
});

test("a resident controller asks again when a candidate is new, and leaves a holder that Cilium does not find", async (plane) => {
  await serve(plane);
  await using client = await clientOf(plane);
  const stop = new AbortController();
  const running = new Controller(client, { signal: stop.signal }).run();
  try {
    await eventually("a holds it", async () => (await statusOf(plane)).activeNodeName === "a");
    await plane.api.delete(`${CILIUM_NODES}/a`);
    await putNode(plane, "c", { labels: { "dedicated/egress": "" } });
    await eventually("b holds it", async () => (await statusOf(plane)).activeNodeName === "b", {
      timeoutMilliseconds: 30_000,
    });
    const { candidates = [] } = await statusOf(plane);
    assert.deepEqual(candidates.map(({ node, eligible }) => [node, eligible]), [
      ["a", false],
      ["b", true],
      ["c", false],
    ]);
  } finally {
    stop.abort();
    await running;
  }
});
