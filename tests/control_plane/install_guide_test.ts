/** `docs/install.md` to the letter: its lines install and remove, and its settings change what they say. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { idOf } from "../../src/build/chart_template.ts";
import { Controller } from "../../src/controller/controller.ts";
import { AGENT_APP, NAMESPACE, PREFIX } from "../../src/core/names.ts";
import { readSettings } from "../../src/program/settings.ts";
import { run } from "../kubelet/run.ts";
import { ciliumCrds, readCiliumCrds } from "../support/cilium_crds.ts";
import { clientOf, putNode, putPod, removePod } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTest } from "../support/control_plane.ts";
import { linesOf, settingOf } from "../support/install_guide.ts";
import { kustomize, render, renderWith } from "../../src/build/kustomize.ts";
import { missing, programs, testWith } from "../support/needs.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { eventually } from "../support/raw_api.ts";
import { standInAgents } from "../support/stand_in_agents.ts";

/** What a setting changes: objects that are not there without it. */
async function changedBy(title: string, folder: string): Promise<readonly KubeObject[]> {
  const before = new Set((await render(folder)).map((object) => JSON.stringify(object)));
  const after = await renderWith(folder, await settingOf(title));
  assert.equal(after.length, before.size);
  return after.filter((object) => !before.has(JSON.stringify(object)));
}

interface Pod {
  readonly spec: {
    readonly containers: readonly {
      readonly env: readonly { readonly name: string; readonly value: string }[];
    }[];
  };
}

/** As the program in the object's pod reads it. */
function environmentOf(object: KubeObject | undefined) {
  const { template, jobTemplate } = object?.["spec"] as {
    readonly template?: Pod;
    readonly jobTemplate?: { readonly spec: { readonly template: Pod } };
  };
  const [container] = (template ?? jobTemplate?.spec.template)?.spec.containers ?? [];
  return readSettings(["ciliumNamespace", "serveEvery", "tokenFile", "pushgateway"], {
    variables: Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value])),
  });
}

testWith([kustomize], "Cilium may be in another namespace", async () => {
  const changed = await changedBy("Cilium elsewhere than in `kube-system`", "overlays/server");
  assert.deepEqual(changed.map(idOf).sort(), [
    "Deployment/sallyport-system/sallyport-controller",
    "Role/cilium/sallyport-controller",
    "RoleBinding/cilium/sallyport-controller",
  ]);
  const deployment = changed.find(({ kind }) => kind === "Deployment");
  assert.equal(environmentOf(deployment).ciliumNamespace, "cilium");
});

testWith([kustomize], "the server may tick on HTTP triggers alone", async () => {
  const changed = await changedBy("Ticks on HTTP triggers alone", "default");
  assert.deepEqual(changed.map(idOf), ["Deployment/sallyport-system/sallyport-controller"]);
  const { serveEvery, tokenFile } = environmentOf(changed[0]);
  assert.equal(serveEvery, Infinity);
  assert.ok(tokenFile);
});

testWith([kustomize], "the CronJob may reach a Pushgateway", async () => {
  const changed = await changedBy("Metrics of the CronJob", "overlays/cronjob");
  const [cronJob, networkPolicy] = changed.toSorted((a, b) => a.kind < b.kind ? -1 : 1);
  assert.equal(changed.length, 2);
  const { port } = new URL(environmentOf(cronJob).pushgateway ?? "");
  const { egress } = networkPolicy?.["spec"] as {
    readonly egress: readonly { readonly ports: readonly { readonly port: number }[] }[];
  };
  const ports = egress.flatMap((rule) => rule.ports.map((each) => each.port));
  assert.deepEqual(ports, [443, 6443, Number(port), 53, 53]);
});

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WORKERS = ["worker-1", "worker-2"];
const LINES = "the guide's lines lead from nothing to a working gateway, and back to nothing";
const NEEDS = [programs("kubectl"), ciliumCrds];

if (missing(NEEDS) !== null) testWith(NEEDS, LINES, () => {});
else {
  controlPlaneTest(LINES, async (plane) => {
    const { api } = plane;
    await api.apply(await readCiliumCrds());
    for (const name of WORKERS) await putNode(plane, name);
    const folder = await Deno.makeTempDir({ prefix: "sallyport-guide-" });
    await Deno.symlink(ROOT, `${folder}/sallyport`);
    const type = (lines: string) =>
      run(["sh", "-euc", lines], { cwd: folder, env: { KUBECONFIG: plane.kubeconfigPath } });
    try {
      await type(await linesOf("From nothing to a working gateway"));
      const { spec } = await api.get<Deployment>(
        `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/sallyport-controller`,
      );
      assert.equal(
        spec.template.spec.containers[0].image,
        "registry.example.com/sallyport-controller:0.1.0",
      );

      const uninstall = (await linesOf("Uninstalling")).trim().split("\n");
      const last = uninstall.pop() ?? "";
      await whileItRuns(plane, async () => {
        await eventually("the gateway is Ready, and Cilium is told", async () => {
          const table = await type("kubectl get egressgateways my-egressgw -o wide");
          return /worker-[12]/.test(table) && (await api.list(CEGPS)).length === 1;
        }, { timeoutMilliseconds: 20_000, everyMilliseconds: 200 });
        for (const line of uninstall) {
          if (!line.includes("repeat until empty")) await type(line);
          else await eventually("it is empty", async () => await type(line) === "");
        }
      });
      await type(last);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    assert.deepEqual(await api.list(CEGPS), []);
    for (const { metadata: { labels = {} } } of await api.list("/api/v1/nodes")) {
      assert.deepEqual(Object.keys(labels).filter((key) => key.startsWith(PREFIX)), []);
    }
    for (const object of await render("default")) {
      const { status } = await api.pathOf(object)
        .then((path) => api.request({ path }), () => ({ status: 404 }));
      assert.equal(status, 404, `${idOf(object)} is left behind`);
    }
  }, {
    crds: false,
    controllerManager: { controllers: ["namespace-controller", "garbage-collector-controller"] },
  });
}

const CEGPS = "/apis/cilium.io/v2/ciliumegressgatewaypolicies";

interface Deployment extends KubeObject {
  readonly spec: {
    readonly template: {
      readonly spec: { readonly containers: readonly [{ readonly image: string }] };
    };
  };
}

/** Does what the pods would, which nothing starts here, with the rights of the Deployment's account. */
async function whileItRuns(plane: ControlPlane, body: () => Promise<void>): Promise<void> {
  const labels = { "app.kubernetes.io/name": AGENT_APP };
  for (const node of WORKERS) {
    const pod = { name: `agent-${node}`, namespace: NAMESPACE, node, labels };
    await putPod(plane, { ...pod, serviceAccountName: AGENT_APP });
  }
  const token = await plane.serviceAccountToken(NAMESPACE, "sallyport-controller");
  const kubeconfig = await plane.writeKubeconfig("controller", token);
  await using client = await clientOf(plane, { kubeconfig });
  await using admin = await clientOf(plane);
  await using _ = standInAgents(admin, WORKERS);
  const stop = new AbortController();
  const running = new Controller(client, { signal: stop.signal }).run();
  try {
    await body();
  } finally {
    stop.abort();
    await running;
    // Their kubelets would let go of them.
    for (const node of WORKERS) await removePod(plane, NAMESPACE, `agent-${node}`);
  }
}
