/** The Helm chart `k8s/chart` asks for what `k8s/` asks for, and its values change what they say and nothing else. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { chartFiles, committedFiles } from "../../src/build/chart.ts";
import { idOf } from "../../src/build/chart_template.ts";
import { NAMESPACE } from "../../src/core/names.ts";
import { CILIUM_SETTINGS, ciliumPods, readSettings } from "../../src/program/settings.ts";
import { CHART, helm, HelmError, IMAGES, renderChart, runHelm } from "../support/helm.ts";
import {
  type ControlPlane,
  type ControlPlaneOptions,
  controlPlaneTest,
} from "../support/control_plane.ts";
import { kustomize, render } from "../../src/build/kustomize.ts";
import { missing, testWith } from "../support/needs.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { eventually } from "../support/raw_api.ts";

testWith([kustomize], "k8s/chart is what scripts/chart.ts makes of k8s/ now", async () => {
  const [made, committed] = [await chartFiles(), await committedFiles()];
  const stale = [...new Set([...made.keys(), ...committed.keys()])]
    .filter((path) => made.get(path) !== committed.get(path));
  assert.deepEqual(stale, [], "Run: npx deno run -A scripts/chart.ts");
});

Deno.test("the chart has the version of the project", async () => {
  const chart = parse(await Deno.readTextFile(`${CHART}/Chart.yaml`));
  const { version } = JSON.parse(
    await Deno.readTextFile(new URL("../../package.json", import.meta.url)),
  );
  assert.deepEqual([chart.version, chart.appVersion], [version, version]);
});

Deno.test("README, guide and chart ask for the same version of Kubernetes", async () => {
  const places = [
    ["README.md", /Needs Kubernetes (1\.\d+) /],
    ["docs/install.md", /^- Kubernetes (1\.\d+) /m],
    ["k8s/chart/Chart.yaml", /^kubeVersion: ">=(1\.\d+)\.0-0"$/m],
  ] as const;
  const named = await Promise.all(places.map(async ([file, version]) => {
    const text = await Deno.readTextFile(new URL(`../../${file}`, import.meta.url));
    return version.exec(text)?.[1];
  }));
  // The first whose API server lets new CRDs use CEL's `format`: k8s.io/apiserver, pkg/cel/environment/base.go.
  assert.deepEqual(named, ["1.32", "1.32", "1.32"]);
});

type Rendered = ReadonlyMap<string, KubeObject>;

function byId(...lists: readonly (readonly KubeObject[])[]): Rendered {
  return new Map(
    lists.flat().map((object) => [idOf(object), object] as const)
      .sort(([a], [b]) => a < b ? -1 : 1),
  );
}

/** What is to be rendered, and the folders of `k8s/` that ask for the same. */
const SAME: readonly (readonly [values: readonly string[], folders: readonly string[]])[] = [
  [[], ["default"]],
  [["run=cronjob"], ["overlays/cronjob", "overlays/agent"]],
  [["agent.enabled=false"], ["overlays/server"]],
  [["run=cronjob", "agent.enabled=false"], ["overlays/cronjob"]],
  [["run=none"], ["overlays/agent"]],
  [["run=none", "agent.enabled=false"], ["base"]],
  [["monitoring.podMonitors=true", "monitoring.rules=true", "monitoring.dashboard=true"], [
    "overlays/monitoring",
  ]],
];

for (const [values, folders] of SAME) {
  testWith(
    [helm, kustomize],
    `the chart with ${values.join(", ") || "its defaults"} is k8s/${folders.join(" and k8s/")}`,
    async () => {
      const objects = await renderChart(...values);
      const rendered = byId(objects);
      assert.equal(rendered.size, objects.length, "an object is there twice");
      assert.deepEqual(rendered, byId(...await Promise.all(folders.map(render))));
    },
  );
}

const SERVER = "Deployment/sallyport-system/sallyport-controller";
const SERVER_POD = `${SERVER} spec.template.spec`;
const TICK = "CronJob/sallyport-system/sallyport-tick";
const TICK_POD = `${TICK} spec.jobTemplate.spec.template.spec`;
const AGENT_POD = "DaemonSet/sallyport-system/sallyport-agent spec.template.spec";
const PORTS = (name: string) => `NetworkPolicy/sallyport-system/${name} spec.egress.0.ports`;
const NODE_AFFINITY = "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.0";
const ANTI_AFFINITY = "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.0";
const ABSENT = undefined;
const COLLECTOR = { name: "OTEL_EXPORTER_OTLP_ENDPOINT", value: "http://collector:4318" };

