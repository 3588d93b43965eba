/**
 * The edge entry on every runtime that it is for: the same requests, a real API server. Deno, Node and Bun reach it
 * directly and trust its own certificate authority; workerd trusts public ones alone, and reaches it by `kubectl proxy`.
 */
import assert from "node:assert/strict";
import { bundle } from "../../src/build/bundle.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import type { ControlPlane } from "../support/control_plane.ts";
import { controlPlane, startControlPlane } from "../support/control_plane.ts";
import { primaryGateway } from "../support/crd_manifests.ts";
import { type GuardedProcess, spawnGuarded } from "../support/guarded_process.ts";
import { kubectl, kubectlProgram } from "../support/kubectl.ts";
import { testWith } from "../support/needs.ts";
import { eventually } from "../support/raw_api.ts";
import { commandOf, type RuntimeName, runtimes } from "./runtimes.ts";
import { freePort } from "../support/free_port.ts";

const TOKEN = "a-token-of-the-test";
const RUNTIMES: readonly RuntimeName[] = ["Deno", "Node", "Bun", "workerd"];
const GATEWAY = "edge";

Deno.test("the edge bundle asks for nothing of Node, nor of undici or client-node", async () => {
  const outdir = await Deno.makeTempDir({ prefix: "sallyport-edge-" });
  try {
    const [built] = await bundle({ entries: ["functions/edge.ts"], outdir });
    const text = await Deno.readTextFile(`${outdir}/edge.js`);
    assert.doesNotMatch(text, /["']node:/);
    assert.deepEqual(text.match(/^import .*|\bimport\(/gm), null);
    const packages = built?.packages.map(([name]) => name) ?? [];
    assert.ok(packages.includes("hono"));
    for (const name of ["undici", "@kubernetes/client-node"]) {
      assert.ok(!packages.includes(name), `${name} is in the bundle`);
    }
  } finally {
    await Deno.remove(outdir, { recursive: true });
  }
});

testWith([runtimes, controlPlane, kubectl], "the edge entry ticks on every runtime", async (t) => {
  await using plane = await startControlPlane();
  const scratch = await Deno.makeTempDir({ prefix: "sallyport-runtimes-" });
  const children: GuardedProcess[] = [];
  const spawn = (
    name: string,
    argv: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) => {
    const child = spawnGuarded({ name, argv, env, log: `${scratch}/${name}.log`, scratch });
    children.push(child);
    return child;
  };
  try {
    await bundle({ entries: ["functions/edge.ts"], outdir: scratch });
    const nodes = ["a", "b"];
    for (const name of nodes) await addNode(plane, name);
    const gateway = primaryGateway({ nodeSelector: { role: "egress" } });
    await plane.api.apply({ ...gateway, metadata: { name: GATEWAY } });
    const proxyPort = freePort();
    const config = `--kubeconfig=${plane.kubeconfigPath}`;
    spawn("proxy", [await kubectlProgram(), "proxy", config, `--port=${proxyPort}`]);
    const proxy = `http://127.0.0.1:${proxyPort}`;
    await eventually("the proxy serves", () => isOk(`${proxy}/version`));

    for (const name of RUNTIMES) {
      await t.step(name, async () => {
        const [port, cronPort] = [freePort(), freePort()];
        const options = { folder: scratch, plane, proxy, port, cronPort, token: TOKEN };
        const { argv, env, scheduled } = await commandOf(name, options);
        const server = spawn(name, argv, env);
        const origin = `http://127.0.0.1:${port}`;
        try {
          await eventually(`${name} serves`, () => isOk(`${origin}/healthz`));
          await answers(plane, origin);
          const former = await cordonHolder(plane);
          if ("port" in scheduled) {
            const response = await fetch(`http://127.0.0.1:${scheduled.port}/`);
            assert.deepEqual(await response.json(), { outcome: "ok" });
          } else {
            const [file = "", ...args] = scheduled.argv;
            const { code, stderr } = await new Deno.Command(file, { args, env }).output();
            assert.equal(code, 0, new TextDecoder().decode(stderr));
          }
          assert.notEqual(await holderOf(plane), former);
        } catch (error) {
          const log = await Deno.readTextFile(server.log).catch(() => "");
          throw new Error(`${name}: ${log.slice(-2_000)}`, { cause: error });
        } finally {
          await server.stop({ graceMilliseconds: 1_000 });
        }
      });
    }
  } finally {
    for (const child of children) await child.stop({ graceMilliseconds: 1_000 });
    await Deno.remove(scratch, { recursive: true });
  }
});

/** The suite of requests. */
async function answers(plane: ControlPlane, origin: string): Promise<void> {
  const authorization = { Authorization: `Bearer ${TOKEN}` };
  const tick = (headers: Record<string, string> = {}) =>
    fetch(`${origin}/tick`, { method: "POST", headers });

  for (const headers of [{}, { Authorization: "Bearer another" }]) {
    const refused = await tick(headers);
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get("WWW-Authenticate") ?? "", /^Bearer/);
    await refused.body?.cancel();
  }

  const first = await tick(authorization);
  assert.equal(first.status, 200, await first.clone().text());
  await first.body?.cancel();
  const holder = await holderOf(plane);
  assert.notEqual(holder, undefined);

  await cordonHolder(plane);
  const moved = await tick(authorization);
  assert.equal(moved.status, 200, await moved.clone().text());
  const { gateways } = await moved.json();
  assert.equal(gateways[0].name, GATEWAY);
  const next = await holderOf(plane);
  assert.notEqual(next, holder);

  await cordonHolder(plane);
  const event = {
    "ce-specversion": "1.0",
    "ce-type": "dev.knative.sources.ping",
    "ce-source": "/test",
    "ce-id": "1",
    "content-type": "application/json",
  };
  const send = (headers: Record<string, string>) =>
    fetch(origin, { method: "POST", headers, body: "{}" });
  const unknown = await send(event);
  assert.equal(unknown.status, 401);
  await unknown.body?.cancel();
  const taken = await send({ ...event, ...authorization });
  assert.equal(taken.status, 200, await taken.clone().text());
  await taken.body?.cancel();
  assert.equal(await holderOf(plane), holder);

  const page = await fetch(origin);
  assert.match(page.headers.get("Content-Type") ?? "", /text\/html/);
  assert.match(await page.text(), new RegExp(`${GATEWAY}[^]*${holder}`));
}

/** Cordons the node that holds the gateway, and it alone; returns its name. */
async function cordonHolder(plane: ControlPlane): Promise<string | undefined> {
  const holder = await holderOf(plane);
  for (const name of ["a", "b"]) {
    const unschedulable = name === holder ? true : null;
    await plane.api.patch(`${PATHS.Node}/${name}`, { spec: { unschedulable } });
  }
  return holder;
}

async function holderOf(plane: ControlPlane): Promise<string | undefined> {
  const { status } = await plane.api.get<{ readonly status?: { activeNodeName?: string } }>(
    `${PATHS.EgressGateway}/${GATEWAY}`,
  );
  return status?.activeNodeName;
}

/** A node that is Ready and runs Cilium. */
async function addNode({ api }: ControlPlane, name: string): Promise<void> {
  const ready = { type: "Ready", status: "True", lastTransitionTime: new Date().toISOString() };
  await api.post("/api/v1/nodes", {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { role: "egress", "kubernetes.io/hostname": name } },
  });
  await api.patch(`/api/v1/nodes/${name}/status`, { status: { conditions: [ready] } });
  const pods = "/api/v1/namespaces/kube-system/pods";
  await api.post(pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `cilium-${name}`, labels: { "k8s-app": "cilium" } },
    spec: { nodeName: name, containers: [{ name: "cilium-agent", image: "cilium" }] },
  });
  await api.patch(`${pods}/cilium-${name}/status`, { status: { conditions: [ready] } });
}

async function isOk(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => undefined);
  await response?.body?.cancel();
  return response?.ok ?? false;
}
