/**
 * Sallyport as it is shipped, its manifests and its images, on a real node: pods that a CronJob, a Deployment and a
 * DaemonSet start move gateways. One cluster for all steps, in the order in which a person would take them.
 */
import assert from "node:assert/strict";
import { startAgent } from "../../src/agent/run_agent.ts";
import { AGENT_APP, NAMESPACE } from "../../src/core/names.ts";
import { CANDIDATE, KubeletCluster, kubeletNeeds, PAPER, REAL } from "./cluster.ts";
import type { Confinement } from "./node.ts";
import { webhook } from "./webhook.ts";
import { elapsed, megabytes, World } from "./world.ts";
import { until } from "../lab/wait.ts";
import { clientOf } from "../support/cluster.ts";
import { say } from "../../src/build/go_build.ts";
import { render } from "../../src/build/kustomize.ts";
import { memoryHands } from "../support/memory_hands.ts";
import { testWith } from "../support/needs.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";

const VIP = "10.60.0.200";
/** As `ip addr` shows an address that the agent bound. */
const BOUND = new RegExp(` ${VIP}/32 .* eth1:egw$`, "m");

/** What the manifests ask for, as the kernel has it. */
const CONTROLLER: Confinement = {
  uid: 65_532,
  capabilities: 0,
  noNewPrivileges: true,
  seccomp: true,
  readOnlyRoot: true,
};

/** NET_ADMIN and NET_RAW are capabilities 12 and 13. */
const AGENT: Confinement = { ...CONTROLLER, uid: 0, capabilities: 1 << 12 | 1 << 13 };

/** Prefers the node without a kubelet, as pods of the controller cannot be scheduled to a cordoned one. */
const PRIMARY: KubeObject = {
  apiVersion: "network.deckhouse.io/v1alpha1",
  kind: "EgressGateway",
  metadata: { name: "primary" },
  spec: {
    nodeSelector: CANDIDATE,
    sourceIP: {
      mode: "PrimaryIPFromEgressGatewayNodeInterface",
      primaryIPFromEgressGatewayNodeInterface: { interfaceName: "eth1" },
    },
    preferredNodes: [{ weight: 100, nodeSelector: { "kubernetes.io/hostname": PAPER } }],
    failback: { mode: "Auto", minReadySeconds: 1 },
    failureDetection: { heartbeat: "Ignore" },
  },
};

const POLICY: KubeObject = {
  apiVersion: "network.deckhouse.io/v1alpha1",
  kind: "EgressGatewayPolicy",
  metadata: { name: "web" },
  spec: {
    egressGatewayName: "primary",
    destinationCIDRs: ["0.0.0.0/0"],
    selectors: [{ podSelector: { matchLabels: { app: "web" } } }],
  },
};

/** Prefers the node with a kubelet, whose agent binds its address for real. */
const VIRTUAL: KubeObject = {
  apiVersion: "network.deckhouse.io/v1alpha1",
  kind: "EgressGateway",
  metadata: { name: "virtual" },
  spec: {
    nodeSelector: CANDIDATE,
    sourceIP: { mode: "VirtualIPAddress", virtualIPAddress: { ip: VIP, interfaces: ["eth1"] } },
    preferredNodes: [{ weight: 100, nodeSelector: { "kubernetes.io/hostname": REAL } }],
    failback: { mode: "Auto", minReadySeconds: 1 },
  },
};

const STEPS: readonly (readonly [name: string, step: (world: World) => Promise<void>])[] = [
  ["a Job made from the CronJob elects, and exits with 0", jobFromCronJob],
  ["a pod of the CronJob's schedule moves the gateway", scheduledJob],
  ["a webhook's POST to the Service moves the gateway, and nothing else does", webhook],
  ["the Deployment moves it back and forth", deployment],
  ["the DaemonSet's pod binds a VIP, and hands it over when it is deleted", daemonSet],
];

testWith(
  kubeletNeeds,
  "the shipped manifests and images move gateways on a real node",
  async (t) => {
    const start = performance.now();
    await using cluster = await KubeletCluster.start();
    const world = new World(cluster);
    world.note(`Images built and cluster up: ${elapsed(start)}`);
    for (const { tag, bytes } of cluster.images.sizes) world.note(`${tag}: ${megabytes(bytes)}`);
    for (const [name, step] of STEPS) {
      // Each builds on the one before.
      if (!await t.step(name, () => step(world))) break;
    }
    for (const line of world.notes) say(`  ${line}`);
  },
);