interface Row {
  readonly values: readonly string[];
  /** Compared with the chart's defaults and these. */
  readonly base?: readonly string[];
  /** All that is another: an object, or a path in one, and what it then is. */
  readonly changes: Readonly<Record<string, unknown>>;
}

const WATCHED = [
  "monitoring.podMonitors=true",
  "monitoring.rules=true",
  "monitoring.dashboard=true",
];

const CRON_JOB = { base: ["run=cronjob"] } as const;

const ROWS: readonly Row[] = [
  { values: ["replicas=3"], changes: { [`${SERVER} spec.replicas`]: 3 } },
  {
    values: ["replicas=1"],
    changes: {
      [`${SERVER} spec.replicas`]: 1,
      "PodDisruptionBudget/sallyport-system/sallyport-controller": ABSENT,
    },
  },
  {
    values: ["tokenSecret=mine"],
    changes: { [`${SERVER_POD}.volumes.0.secret.secretName`]: "mine" },
  },
  {
    ...CRON_JOB,
    values: ["tick.schedule=*/2 * * * *", "tick.every=10s"],
    changes: {
      [`${TICK} spec.schedule`]: "*/2 * * * *",
      [`${TICK_POD}.containers.0.args.4`]: "10s",
    },
  },
  {
    values: ["server.every=off"],
    changes: { [`${SERVER_POD}.containers.0.env.3.value`]: "off" },
  },
  {
    ...CRON_JOB,
    values: ["tick.pushgateway=http://push.monitoring:9091"],
    changes: {
      [`${TICK_POD}.containers.0.env`]: [
        { name: "SALLYPORT_PUSHGATEWAY", value: "http://push.monitoring:9091" },
      ],
      "NetworkPolicy/sallyport-system/sallyport-tick spec.egress.1": {
        ports: [
          { port: 9091, protocol: "TCP" },
          { port: 53, protocol: "UDP" },
          { port: 53, protocol: "TCP" },
        ],
      },
    },
  },
  {
    values: ["controller.image.repository=example.com/c", "controller.image.tag=1.0"],
    changes: { [`${SERVER_POD}.containers.0.image`]: "example.com/c:1.0" },
  },
  {
    ...CRON_JOB,
    values: ["controller.image.repository=example.com/c", "controller.image.tag=1.0"],
    changes: { [`${TICK_POD}.containers.0.image`]: "example.com/c:1.0" },
  },
  {
    values: ["agent.image.repository=example.com/a", "agent.image.tag=1.0"],
    changes: { [`${AGENT_POD}.containers.0.image`]: "example.com/a:1.0" },
  },
  {
    values: ["controller.resources.limits.memory=1Gi", "agent.resources.requests.cpu=1"],
    changes: {
      [`${SERVER_POD}.containers.0.resources.limits.memory`]: "1Gi",
      [`${AGENT_POD}.containers.0.resources.requests.cpu`]: 1,
    },
  },
  {
    values: ["controller.resources.requests.cpu=2", "controller.resources.requests.memory=1Gi"],
    changes: {
      [`${SERVER_POD}.containers.0.resources.requests.cpu`]: 2,
      [`${SERVER_POD}.containers.0.resources.requests.memory`]: "1Gi",
    },
  },
  {
    values: ["agent.resources.limits.memory=1Gi", "agent.resources.requests.memory=1Gi"],
    changes: {
      [`${AGENT_POD}.containers.0.resources.limits.memory`]: "1Gi",
      [`${AGENT_POD}.containers.0.resources.requests.memory`]: "1Gi",
    },
  },
  {
    values: ["controller.priorityClass=", "agent.priorityClass=high"],
    changes: {
      [`${SERVER_POD}.priorityClassName`]: ABSENT,
      [`${AGENT_POD}.priorityClassName`]: "high",
    },
  },
  {
    ...CRON_JOB,
    values: ["controller.priorityClass=high", "controller.resources.limits.memory=1Gi"],
    changes: {
      [`${TICK_POD}.priorityClassName`]: "high",
      [`${TICK_POD}.containers.0.resources.limits.memory`]: "1Gi",
    },
  },
  {
    values: ["imagePullSecrets[0].name=mine"],
    changes: {
      [`${SERVER_POD}.imagePullSecrets`]: [{ name: "mine" }],
      [`${AGENT_POD}.imagePullSecrets`]: [{ name: "mine" }],
    },
  },
  {
    ...CRON_JOB,
    values: ["imagePullSecrets[0].name=mine"],
    changes: {
      [`${TICK_POD}.imagePullSecrets`]: [{ name: "mine" }],
      [`${AGENT_POD}.imagePullSecrets`]: [{ name: "mine" }],
    },
  },
  {
    values: ["cilium.selector=app=c"],
    changes: {
      [`${SERVER_POD}.containers.0.env.4`]: { name: "SALLYPORT_CILIUM_SELECTOR", value: "app=c" },
    },
  },
  {
    ...CRON_JOB,
    values: ["cilium.selector=app=c"],
    changes: {
      [`${TICK_POD}.containers.0.env`]: [{ name: "SALLYPORT_CILIUM_SELECTOR", value: "app=c" }],
    },
  },
  {
    values: ["apiServerPorts[0]=16443"],
    changes: { [PORTS("sallyport-controller")]: [{ port: 16443, protocol: "TCP" }] },
  },
  {
    ...CRON_JOB,
    values: ["apiServerPorts[0]=16443"],
    changes: { [PORTS("sallyport-tick")]: [{ port: 16443, protocol: "TCP" }] },
  },
  {
    values: [
      "controller.image.pullPolicy=Always",
      "controller.env[0].name=SALLYPORT_LOG_LEVEL,controller.env[0].value=debug",
      "controller.podAnnotations.team=net",
      "controller.nodeSelector.pool=infra",
      "controller.tolerations[0].key=infra",
      "controller.updateStrategy.rollingUpdate.maxUnavailable=2",
      "controller.updateStrategy.rollingUpdate.maxSurge=1",
    ],
    changes: {
      [`${SERVER_POD}.containers.0.imagePullPolicy`]: "Always",
      [`${SERVER_POD}.containers.0.env.4`]: { name: "SALLYPORT_LOG_LEVEL", value: "debug" },
      [`${SERVER} spec.template.metadata.annotations.team`]: "net",
      [`${SERVER_POD}.nodeSelector`]: { pool: "infra" },
      [`${SERVER_POD}.tolerations.3`]: { key: "infra" },
      [`${SERVER} spec.strategy.rollingUpdate.maxUnavailable`]: 2,
      [`${SERVER} spec.strategy.rollingUpdate.maxSurge`]: 1,
    },
  },
  {
    values: [
      "agent.image.pullPolicy=Always",
      "agent.env[0].name=SALLYPORT_LOG_LEVEL,agent.env[0].value=debug",
      "agent.podAnnotations.team=net",
      "agent.tolerations[0].key=infra",
      "agent.updateStrategy.type=OnDelete",
      "agent.updateStrategy.rollingUpdate.maxUnavailable=2",
      "agent.updateStrategy.rollingUpdate.maxSurge=1",
    ],
    changes: {
      [`${AGENT_POD}.containers.0.imagePullPolicy`]: "Always",
      [`${AGENT_POD}.containers.0.env.3`]: { name: "SALLYPORT_LOG_LEVEL", value: "debug" },
      "DaemonSet/sallyport-system/sallyport-agent spec.template.metadata.annotations.team": "net",
      [`${AGENT_POD}.tolerations.1`]: { key: "infra" },
      "DaemonSet/sallyport-system/sallyport-agent spec.updateStrategy.type": "OnDelete",
      "DaemonSet/sallyport-system/sallyport-agent spec.updateStrategy.rollingUpdate.maxUnavailable":
        2,
      "DaemonSet/sallyport-system/sallyport-agent spec.updateStrategy.rollingUpdate.maxSurge": 1,
    },
  },
  {
    ...CRON_JOB,
    values: [
      "controller.env[0].name=SALLYPORT_LOG_LEVEL,controller.env[0].value=debug",
      "controller.nodeSelector.pool=infra",
      "controller.podAnnotations.team=net",
      `controller.${NODE_AFFINITY.replace(".0", "[0]")}.weight=1`,
    ],
    changes: {
      [`${TICK} spec.jobTemplate.spec.template.metadata.annotations`]: { team: "net" },
      [`${TICK_POD}.${NODE_AFFINITY}.weight`]: 1,
      [`${TICK_POD}.${NODE_AFFINITY}.preference`]: ABSENT,
      [`${TICK_POD}.containers.0.env`]: [{ name: "SALLYPORT_LOG_LEVEL", value: "debug" }],
      [`${TICK_POD}.nodeSelector`]: { pool: "infra" },
    },
  },
  {
    values: ["agent.nodeSelector.pool=edge", `agent.affinity.nodeAffinity.x=1`],
    changes: {
      [`${AGENT_POD}.nodeSelector.pool`]: "edge",
      [`${AGENT_POD}.affinity`]: { nodeAffinity: { x: 1 } },
    },
  },
  {
    values: [
      `controller.${NODE_AFFINITY.replace(".0", "[0]")}.weight=1`,
      `controller.${ANTI_AFFINITY.replace(".0", "[0]")}.topologyKey=rack`,
    ],
    changes: {
      [`${SERVER_POD}.${NODE_AFFINITY}.weight`]: 1,
      [`${SERVER_POD}.${NODE_AFFINITY}.preference`]: ABSENT,
      [`${SERVER_POD}.${ANTI_AFFINITY}.topologyKey`]: "rack",
      [`${SERVER_POD}.${ANTI_AFFINITY}.labelSelector`]: ABSENT,
    },
  },
  {
    values: [
      "traces.otlpEndpoint=http://collector:4318",
      "notices.url=https://hooks.example.com/m",
    ],
    changes: {
      [`${SERVER_POD}.containers.0.env.4`]: {
        name: "SALLYPORT_NOTICE_URL",
        value: "https://hooks.example.com/m",
      },
      [`${SERVER_POD}.containers.0.env.5`]: COLLECTOR,
      [`${AGENT_POD}.containers.0.env.3`]: COLLECTOR,
      "NetworkPolicy/sallyport-system/sallyport-controller spec.egress.1": {
        ports: [
          { port: 443, protocol: "TCP" },
          { port: 4318, protocol: "TCP" },
          { port: 53, protocol: "UDP" },
          { port: 53, protocol: "TCP" },
        ],
      },
    },
  },
  {
    ...CRON_JOB,
    values: ["traces.otlpEndpoint=http://collector:4318", "tick.pushgateway=http://push:9091"],
    changes: {
      [`${TICK_POD}.containers.0.env`]: [
        COLLECTOR,
        { name: "SALLYPORT_PUSHGATEWAY", value: "http://push:9091" },
      ],
      [`${AGENT_POD}.containers.0.env.3`]: COLLECTOR,
      "NetworkPolicy/sallyport-system/sallyport-tick spec.egress.1": {
        ports: [
          { port: 4318, protocol: "TCP" },
          { port: 9091, protocol: "TCP" },
          { port: 53, protocol: "UDP" },
          { port: 53, protocol: "TCP" },
        ],
      },
    },
  },
  {
    base: WATCHED,
    values: [
      "monitoring.labels.release=prometheus",
      "monitoring.interval=30s",
      "monitoring.dashboardLabels.folder=network",
    ],
    changes: {
      ...Object.fromEntries(
        [
          "PodMonitor/sallyport-controller",
          "PodMonitor/sallyport-agent",
          "PrometheusRule/sallyport",
        ]
          .map((id) => id.replace("/", "/sallyport-system/"))
          .flatMap((id) => [
            [`${id} metadata.labels.release`, "prometheus"],
            ...(id.startsWith("PodMonitor")
              ? [[`${id} spec.podMetricsEndpoints.0.interval`, "30s"]]
              : []),
          ]),
      ),
      "ConfigMap/sallyport-system/sallyport-dashboard metadata.labels.folder": "network",
    },
  },
  { values: ["namespace.create=false"], changes: { "Namespace/sallyport-system": ABSENT } },
];

