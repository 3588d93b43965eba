/** `k8s/` on a real API server: every overlay applies, and what it asks for is what Kubernetes then does. */
import assert from "node:assert/strict";
import { createAgentApp } from "../../src/http/agent_app.ts";
import { AGENT_APP, MEMBER_LABEL, NAMESPACE } from "../../src/core/names.ts";
import type { Program } from "../../src/program/run_program.ts";
import { tickJob } from "../../src/program/run_tick_job.ts";
import { agentProgram } from "../../src/program/serve_agent.ts";
import { controllerProgram } from "../../src/program/serve_controller.ts";
import { eventsProgram } from "../../src/program/serve_events.ts";
import { LOG_SETTINGS, readSettings, SETTINGS } from "../../src/program/settings.ts";
import { putNode } from "../support/cluster.ts";
import {
  type ControlPlane,
  type ControlPlaneOptions,
  controlPlaneTest,
  controlPlaneTests,
} from "../support/control_plane.ts";
import { knativeCrds, knativePlural, readKnativeCrds } from "../support/knative_crds.ts";
import { kustomize, pathOf, render } from "../../src/build/kustomize.ts";
import { kubectl, kubectlProgram } from "../support/kubectl.ts";
import { missing, type Need, testWith } from "../support/needs.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { eventually, RawApiError } from "../support/raw_api.ts";

const OVERLAYS = [
  "overlays/cronjob",
  "overlays/server",
  "overlays/agent",
  "overlays/knative",
  "default",
] as const;

/** The controllers that act on what is applied here, and the one that deletes a namespace's content. */
const CONTROLLERS = {
  controllerManager: true,
  crds: false,
} as const satisfies ControlPlaneOptions;

const onControlPlane = controlPlaneTests(CONTROLLERS);

/** A test on the shared control plane, skipped with the reason when something else is missing. */
function test(
  name: string,
  fn: (plane: ControlPlane) => Promise<void>,
  ...needs: readonly Need[]
): void {
  const all = [kustomize, ...needs];
  if (missing(all) === null) onControlPlane(name, fn);
  else testWith(all, name, () => {});
}

async function applyOverlay(plane: ControlPlane, folder: string): Promise<readonly KubeObject[]> {
  if (folder === "overlays/knative") await plane.api.apply(await readKnativeCrds());
  const objects = await render(folder);
  await plane.api.apply(objects);
  return objects;
}

for (const folder of OVERLAYS) {
  test(
    `k8s/${folder} applies with strict validation, and again without a change`,
    async (plane) => {
      const objects = await applyOverlay(plane, folder);
      const first = await versions(plane, objects);
      await plane.api.apply(objects);
      assert.deepEqual(await versions(plane, objects), first);
    },
    ...(folder === "overlays/knative" ? [knativeCrds] : []),
  );
}

/** Generation where an object has one: controllers write status meanwhile. */
async function versions(plane: ControlPlane, objects: readonly KubeObject[]) {
  return await Promise.all(objects.map(async (object) => {
    const path = await plane.api.pathOf(object);
    const { metadata } = await plane.api.get(path);
    return `${path} ${metadata.uid} ${metadata.generation ?? "-"}`;
  }));
}

interface Template {
  /** Which overlay, kind and name. */
  readonly what: string;
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: PodSpec;
}

interface PodSpec {
  readonly serviceAccountName: string;
  readonly hostNetwork?: boolean;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly terminationGracePeriodSeconds?: number;
  readonly containers: readonly Container[];
  readonly [field: string]: unknown;
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: keyof typeof POD } };
  }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly securityContext: {
    readonly readOnlyRootFilesystem?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
  readonly resources: {
    readonly requests?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, string>>;
  };
}

interface Probe {
  readonly httpGet: { readonly path: string };
}

/** Every pod template of every overlay. */
async function templates(): Promise<readonly Template[]> {
  const found: Template[] = [];
  for (const folder of OVERLAYS) {
    for (const { kind, metadata, spec } of await render(folder)) {
      const { template, jobTemplate } = (spec ?? {}) as {
        readonly template?: Omit<Template, "what">;
        readonly jobTemplate?: { readonly spec: { readonly template: Omit<Template, "what"> } };
      };
      const one = jobTemplate?.spec.template ?? template;
      if (one !== undefined) found.push({ what: `${folder} ${kind} ${metadata.name}`, ...one });
    }
  }
  return found;
}

const isAgent = ({ spec }: Template) => spec.serviceAccountName === "sallyport-agent";

