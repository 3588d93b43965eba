/**
 * Sallyport as Knative runs it: from the manifest `k8s/overlays/knative`, with Knative's own adapters, against a real API
 * server. What Knative's controllers make of the manifest (the adapters' environment, a source's status) is made here.
 */
import assert from "node:assert/strict";
import { bundle } from "../../src/build/bundle.ts";
import { NAMESPACE } from "../../src/core/names.ts";
import type { GatewayStatus } from "../../src/core/types.ts";
import { putNode } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";
import { type GuardedProcess, spawnGuarded } from "../support/guarded_process.ts";
import { knativeAdapterPrograms, knativeAdapters } from "../support/knative_adapters.ts";
import { knativeCrds, knativePlural, readKnativeCrds } from "../support/knative_crds.ts";
import { kustomize, render } from "../../src/build/kustomize.ts";
import { missing, testWith } from "../support/needs.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { eventually } from "../support/raw_api.ts";
import { freePort } from "../support/free_port.ts";

const NEEDS = [kustomize, knativeCrds, knativeAdapters];
const onControlPlane = controlPlaneTests();

function test(name: string, fn: (plane: ControlPlane) => Promise<void>): void {
  if (missing(NEEDS) === null) onControlPlane(name, fn);
  else testWith(NEEDS, name, () => {});
}

const EGRESS = { "dedicated/egress": "" };
const GATEWAY = "/apis/network.deckhouse.io/v1alpha1/egressgateways/my-egressgw";
const POLICY = "/apis/cilium.io/v2/ciliumegressgatewaypolicies/my-egressgw-policy";
/** Where Knative's own configuration is. */
const KNATIVE = "knative-eventing";

test("cordoning a node makes Knative's ApiServerSource adapter have the gateway moved", async (plane) => {
  await using world = await install(plane);
  await using _adapter = await startApiServerSource(world);
  await world.watched(
    "/apis/network.deckhouse.io/v1alpha1/egressgatewaypolicies/my-egressgw-policy",
  );
  const first = await holder(plane);
  await world.watched(`/api/v1/nodes/${first}`);

  await cordon(plane, first, true);
  await moved(plane, first);
  await cordon(plane, first, false);
});

test("without an event nothing ticks, and Knative's PingSource adapter ticks on schedule", async (plane) => {
  await using world = await install(plane);
  await world.tickOnce();
  const first = await holder(plane);
  await cordon(plane, first, true);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  assert.equal(await holder(plane), first, "nothing is resident");

  await using _adapter = await startPingSource(world);
  await moved(plane, first);
});

interface World extends AsyncDisposable {
  readonly plane: ControlPlane;
  /** The manifest's objects. */
  readonly objects: readonly KubeObject[];
  /** Where the function listens. */
  readonly sink: string;
  /** Resolves when a change of the object leads to a tick, and the ticks that follow from it are over. */
  watched(path: string): Promise<void>;
  /** Sends an event by hand. */
  tickOnce(): Promise<void>;
}

/** Applies the manifest and the seed's examples, and runs the function as the manifest's container does. */
async function install(plane: ControlPlane): Promise<World> {
  await plane.api.apply(await readKnativeCrds());
  const objects = await render("overlays/knative");
  await plane.api.apply(objects);
  for (const name of ["a", "b", "c"]) {
    await putNode(plane, name, { labels: EGRESS });
    await cordon(plane, name, false);
  }
  for (const file of ["egress-gateway-primary-ip", "egress-gateway-policy"]) {
    const path = new URL(`../../k8s/examples/${file}.yaml`, import.meta.url);
    await plane.api.apply(await Deno.readTextFile(path));
  }
  const service = find(objects, "Service") as KubeObject & {
    readonly spec: { readonly template: { readonly spec: PodSpec } };
  };
  const { serviceAccountName, containers: [container] } = service.spec.template.spec;
  assert.ok(container !== undefined);
  const [script] = container.args;
  const outdir = `${plane.dir}/dist`;
  await bundle({ entries: [`functions/${script?.replace(/js$/, "ts")}`], outdir });
  const port = freePort();
  const started = spawnGuarded({
    name: "the function",
    argv: [Deno.execPath(), "run", "-A", "--no-config", `${outdir}/${script}`],
    log: await Deno.makeTempFile({ dir: plane.dir }),
    env: {
      ...Object.fromEntries(container.env.map(({ name, value }) => [name, value])),
      // As Knative Serving sets it, here to a port that is free.
      PORT: String(port),
      SALLYPORT_KUBECONFIG: await kubeconfigOf(plane, serviceAccountName),
      SALLYPORT_LOG_LEVEL: "debug",
    },
  });
  const sink = `http://127.0.0.1:${port}`;
  await eventually("the function listens", async () => {
    alive(started);
    return await fetch(sink + container.readinessProbe.httpGet.path).then(async (response) => {
      await response.text();
      return response.ok;
    }, () => false);
  }, { timeoutMilliseconds: 20_000 });
  return {
    plane,
    objects,
    sink,
    watched: (path) => watched(plane, path, started),
    async tickOnce() {
      const response = await fetch(sink, {
        method: "POST",
        headers: {
          "ce-specversion": "1.0",
          "ce-id": "1",
          "ce-source": "/test",
          "ce-type": "dev.knative.sources.ping",
        },
      });
      assert.equal(response.status, 200, Deno.readTextFileSync(started.log));
      await response.body?.cancel();
    },
    [Symbol.asyncDispose]: () => started.stop(),
  };
}