for (const { values, base = [], changes } of ROWS) {
  testWith([helm], `value ${[...base, ...values].join(", ")}`, async () => {
    const [before, after] = await Promise.all([
      renderChart(...base),
      renderChart(...base, ...values),
    ]);
    assert.deepEqual(differences(byId(before), byId(after)), changes);
  });
}

for (const run of ["server", "cronjob"]) {
  testWith([helm], `Cilium in another namespace, ${run}: the Role goes there too`, async () => {
    const values = ["cilium.namespace=cilium", "cilium.selector=app=c"];
    const objects = await renderChart(`run=${run}`, ...values);
    const roles = objects.filter(({ kind, metadata: { name } }) =>
      kind.startsWith("Role") && name === "sallyport-controller"
    );
    assert.deepEqual(roles.map(idOf).sort(), [
      ...["cilium", "default", "sallyport-system"].map((namespace) =>
        `Role/${namespace}/sallyport-controller`
      ),
      ...["cilium", "default", "sallyport-system"].map((namespace) =>
        `RoleBinding/${namespace}/sallyport-controller`
      ),
    ]);
    const { env } = containerOf(objects);
    const settings = readSettings(CILIUM_SETTINGS, {
      variables: Object.fromEntries(env.map(({ name, value }) => [name, value])),
    });
    assert.deepEqual(ciliumPods(settings), { namespace: "cilium", labelSelector: "app=c" });
  });
}