test("controllers meet Pod Security level restricted; agents only miss what their work needs", async (plane) => {
  const { api } = plane;
  await plane.createNamespace("strict");
  await api.patch("/api/v1/namespaces/strict", {
    metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  });
  for (const name of ["sallyport-controller", "sallyport-agent"]) {
    const metadata = { name, namespace: "strict" };
    await api.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata });
  }
  const all = await templates();
  assert.equal(all.filter(isAgent).length, 2);
  assert.equal(all.length, 6);
  for (const template of all) {
    const { what, metadata: { labels }, spec } = template;
    const { containerConcurrency: _, timeoutSeconds: __, ...podSpec } = spec;
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "one", namespace: "strict", labels },
      spec: podSpec,
    };
    const refused = await api.apply(pod, { dryRun: true }).then(() => null, (error) => error);
    if (!isAgent(template)) {
      assert.equal(refused, null, what);
      continue;
    }
    assert.ok(refused instanceof RawApiError);
    const [, violations = ""] = refused.serverMessage.split('"restricted:latest": ');
    assert.deepEqual(
      // Each is `rule (which container or volume)`, and what is in brackets may hold commas.
      violations.replace(/\([^()]*(?:\([^()]*\)[^()]*)*\)/g, "").split(",").map((rule) =>
        rule.trim()
      ),
      [
        "host namespaces",
        "probe or lifecycle host",
        "unrestricted capabilities",
        "restricted volume types",
        "runAsNonRoot != true",
        "runAsUser=0",
      ],
    );
  }
});

/** Bundle -> what its function runs. */
const PROGRAMS: Readonly<Record<string, Pick<Program, "settings">>> = {
  "agent.js": agentProgram,
  "knative.js": eventsProgram,
  "server.js": controllerProgram,
  "tick.js": tickJob,
};

/** What the downward API tells. */
const POD = { "spec.nodeName": "node-a", "status.hostIPs": "192.0.2.7,2001:db8::7" } as const;

test("every container is confined, sized, and runs a function that exists", async () => {
  for (const template of await templates()) {
    const { what, spec } = template;
    for (const { image, args, env = [], securityContext, resources } of spec.containers) {
      // Whoever forgets to name images gets an error that says so, and nobody else's program.
      assert.equal(
        image,
        `registry.invalid/sallyport/${isAgent(template) ? "agent" : "controller"}:dev`,
        what,
      );
      assert.equal(securityContext.readOnlyRootFilesystem, true, what);
      assert.equal(securityContext.allowPrivilegeEscalation, false, what);
      assert.deepEqual(securityContext.capabilities, {
        ...(isAgent(template) ? { add: ["NET_ADMIN", "NET_RAW"] } : {}),
        drop: ["ALL"],
      }, what);
      assert.ok(resources.requests?.["cpu"] && resources.requests["memory"], what);
      assert.ok(resources.limits?.["memory"], what);
      const [bundle = ""] = args;
      const entry = new URL(`../../functions/${bundle.replace(/\.js$/, ".ts")}`, import.meta.url);
      assert.ok((await Deno.stat(entry)).isFile, what);
      const variables = Object.fromEntries(
        env.map(({ name, value, valueFrom }) => [
          name,
          valueFrom === undefined ? value ?? "" : POD[valueFrom.fieldRef.fieldPath],
        ]),
      );
      const names = [...PROGRAMS[bundle]?.settings ?? [], ...LOG_SETTINGS];
      readSettings(names, { variables });
      const known = names.map((name) => SETTINGS[name].variable);
      assert.deepEqual(Object.keys(variables).filter((name) => !known.includes(name)), [], what);
    }
  }
});

test("the kubelet asks the agent for paths that it serves", async () => {
  const app = createAgentApp(() => ({
    renewedAgoMilliseconds: 0,
    dutiesKnown: true,
    failures: [],
    uplinks: [],
    bound: [],
    speaking: [],
    announcements: 0,
    probes: 0,
    renewals: 1,
    failedRenewals: 0,
  }));
  for (const { what, spec } of (await templates()).filter(isAgent)) {
    for (const { livenessProbe, readinessProbe } of spec.containers) {
      for (const probe of [livenessProbe, readinessProbe]) {
        assert.ok(probe, what);
        assert.equal((await app.request(probe.httpGet.path)).status, 200, probe.httpGet.path);
      }
    }
  }
});

