/** A snapshot from files: the time, and what was taken for granted. */
import assert from "node:assert/strict";
import { stringify } from "yaml";
import { snapshotFromFiles } from "../../../src/cli/shared/from_files.ts";
import { gateway, virtualGateway } from "../../support/crd_manifests.ts";

const RENEWED = "2026-11-23T11:59:59.900000Z";

function lease(name: string, { namespace = "sallyport-system", managed = false } = {}) {
  const managedFields = [{ manager: "agent", operation: "Apply", time: "2026-11-23T12:00:07Z" }];
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name, namespace, ...(managed ? { managedFields } : {}) },
    spec: { holderIdentity: name, renewTime: RENEWED },
  };
}

function node(name: string, lastTransitionTime: string) {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, creationTimestamp: "2026-08-01T00:00:00Z" },
    status: { conditions: [{ type: "Ready", status: "True", lastTransitionTime }] },
  };
}

async function read(objects: readonly object[]) {
  await using folder = await temporary();
  const file = `${folder.path}/cluster.yaml`;
  await Deno.writeTextFile(file, objects.map((object) => stringify(object)).join("---\n"));
  const notes: string[] = [];
  const snapshot = await snapshotFromFiles([file], { onNote: (note) => notes.push(note) });
  return { snapshot, notes, now: new Date(snapshot.now).toISOString() };
}

async function temporary() {
  const path = await Deno.makeTempDir({ prefix: "sallyport-from-files-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("a dump without managedFields is of the time of its newest heartbeat", async () => {
  const { snapshot, now, notes } = await read([
    gateway({}),
    lease("a"),
    node("a", "2026-11-23T09:00:00Z"),
  ]);
  assert.equal(now, "2026-11-23T11:59:59.000Z");
  assert.deepEqual(snapshot.leases.map(({ renewedAt }) => renewedAt), [snapshot.now]);
  assert.deepEqual(notes.map((note) => note.split(",")[0]), ["Leases lack managedFields"]);
});

Deno.test("where the server's times are there, no clock of a node counts", async () => {
  const ahead = node("a", "2026-11-23T12:40:00Z");
  const { now, notes } = await read([gateway({}), lease("a", { managed: true }), ahead]);
  assert.equal(now, "2026-11-23T12:00:07.000Z");
  assert.deepEqual(notes, []);
});

Deno.test("kubelets' Leases are none of ours", async () => {
  const { snapshot, notes } = await read([
    gateway({}),
    lease("a", { namespace: "kube-node-lease" }),
  ]);
  assert.deepEqual([snapshot.leases, notes], [[], []]);
});

Deno.test("a gateway has no namespace, whatever its manifest says", async () => {
  const there = { ...gateway({}), metadata: { name: "g", namespace: "default" } };
  const { snapshot } = await read([gateway({}), virtualGateway(), there, virtualGateway()]);
  assert.deepEqual(snapshot.gateways.map(({ name }) => name), ["g"]);
});

Deno.test("a directory stands for its YAML and JSON files, by name", async () => {
  await using folder = await temporary();
  const write = (name: string, object: object) =>
    Deno.writeTextFile(`${folder.path}/${name}`, JSON.stringify(object));
  const transition = "2026-11-23T09:00:00Z";
  await write("2.yml", node("b", transition));
  await write("1.yaml", { ...node("b", transition), spec: { unschedulable: true } });
  await write("3.json", node("c", transition));
  await write("README.md", node("d", transition));
  const snapshot = await snapshotFromFiles([folder.path], {});
  assert.deepEqual(snapshot.nodes.map(({ name, cordoned }) => [name, cordoned]), [
    ["b", false],
    ["c", false],
  ]);
});