interface PodSpec {
  readonly serviceAccountName: string;
  readonly containers: readonly {
    readonly args: readonly string[];
    readonly env: readonly { readonly name: string; readonly value: string }[];
    readonly readinessProbe: { readonly httpGet: { readonly path: string } };
  }[];
}

interface SourceSpec {
  readonly sink: {
    readonly ref: Pick<KubeObject, "apiVersion" | "kind"> & { readonly name: string };
  };
}

interface ApiServerSourceSpec extends SourceSpec {
  readonly serviceAccountName: string;
  readonly mode: string;
  readonly namespaceSelector: {
    readonly matchExpressions: readonly {
      readonly key: string;
      readonly operator: string;
      readonly values: readonly string[];
    }[];
  };
  readonly resources: readonly {
    readonly apiVersion: string;
    readonly kind: string;
    readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> };
  }[];
}

/** Source: knative.dev/eventing, pkg/reconciler/apiserversource/resources/receive_adapter.go, makeEnv. */
async function startApiServerSource(world: World): Promise<AsyncDisposable> {
  const { plane, objects } = world;
  const source = find(objects, "ApiServerSource");
  const spec = source["spec"] as ApiServerSourceSpec;
  const selector = spec.namespaceSelector.matchExpressions.map(({ key, operator, values }) =>
    `${key} ${operator.toLowerCase()} (${values})`
  );
  const namespaces = await plane.api.list(
    `/api/v1/namespaces?labelSelector=${encodeURIComponent(selector.join())}`,
  );
  const resources = spec.resources.map(({ apiVersion, kind, selector }) => {
    const [version = "", group = ""] = apiVersion.split("/").reverse();
    return {
      gvr: { Group: group, Version: version, Resource: knativePlural(kind) },
      selector: Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
        .join(),
    };
  });
  const config = {
    namespaces: namespaces.map(({ metadata }) => metadata.name),
    allNamespaces: false,
    resources,
    mode: spec.mode,
  };
  return await startAdapter((await knativeAdapterPrograms()).apiServerSource, {
    plane,
    kubeconfig: await kubeconfigOf(plane, spec.serviceAccountName),
    env: {
      NAME: source.metadata.name,
      K_SINK: sinkOf(world, source),
      K_SOURCE_CONFIG: JSON.stringify(config),
    },
  });
}

/** Where the manifest's source sends its events. */
function sinkOf({ objects, sink }: World, source: KubeObject): string {
  const { ref } = (source["spec"] as SourceSpec).sink;
  const { apiVersion, kind, metadata: { name, namespace } } = find(objects, "Service");
  assert.deepEqual(ref, { apiVersion, kind, name });
  assert.equal(source.metadata.namespace, namespace);
  return sink;
}