test(
  "the DaemonSet keeps an agent on every member node, whatever is wrong with it",
  async (plane) => {
    const { api } = plane;
    await applyOverlay(plane, "overlays/agent");
    const member = { labels: { [MEMBER_LABEL]: "", "kubernetes.io/os": "linux" } };
    for (const name of ["plain", "cordoned", "lost"]) await putNode(plane, name, member);
    await putNode(plane, "stranger", { labels: { "kubernetes.io/os": "linux" } });
    await api.patch("/api/v1/nodes/cordoned", { spec: { unschedulable: true } });
    const taint = (key: string, effect: string) => ({ key, effect });
    await api.patch("/api/v1/nodes/lost", {
      spec: {
        taints: [
          taint("node.kubernetes.io/unreachable", "NoExecute"),
          taint("example.com/own", "NoExecute"),
        ],
      },
    });
    const path = `/api/v1/namespaces/${NAMESPACE}/pods`;
    const agents = `${path}?labelSelector=app.kubernetes.io/name%3D${AGENT_APP}`;
    await eventually("three agents are made", async () => (await api.list(agents)).length >= 3);
    const pods = await api.list(agents);
    assert.deepEqual(pods.map(placeOf).sort(), ["cordoned", "lost", "plain"]);
    // PriorityClass system-node-critical, admitted outside kube-system.
    for (const { spec } of pods) assert.equal((spec as PodSpec)["priority"], 2_000_001_000);
  },
  kustomize,
);

/** Where the DaemonSet controller wants a pod. */
function placeOf({ spec }: KubeObject): string {
  const { affinity } = spec as {
    readonly affinity: {
      readonly nodeAffinity: {
        readonly requiredDuringSchedulingIgnoredDuringExecution: {
          readonly nodeSelectorTerms: readonly {
            readonly matchFields: readonly { readonly values: readonly string[] }[];
          }[];
        };
      };
    };
  };
  const { nodeSelectorTerms } =
    affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution;
  return nodeSelectorTerms[0]?.matchFields[0]?.values[0] ?? "";
}

test("the Deployment makes two controllers and the CronJob's Jobs make one", async (plane) => {
  const { api } = plane;
  await applyOverlay(plane, "overlays/server");
  await applyOverlay(plane, "overlays/cronjob");
  const cronJob = await api.get<{ readonly spec: { readonly jobTemplate: object } }>(
    `/apis/batch/v1/namespaces/${NAMESPACE}/cronjobs/sallyport-tick`,
  );
  // What the CronJob controller does at the next full minute.
  await api.apply({
    ...cronJob.spec.jobTemplate,
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "by-hand", namespace: NAMESPACE },
  });
  const path = `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=`;
  for (const [selector, count] of [["server", 2], ["cronjob", 1]] as const) {
    const list = () =>
      api.list(`${path}app.kubernetes.io/component%3D${selector},!batch.kubernetes.io/cronjob`);
    await eventually(`${selector} has pods`, async () => (await list()).length >= count);
    const pods = await list();
    assert.ok(pods.length >= count);
    for (const { spec } of pods) assert.equal((spec as PodSpec)["priority"], 2_000_000_000);
  }
});

test(
  "Knative finds every resource that the source names, which its adapter may watch, and no more",
  async (plane) => {
    const { api } = plane;
    const objects = await applyOverlay(plane, "overlays/knative");
    const source = objects.find(({ kind }) => kind === "ApiServerSource");
    const { resources, serviceAccountName } = source?.spec as {
      readonly serviceAccountName: string;
      readonly resources: readonly { readonly apiVersion: string; readonly kind: string }[];
    };
    const may = async (resourceAttributes: object): Promise<boolean> => {
      const user = `system:serviceaccount:${NAMESPACE}:${serviceAccountName}`;
      const review = await api.post<{ readonly status: { readonly allowed: boolean } }>(
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SubjectAccessReview",
          spec: { user, resourceAttributes },
        },
      );
      return review.status.allowed;
    };
    // As runAccessCheck of knative.dev/eventing pkg/reconciler/apiserversource does it.
    for (const { apiVersion, kind } of resources) {
      const resource = knativePlural(kind);
      const served = await api.get<{ readonly resources: readonly { readonly name: string }[] }>(
        `${apiVersion.includes("/") ? "/apis" : "/api"}/${apiVersion}`,
      );
      assert.ok(served.resources.some(({ name }) => name === resource), `${kind}: no ${resource}`);
      const group = apiVersion.includes("/") ? apiVersion.split("/")[0] : "";
      for (const namespace of ["kube-system", NAMESPACE]) {
        for (const verb of ["get", "list", "watch"]) {
          assert.ok(await may({ verb, group, resource, namespace }), `${verb} ${kind}`);
        }
        for (const verb of ["create", "update", "patch", "delete"]) {
          assert.ok(!await may({ verb, group, resource, namespace }), `${verb} ${kind}`);
        }
      }
    }
    const beyond = [
      { verb: "list", group: "", resource: "pods", namespace: "default" },
      { verb: "create", group: "", resource: "pods", subresource: "exec", namespace: NAMESPACE },
      { verb: "get", group: "", resource: "secrets", namespace: NAMESPACE },
    ];
    for (const attributes of beyond) assert.ok(!await may(attributes), JSON.stringify(attributes));
  },
  knativeCrds,
);