/** The controller's. */
function containerOf(objects: readonly KubeObject[]) {
  interface Pod {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly image: string;
          readonly env: readonly { readonly name: string; readonly value: string }[];
        }[];
      };
    };
  }
  const object = objects.find(({ kind }) => kind === "Deployment" || kind === "CronJob");
  const spec = object?.["spec"] as Pod & { readonly jobTemplate?: { readonly spec: Pod } };
  const container = (spec.jobTemplate?.spec ?? spec).template.spec.containers[0];
  assert.ok(container);
  return container;
}

/** What differs: the paths at which a side has no map or list, or a shorter list than before, and what is there after. */
function differences(before: Rendered, after: Rendered): Readonly<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const compare = (path: string, a: unknown, b: unknown): void => {
    if (!isTree(a) || !isTree(b) || Array.isArray(a) && a.length > Object.keys(b).length) {
      if (a !== b) found[path] = b;
      return;
    }
    const separator = path.includes(" ") ? "." : " ";
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      compare(`${path}${separator}${key}`, a[key], b[key]);
    }
  };
  for (const id of new Set([...before.keys(), ...after.keys()])) {
    compare(id, before.get(id), after.get(id));
  }
  return found;
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

testWith([helm], "each alert leads to the runbooks of whoever installs", async () => {
  const base = "https://wiki.example.com/egress/";
  const objects = await renderChart("monitoring.rules=true", `monitoring.runbookBase=${base}`);
  const rule = objects.find(({ kind }) => kind === "PrometheusRule");
  const { groups: [group] } = rule?.["spec"] as {
    readonly groups: readonly {
      readonly rules: readonly {
        readonly alert: string;
        readonly annotations: { readonly runbook_url: string };
      }[];
    }[];
  };
  assert.ok(group && group.rules.length >= 12);
  for (const { alert, annotations } of group.rules) {
    assert.equal(annotations.runbook_url, `https://wiki.example.com/egress/${alert}.md`);
  }
});