/** Every second, since this adapter also takes schedules with seconds, instead of every minute. */
async function startPingSource(world: World): Promise<AsyncDisposable> {
  const { plane, objects } = world;
  const source = find(objects, "PingSource");
  assert.equal((source["spec"] as { readonly schedule: string }).schedule, "* * * * *");
  const { name } = source.metadata;
  const path = `/apis/sources.knative.dev/v1/namespaces/${NAMESPACE}/pingsources/${name}`;
  const { metadata } = await plane.api.patch(path, { spec: { schedule: "* * * * * *" } });
  const happy = ["Ready", "SinkProvided", "Deployed", "OIDCIdentityCreated"];
  const conditions = happy.map((type) => ({ type, status: "True" }));
  await plane.api.patch(`${path}/status`, {
    status: {
      observedGeneration: metadata.generation,
      conditions,
      sinkUri: sinkOf(world, source),
    },
  });
  const configuration = ["config-logging", "config-observability"].map((config) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: config, namespace: KNATIVE },
  }));
  await plane.createNamespace(KNATIVE);
  await plane.api.apply(configuration);
  return await startAdapter((await knativeAdapterPrograms()).pingSource, {
    plane,
    // Part of Knative's installation, with rights of its own.
    kubeconfig: plane.kubeconfigPath,
    args: ["--disable-ha"],
    // Told to stop at the end of a minute, it waits for the next one.
    env: { NAME: "pingsource-mt-adapter", NAMESPACE: KNATIVE, K_NO_SHUTDOWN_AFTER: "59" },
  });
}

async function startAdapter(
  program: string,
  { plane, kubeconfig, args = [], env }: {
    readonly plane: ControlPlane;
    readonly kubeconfig: string;
    readonly args?: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<AsyncDisposable> {
  const started = spawnGuarded({
    name: program,
    argv: [program, `--kubeconfig=${kubeconfig}`, ...args],
    log: await Deno.makeTempFile({ dir: plane.dir }),
    env: { NAMESPACE, SYSTEM_NAMESPACE: KNATIVE, METRICS_DOMAIN: "knative.dev/eventing", ...env },
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  alive(started);
  return { [Symbol.asyncDispose]: () => started.stop({ graceMilliseconds: 1_000 }) };
}

/** Touches an object until a tick follows: an adapter does not say from when on it watches. */
async function watched(plane: ControlPlane, path: string, started: GuardedProcess): Promise<void> {
  const ticks = () => Deno.readTextFileSync(started.log).split("Tick took").length;
  const quiet = async () => {
    let before = -1;
    await eventually("the function is at rest", () => {
      const now = ticks();
      const same = now === before;
      before = now;
      return same;
    }, { everyMilliseconds: 1_000, timeoutMilliseconds: 30_000 });
    return before;
  };
  await eventually(`changes of ${path} lead to ticks`, async () => {
    alive(started);
    const before = await quiet();
    await plane.api.patch(path, { metadata: { annotations: { touched: crypto.randomUUID() } } });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return ticks() > before;
  }, { timeoutMilliseconds: 60_000 });
  await quiet();
}

async function holder(plane: ControlPlane): Promise<string> {
  const { status } = await plane.api.get<{ readonly status?: GatewayStatus }>(GATEWAY);
  assert.ok(status?.activeNodeName, "there is a holder");
  return status.activeNodeName;
}

/** Waits until another node holds the gateway, and Cilium's policy says so. */
async function moved(plane: ControlPlane, from: string): Promise<void> {
  await eventually(`the gateway leaves node ${from}`, async () => await holder(plane) !== from, {
    timeoutMilliseconds: 20_000,
  });
  const to = await holder(plane);
  await eventually(`the policy names node ${to}`, async () => {
    const policy = await plane.api.get<{
      readonly spec: {
        readonly egressGateway: { readonly nodeSelector: { readonly matchLabels: object } };
      };
    }>(POLICY);
    const labels = policy.spec.egressGateway.nodeSelector.matchLabels;
    return "kubernetes.io/hostname" in labels && labels["kubernetes.io/hostname"] === to;
  });
}

async function cordon(plane: ControlPlane, node: string, unschedulable: boolean): Promise<void> {
  await plane.api.patch(`/api/v1/nodes/${node}`, { spec: { unschedulable } });
}

async function kubeconfigOf(plane: ControlPlane, serviceAccount: string): Promise<string> {
  const token = await plane.serviceAccountToken(NAMESPACE, serviceAccount);
  return await plane.writeKubeconfig(serviceAccount, token);
}

/** @throws Error with what it printed when it has ended */
function alive({ name, log, exitStatus }: GuardedProcess): void {
  const status = exitStatus();
  if (status === undefined) return;
  throw new Error(
    `Cannot go on as ${name} exited with ${status.code}: ${Deno.readTextFileSync(log)}`,
  );
}

function find(objects: readonly KubeObject[], kind: string): KubeObject {
  const found = objects.find((object) => object.kind === kind);
  assert.ok(found !== undefined, `the manifest has a ${kind}`);
  return found;
}