const admission = Deno.makeTempDirSync({ prefix: "sallyport-admission-" });
Deno.test.afterAll(() => Deno.removeSync(admission, { recursive: true }));
Deno.writeTextFileSync(
  `${admission}/config.json`,
  JSON.stringify({
    apiVersion: "apiserver.config.k8s.io/v1",
    kind: "AdmissionConfiguration",
    plugins: [{
      name: "ResourceQuota",
      configuration: {
        apiVersion: "apiserver.config.k8s.io/v1",
        kind: "ResourceQuotaConfiguration",
        limitedResources: [{
          resource: "pods",
          matchScopes: [{
            scopeName: "PriorityClass",
            operator: "In",
            values: ["system-node-critical", "system-cluster-critical"],
          }],
        }],
      },
    }],
  }),
);

/** As some clouds configure it. */
const CRITICAL_PRIORITY_LIMITED = {
  crds: false,
  controllerManager: {
    controllers: [
      "deployment-controller",
      "replicaset-controller",
      "resourcequota-controller",
      "serviceaccount-controller",
    ],
  },
  extraApiArgs: [`--admission-control-config-file=${admission}/config.json`],
} as const satisfies ControlPlaneOptions;

if (missing([kustomize]) === null) {
  controlPlaneTest(
    "where critical priority is limited by quota, k8s/extras/priority-quota.yaml admits the pods",
    async ({ api }) => {
      const pods = `/api/v1/namespaces/${NAMESPACE}/pods`;
      await api.apply(await render("overlays/server"));
      await eventually("a pod is refused", async () => {
        const [set] = await api.list<{ status: { conditions?: readonly { message: string }[] } }>(
          `/apis/apps/v1/namespaces/${NAMESPACE}/replicasets`,
        );
        return /insufficient quota/.test(set?.status.conditions?.[0]?.message ?? "");
      });
      assert.deepEqual(await api.list(pods), []);
      await api.apply(await Deno.readTextFile(pathOf("extras/priority-quota.yaml")));
      await eventually("the pods are made", async () => (await api.list(pods)).length === 2, {
        timeoutMilliseconds: 30_000,
      });
    },
    CRITICAL_PRIORITY_LIMITED,
  );
}

if (missing([kustomize, kubectl]) === null) {
  controlPlaneTest(
    "kubectl installs k8s/default, changes nothing the second time, and removes all of it",
    async (plane) => {
      const program = await kubectlProgram();
      const kubectl = async (...args: readonly string[]) => {
        const { success, stdout, stderr } = await new Deno.Command(program, {
          args: ["--kubeconfig", plane.kubeconfigPath, ...args],
        }).output();
        const decoder = new TextDecoder();
        assert.ok(success, decoder.decode(stderr));
        return decoder.decode(stdout).trim().split("\n");
      };
      const folder = pathOf("default");
      const created = await kubectl("apply", "--validate=strict", "-k", folder);
      assert.ok(created.every((line) => line.endsWith(" created")), created.join("\n"));
      const again = await kubectl("apply", "--server-side", "--force-conflicts", "-k", folder);
      assert.equal(again.length, created.length);
      const third = await kubectl("apply", "--server-side", "-k", folder, "-o", "name");
      assert.equal(third.length, created.length);
      await kubectl("delete", "--timeout=180s", "-k", folder);
      for (const object of await render("default")) {
        const gone = await plane.api.pathOf(object)
          .then((path) => plane.api.request({ path }), () => ({ status: 404 }));
        assert.equal(gone.status, 404, `${object.kind} ${object.metadata.name} is left behind`);
      }
    },
    CONTROLLERS,
  );
} else {
  testWith([kustomize, kubectl], "kubectl installs and removes k8s/default", () => {});
}