const OF_PARTS: readonly (readonly [value: string, ids: readonly string[]])[] = [
  ["run=cronjob", ["PodMonitor/sallyport-system/sallyport-agent"]],
  ["agent.enabled=false", ["PodMonitor/sallyport-system/sallyport-controller"]],
];

for (const [value, ids] of OF_PARTS) {
  testWith([helm], `with ${value} nothing is scraped that is not there`, async () => {
    const objects = await renderChart("monitoring.podMonitors=true", value);
    assert.deepEqual(objects.filter(({ kind }) => kind === "PodMonitor").map(idOf), ids);
  });
}

const WITHOUT_IMAGES: readonly (readonly [values: readonly string[], missing: string | null])[] = [
  [[], "controller"],
  [["run=cronjob"], "controller"],
  [["controller.image.repository=example.com/c"], "agent"],
  [["run=none", "agent.enabled=false"], null],
];

for (const [values, missing] of WITHOUT_IMAGES) {
  testWith(
    [helm],
    `helm with ${values.join(", ") || "no values"} ${
      missing === null ? "needs no image" : `says which image of the ${missing} to name`
    }`,
    async () => {
      const sets = values.flatMap((value) => ["--set", value]);
      const rendered = runHelm(["template", "sallyport", CHART, ...sets]);
      if (missing === null) await rendered;
      else {
        await assert.rejects(rendered, (error) =>
          error instanceof HelmError &&
          error.message.includes(
            `set ${missing}.image.repository to where you pushed the ${missing} image that you built`,
          ));
      }
    },
  );
}