interface CronJob extends KubeObject {
  readonly spec: { readonly jobTemplate: { readonly spec: JobSpec } };
}

interface JobSpec {
  readonly template: { readonly spec: { readonly containers: readonly [KubeObject] } };
  readonly [field: string]: unknown;
}

const CRONJOB = `/apis/batch/v1/namespaces/${NAMESPACE}/cronjobs/sallyport-tick`;
const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;

async function jobFromCronJob(world: World): Promise<void> {
  const { api, cluster } = world;
  await api.apply(await render("overlays/cronjob"));
  await api.apply([PRIMARY, POLICY]);
  // As `kubectl create job --from=cronjob/sallyport-tick once`, with one tick instead of a minute of them.
  const { spec: { jobTemplate: { spec } } } = await api.get<CronJob>(CRONJOB);
  const [container] = spec.template.spec.containers;
  const template = {
    ...spec.template,
    spec: { ...spec.template.spec, containers: [{ ...container, args: ["tick.js"] }] },
  };
  const start = performance.now();
  await api.post(JOBS, {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "once", namespace: NAMESPACE },
    spec: { ...spec, template },
  });
  await world.holds("primary", PAPER, 60_000);
  world.note(`Job to gateway elected: ${elapsed(start)}`);
  const job = await until("the Job to end", async () => {
    const { status } = await api.get<Ending>(`${JOBS}/once`);
    return status?.conditions?.find(({ type, status }) =>
      status === "True" && (type === "Complete" || type === "Failed")
    );
  }, { timeoutMilliseconds: 30_000, everyMilliseconds: 100 });
  assert.equal(job.type, "Complete", await cluster.describe(NAMESPACE, "job-name=once"));
  await world.ciliumSendsTo(PAPER);
  const [pod] = await cluster.pods(NAMESPACE, "job-name=once");
  const events = await api.list("/api/v1/namespaces/default/events");
  assert.deepEqual(
    events.filter(({ involvedObject }) => (involvedObject as Involved).name === "primary")
      .map((event) => event["reportingInstance"]),
    [pod?.metadata.name],
  );
}

interface Involved {
  readonly name: string;
}

interface Ending extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

async function scheduledJob(world: World): Promise<void> {
  const { api, cluster } = world;
  const { metadata: { uid } } = await api.get(CRONJOB);
  // The schedule is each full minute.
  const job = await until("the CronJob controller to make a Job", async () => {
    const jobs = await api.list(JOBS);
    return jobs.find(({ metadata }) =>
      (metadata["ownerReferences"] as readonly { uid: string }[] | undefined)?.some((owner) =>
        owner.uid === uid
      )
    );
  }, { timeoutMilliseconds: 75_000, everyMilliseconds: 100 });
  const made = performance.now();
  await world.cordon(PAPER);
  await world.holds("primary", REAL, 60_000);
  world.note(`CronJob's Job to gateway moved: ${elapsed(made)}`);
  await world.ciliumSendsTo(REAL);
  const pod = await cluster.podReady(NAMESPACE, `job-name=${job.metadata.name}`);
  world.noteMemory("CronJob's pod", await cluster.node.memoryOf(pod));
  assert.deepEqual(await cluster.node.confinementOf(pod), CONTROLLER);

  await api.delete(`${CRONJOB}?propagationPolicy=Foreground`);
  await until("the CronJob's pods to be gone", async () => {
    const pods = await cluster.pods(NAMESPACE, "app.kubernetes.io/component=cronjob");
    return pods.every((each) => each.metadata.uid !== pod.metadata.uid);
  }, { timeoutMilliseconds: 30_000, everyMilliseconds: 100 });
  await world.cordon(PAPER, false);
}

