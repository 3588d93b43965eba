/** The control plane that other tests lean on. */
import assert from "node:assert/strict";
import { controlPlaneTest, controlPlaneTests } from "../support/control_plane.ts";
import { spawnGuarded } from "../support/guarded_process.ts";
import { eventually, RawApiError } from "../support/raw_api.ts";

const NODE_USER = "system:node:a";
const test = controlPlaneTests({ crds: false, users: { [NODE_USER]: ["system:nodes"] } });

test("a restarted API server has the same address and data", async (plane) => {
  await plane.createNamespace("kept");
  await plane.restartApiServer();
  await plane.api.get("/api/v1/namespaces/kept");
});

test("a stopped API server does not answer", async (plane) => {
  await plane.stopApiServer({ graceMilliseconds: 0 });
  await assert.rejects(plane.api.get("/readyz"), TypeError);
  await plane.startApiServer();
});

test("users have the rights of their groups", async (plane) => {
  await plane.api.apply([node("a"), node("b")]);
  const api = plane.api.as(plane.tokenFor(NODE_USER));
  await api.get("/api/v1/nodes/a");
  await assert.rejects(
    api.get("/api/v1/nodes/b"),
    (error) => error instanceof RawApiError && error.status === 403,
  );
});

test("a token bound to a pod names the pod's node", async (plane) => {
  await plane.createNamespace("agents");
  await plane.api.apply([node("a"), pod("agents", "agent-a", "a")]);
  const token = await plane.serviceAccountToken("agents", "default", { boundPod: "agent-a" });
  const { status } = await plane.api.as(token).post<Review>(
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
  );
  assert.equal(status.userInfo.username, "system:serviceaccount:agents:default");
  assert.deepEqual(status.userInfo.extra["authentication.kubernetes.io/node-name"], ["a"]);
});

controlPlaneTest("the controller manager deletes what a deleted object owned", async ({ api }) => {
  const configMap = (name: string, ownerReferences: readonly unknown[]) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, ownerReferences },
  });
  const [owner] = await api.apply(configMap("owner", []));
  const reference = {
    apiVersion: "v1",
    kind: "ConfigMap",
    name: "owner",
    uid: owner?.metadata.uid,
  };
  await api.apply(configMap("owned", [reference]));
  const path = "/api/v1/namespaces/default/configmaps";
  await api.delete(`${path}/owner`);
  await eventually("the owned object is gone", async () => {
    return (await api.request({ path: `${path}/owned` })).status === 404;
  }, { timeoutMilliseconds: 30_000 });
}, { crds: false, controllerManager: true });

Deno.test("a guarded process ends when its parent is killed, and its scratch directory goes", async () => {
  const dir = await Deno.makeTempDir({ prefix: "sallyport-guard-" });
  const module = new URL("../support/guarded_process.ts", import.meta.url).href;
  const options = { name: "sleeper", argv: ["sleep", "600"], log: `${dir}/log`, scratch: dir };
  const script = `
    import { spawnGuarded } from ${JSON.stringify(module)};
    console.log(spawnGuarded(${JSON.stringify(options)}).pid);
    setInterval(() => {}, 1000);
  `;
  const parent = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    stdout: "piped",
  }).spawn();
  const reader = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const pid = Number((await reader.read()).value);
  assert.ok(isRunning(pid));
  parent.kill("SIGKILL");
  await parent.status;
  await reader.cancel();
  await eventually("the process has ended", () => !isRunning(pid));
  await eventually("the directory is gone", () => Deno.stat(dir).then(() => false, () => true));
});

Deno.test("a guarded process that ignores SIGTERM is killed, and what it printed is kept", async () => {
  const log = await Deno.makeTempFile({ prefix: "sallyport-guard-" });
  const argv = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"];
  const child = spawnGuarded({ name: "stubborn", argv, log });
  await eventually("it runs", async () => await Deno.readTextFile(log) === "ready\n");
  await child.stop({ graceMilliseconds: 100 });
  assert.equal(child.exitStatus()?.signal, "SIGKILL");
  await Deno.remove(log);
});

interface Review {
  readonly status: {
    readonly userInfo: {
      readonly username: string;
      readonly extra: Readonly<Record<string, readonly string[]>>;
    };
  };
}

function node(name: string) {
  return { apiVersion: "v1", kind: "Node", metadata: { name } };
}

function pod(namespace: string, name: string, nodeName: string) {
  const spec = { nodeName, containers: [{ name: "agent", image: "agent" }] };
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace }, spec };
}

function isRunning(pid: number): boolean {
  try {
    return !Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") Z ");
  } catch {
    return false;
  }
}