testWith([helm], "an image without a tag is of the chart's version", async () => {
  const { appVersion } = parse(await Deno.readTextFile(`${CHART}/Chart.yaml`));
  const { image } = containerOf(await renderChart("controller.image.tag="));
  assert.equal(image, `registry.invalid/sallyport/controller:${appVersion}`);
});

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
}

Deno.test("the schema of values knows each value, and no other", async () => {
  const values: unknown = parse(await Deno.readTextFile(`${CHART}/values.yaml`));
  const { definitions, ...schema } = JSON.parse(
    await Deno.readTextFile(`${CHART}/values.schema.json`),
  ) as Schema & { readonly definitions: Readonly<Record<string, Schema>> };
  const compare = (value: unknown, given: Schema, path: string): readonly string[] => {
    const { properties, additionalProperties } =
      definitions[given.$ref?.replace("#/definitions/", "") ?? ""] ?? given;
    // What Kubernetes itself defines is checked there.
    if (properties === undefined || path.endsWith(".affinity")) return [];
    const of = isTree(value) ? value : {};
    const names = Object.keys(properties).filter((name) => path !== "" || name !== "global");
    return [
      ...(additionalProperties === false ? [] : [`${path}: any other value is taken`]),
      ...Object.keys(of).filter((name) => !names.includes(name)).map((name) =>
        `${path}.${name} is not in values.schema.json`
      ),
      ...names.filter((name) => !(name in of)).map((name) =>
        `${path}.${name} is not in values.yaml`
      ),
      ...names.flatMap((name) => compare(of[name], properties[name] ?? {}, `${path}.${name}`)),
    ];
  };
  assert.deepEqual(compare(values, schema, ""), []);
});

Deno.test("every value is in the table above or chooses an overlay", async () => {
  const values = parse(await Deno.readTextFile(`${CHART}/values.yaml`));
  const leaves = (value: unknown, path: string): readonly string[] =>
    isTree(value) && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, child]) =>
        leaves(child, path === "" ? key : `${path}.${key}`)
      )
      : [path];
  const set = [...SAME.flatMap(([values]) => values), ...ROWS.flatMap(({ values }) => values)]
    .concat(
      "cilium.namespace=",
      "monitoring.runbookBase=",
      "monitoring.dashboardLabels.grafana_dashboard=",
    );
  assert.deepEqual(
    leaves(values, "").filter((leaf) => !set.some((value) => /^[\w.]+/.exec(value)?.[0] === leaf)),
    [],
  );
});

const REFUSED: readonly (readonly [value: string, where: string])[] = [
  ["run=deployment", "/run"],
  ["replicas=0", "/replicas"],
  ["replica=3", "'replica'"],
  ["agent.image.tga=1.0", "'tga'"],
  ["controller.image.tag=1", "/controller/image/tag"],
  ["tick.every=5", "/tick/every"],
  ["server.every=never", "/server/every"],
  ["tick.pushgateway=http://push.monitoring", "/tick/pushgateway"],
  ["cilium.namespace=default", "/cilium/namespace"],
  ["cilium.namespace=sallyport-system", "/cilium/namespace"],
  ["apiServerPorts[0]=https", "/apiServerPorts/0"],
  ["tokenSecret=", "/tokenSecret"],
  ["controller.image.repository=Example.com/C:1", "/controller/image/repository"],
  ["controller.image.tag=a b", "/controller/image/tag"],
  ["agent.affinity.nodeAffinty.x=1", "/agent/affinity"],
  ["monitoring.runbookBase=wiki", "/monitoring/runbookBase"],
  ["notices.url=hooks", "/notices/url"],
  ["traces.otlpEndpoint=collector:4318", "/traces/otlpEndpoint"],
  ["monitoring.interval=15", "/monitoring/interval"],
  ["monitoring.rules=yes", "/monitoring/rules"],
  ["agent.image.pullPolicy=always", "/agent/image/pullPolicy"],
  ["controller.env[0].nam=A", "/controller/env/0"],
];