async function deployment(world: World): Promise<void> {
  const { api, cluster } = world;
  const start = performance.now();
  await api.apply(await render("overlays/server"));
  const selector = "app.kubernetes.io/component=server";
  const pod = await cluster.podReady(NAMESPACE, selector, { timeoutMilliseconds: 60_000 });
  world.note(`Deployment to Ready: ${elapsed(start)}`);
  // Its anti-affinity leaves the second replica without a node here.
  assert.equal((await cluster.pods(NAMESPACE, selector)).length, 2);
  await world.holds("primary", PAPER);
  await world.cordon(PAPER);
  world.note(`Deployment: cordoned to gateway moved in ${await world.holds("primary", REAL)} ms`);
  await world.ciliumSendsTo(REAL);
  await world.cordon(PAPER, false);
  await world.holds("primary", PAPER);
  world.noteMemory("Deployment's pod", await cluster.node.memoryOf(pod));
  assert.deepEqual(await cluster.node.confinementOf(pod), CONTROLLER);
}

async function daemonSet(world: World): Promise<void> {
  const { api, cluster } = world;
  const { host, publicMac } = agentNode(cluster);
  await api.apply(await render("overlays/agent"));
  const selector = `app.kubernetes.io/name=${AGENT_APP}`;
  const start = performance.now();
  const pod = await cluster.podReady(NAMESPACE, selector, {
    node: REAL,
    timeoutMilliseconds: 60_000,
  });
  world.note(`DaemonSet to agent Ready: ${elapsed(start)}`);
  await using _ = await paperAgent(cluster);

  await api.apply(VIRTUAL);
  await world.holds("virtual", REAL);
  assert.match(await host.ip("-4", "addr", "show", "dev", "eth1"), BOUND);
  await until(
    "the VIP to be announced",
    async () =>
      (await cluster.lab.client.macOf(VIP)) === await publicMac() ||
      (await cluster.lab.whoAnswers(VIP)).includes(await publicMac()),
    {
      timeoutMilliseconds: 10_000,
    },
  );
  assert.deepEqual(await cluster.lab.whoAnswers(VIP), [await publicMac()]);
  world.noteMemory("DaemonSet's pod", await cluster.node.memoryOf(pod));
  assert.deepEqual(await cluster.node.confinementOf(pod), AGENT);

  await api.delete(`/api/v1/namespaces/${NAMESPACE}/pods/${pod.metadata.name}`);
  world.note(
    `DaemonSet: pod deleted to VIP handed over in ${await world.holds("virtual", PAPER)} ms`,
  );
  await until(
    "the VIP to leave the node",
    async () => !(await host.ip("-4", "addr")).includes(VIP),
    { timeoutMilliseconds: 10_000 },
  );
  assert.deepEqual(await cluster.lab.whoAnswers(VIP), []);

  // Its successor takes up where it left off.
  await cluster.podReady(NAMESPACE, selector, { node: REAL, other: pod.metadata.uid });
  await world.holds("virtual", REAL);
  assert.match(await host.ip("-4", "addr", "show", "dev", "eth1"), BOUND);
}

function agentNode(cluster: KubeletCluster) {
  const node = cluster.lab.node("a");
  return { host: node.host, publicMac: () => node.publicMac() };
}

/** The agent of the node without a kubelet, in this process; its pod is the DaemonSet's, which nobody starts. */
async function paperAgent(cluster: KubeletCluster): Promise<AsyncDisposable> {
  const { plane } = cluster;
  const selector = `app.kubernetes.io/name=${AGENT_APP}`;
  const pod = await until(`a pod for node '${PAPER}'`, async () => {
    const pods = await cluster.pods(NAMESPACE, selector);
    return pods.find(({ spec }) => (spec as { nodeName?: string }).nodeName === PAPER);
  }, { timeoutMilliseconds: 15_000, everyMilliseconds: 100 });
  const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z/, "Z");
  await plane.api.patch(
    `/api/v1/namespaces/${NAMESPACE}/pods/${pod.metadata.name}/status`,
    { status: { conditions: [{ type: "Ready", status: "True", lastTransitionTime }] } },
    "strategic-merge",
  );
  const client = await clientOf(plane);
  const stateDirectory = await Deno.makeTempDir({ prefix: "sallyport-agent-" });
  const stop = new AbortController();
  const { ended } = startAgent(client, {
    nodeName: PAPER,
    hands: memoryHands({ address: "10.60.0.12" }),
    stateDirectory,
    ciliumHealthz: undefined,
    createPings: () => ({ setTargets: () => {}, [Symbol.dispose]: () => {} }),
    signal: stop.signal,
  });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
      await client.close();
      await Deno.remove(stateDirectory, { recursive: true });
    },
  };
}
