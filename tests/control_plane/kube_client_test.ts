import assert from "node:assert/strict";
import * as v from "valibot";
import { loadCluster } from "../../src/kube/auth/load_cluster.ts";
import { ApiError } from "../../src/kube/errors.ts";
import { createClient, type KubeClient, type Traffic } from "../../src/kube/http.ts";
import { list } from "../../src/kube/list.ts";
import { apply, mergePatch } from "../../src/kube/patch.ts";
import { watch } from "../../src/kube/watch.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";

const test = controlPlaneTests({ crds: false });

const Lease = v.object({
  metadata: v.object({ name: v.string(), resourceVersion: v.string() }),
  spec: v.object({ holderIdentity: v.string() }),
});
const nameOf = (lease: unknown) => v.parse(Lease, lease).metadata.name;
const lease = (name: string, holderIdentity: string) => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name },
  spec: { holderIdentity },
});

/** The admin's client, and a namespace of Leases for this test alone. */
async function connect(plane: ControlPlane, namespace: string) {
  const traffic: Traffic[] = [];
  const client = createClient(await loadCluster({ kubeconfig: plane.kubeconfigPath }), {
    onRequest: (one) => traffic.push(one),
  });
  await plane.createNamespace(namespace);
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  return { client, path, traffic, [Symbol.asyncDispose]: () => client.close() };
}

async function refusal(work: Promise<unknown>): Promise<ApiError> {
  const error = await work.then(() => assert.fail("did not throw"), (error) => error);
  assert.ok(error instanceof ApiError, String(error));
  return error;
}

async function addLeases(client: KubeClient, path: string): Promise<void> {
  for (const name of ["a", "b", "c"]) {
    await apply(client, `${path}/${name}`, { body: lease(name, "x"), fieldManager: "agent" });
  }
}

test("a real API server's collection is listed page by page, by its clock", async (plane) => {
  await using it = await connect(plane, "paged");
  await addLeases(it.client, it.path);
  const listing = await list(it.client, it.path, { limit: 1, decode: nameOf });
  assert.deepEqual(listing.items, ["a", "b", "c"]);
  assert.match(listing.resourceVersion, /^\d+$/);
  assert.ok(Math.abs(listing.serverTime - Date.now()) < 5_000);
  assert.equal(it.traffic.filter(({ method }) => method === "GET").length, 3);
});

test("a real API server refuses a patch from a stale resourceVersion", async (plane) => {
  await using it = await connect(plane, "stale");
  await addLeases(it.client, it.path);
  const { body } = await it.client.request({ method: "GET", path: `${it.path}/a` });
  const { resourceVersion } = v.parse(Lease, body).metadata;
  const patch = (holderIdentity: string) =>
    mergePatch(it.client, `${it.path}/a`, {
      body: { metadata: { resourceVersion }, spec: { holderIdentity } },
      fieldManager: "controller",
    });
  assert.equal((await patch("y")).status, 200);
  const error = await refusal(patch("z"));
  assert.equal(error.status, 409);
  assert.equal(error.reason, "Conflict");
  assert.match(
    error.message,
    /the object has been modified.*: read the object again and decide anew$/,
  );
  const taken = apply(it.client, `${it.path}/a`, {
    body: lease("a", "w"),
    fieldManager: "agent",
    force: false,
  });
  assert.match((await refusal(taken)).message, /conflict with "controller".*holderIdentity/);
});

test("a real API server's watch goes on from a listing and ends in time", async (plane) => {
  await using it = await connect(plane, "watched");
  await addLeases(it.client, it.path);
  const { resourceVersion } = await list(it.client, it.path);
  const seen: string[] = [];
  await it.client.request({ method: "DELETE", path: `${it.path}/b` });
  for await (
    const { type, object } of watch(it.client, it.path, { resourceVersion, timeoutSeconds: 2 })
  ) {
    if (type === "BOOKMARK") continue;
    seen.push(`${type} ${nameOf(object)}`);
    if (seen.length === 1) {
      await apply(it.client, `${it.path}/d`, { body: lease("d", "x"), fieldManager: "agent" });
    }
  }
  assert.deepEqual(seen, ["DELETED b", "ADDED d"]);
});

test("a real API server's refusals say what to do", async (plane) => {
  await using it = await connect(plane, "refused");
  const missing = await refusal(it.client.request({ method: "GET", path: `${it.path}/none` }));
  assert.match(missing.message, /404 NotFound: .*"none" not found: check that the object exists/);
  const create = { method: "POST", path: it.path, body: lease("A_", "x") } as const;
  assert.match(
    (await refusal(it.client.request(create))).message,
    /422 Invalid: .*correct what is sent$/,
  );
  const kubeconfig = await plane.writeKubeconfig("nobody", "no-such-token");
  const nobody = createClient(await loadCluster({ kubeconfig }));
  const unknown = await refusal(nobody.request({ method: "GET", path: it.path }));
  await nobody.close();
  assert.match(unknown.message, /401 Unauthorized: .*renew the token or client certificate$/);
});

test("a client outlives a restart of the API server", async (plane) => {
  await using it = await connect(plane, "restarted");
  await plane.restartApiServer();
  await addLeases(it.client, it.path);
  assert.equal((await list(it.client, it.path)).items.length, 3);
});