for (const [value, where] of REFUSED) {
  testWith([helm], `value ${value} is refused, and the message names it`, async () => {
    await assert.rejects(
      renderChart(value),
      (error) => error instanceof HelmError && error.message.includes(where),
    );
  });
}

testWith([helm], "helm lint finds nothing", async () => {
  const sets = IMAGES.flatMap((value) => ["--set", value]);
  const report = await runHelm(["lint", "--strict", CHART, ...sets]);
  assert.doesNotMatch(report, /\[(WARNING|ERROR)\]/);
});

/** A test of Helm against a real API server. */
function installTest(
  name: string,
  fn: (plane: ControlPlane, release: readonly string[]) => Promise<void>,
  options: ControlPlaneOptions,
): void {
  if (missing([helm]) !== null) return testWith([helm], name, () => {});
  controlPlaneTest(
    name,
    (plane) => fn(plane, ["sallyport", "--kubeconfig", plane.kubeconfigPath, "-n", NAMESPACE]),
    { crds: false, ...options },
  );
}

/** Those of the objects that are there, with what tells them from others of their name or from an earlier state. */
async function versions(
  { api }: ControlPlane,
  objects: readonly KubeObject[],
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const object of objects) {
    const { status, body } = await api.request({ path: await api.pathOf(object) });
    if (status !== 200) continue;
    const { metadata } = body as KubeObject;
    found.push(`${idOf(object)} ${metadata.uid} ${metadata.generation ?? "-"}`);
  }
  return found;
}

installTest(
  "helm installs the chart, changes how it runs, and takes all of it away but CRDs",
  async (plane, release) => {
    const images = IMAGES.flatMap((value) => ["--set", value]);
    await runHelm(["install", ...release, CHART, "--create-namespace", ...images]);
    const defaults = await renderChart();
    const first = await versions(plane, defaults);
    assert.equal(first.length, defaults.length);
    const namespace = await plane.api.get(`/api/v1/namespaces/${NAMESPACE}`);
    assert.equal(namespace.metadata.labels?.["pod-security.kubernetes.io/enforce"], "privileged");

    await runHelm(["upgrade", ...release, CHART, ...images]);
    assert.deepEqual(await versions(plane, defaults), first);

    await runHelm([
      "upgrade",
      ...release,
      CHART,
      ...images,
      "--set",
      "run=cronjob,agent.enabled=false",
    ]);
    const cronJob = await renderChart("run=cronjob", "agent.enabled=false");
    assert.equal((await versions(plane, cronJob)).length, cronJob.length);
    const kept = new Set(cronJob.map(idOf));
    const dropped = defaults.filter((object) => !kept.has(idOf(object)));
    assert.deepEqual(
      dropped.map(({ kind }) => kind).sort(),
      ["DaemonSet", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"],
    );
    await eventually(
      "what the server needed is gone",
      async () => (await versions(plane, dropped)).length === 0,
    );

    await runHelm(["uninstall", ...release]);
    const crds = cronJob.filter(({ kind }) => kind === "CustomResourceDefinition");
    await eventually(
      "all is gone but CRDs",
      async () => (await versions(plane, cronJob)).length === 2,
      { timeoutMilliseconds: 60_000 },
    );
    assert.equal((await versions(plane, crds)).length, 2);
  },
  { controllerManager: true },
);

installTest("helm takes over in place what kubectl installed", async (plane, release) => {
  const objects = await renderChart();
  await plane.api.apply(objects, { manager: "kubectl" });
  const uids = async () =>
    (await versions(plane, objects)).map((version) => version.replace(/ [^ ]*$/, ""));
  const before = await uids();
  const steps = [["install", "--take-ownership"], ["upgrade"]] as const;
  for (const [index, [command, ...flags]] of steps.entries()) {
    const tag = `controller.image.tag=0.1.${index}`;
    const sets = [...IMAGES, tag].flatMap((value) => ["--set", value]);
    await runHelm([command, ...release, CHART, ...flags, "--force-conflicts", ...sets]);
    assert.deepEqual(await uids(), before);
    const path = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/sallyport-controller`;
    const { image } = containerOf([await plane.api.get(path)]);
    assert.equal(image, `registry.invalid/sallyport/controller:0.1.${index}`);
  }
}, {});
