/** Which entries of which objects come from the chart's values. `k8s/chart/values.yaml` says what each value means. */
import type { KubeObject } from "./kube_object.ts";
import { type Edit, idOf, optional, text, value, yaml } from "./chart_template.ts";

const SYSTEM = "sallyport-system";
const DEPLOYMENT = `Deployment/${SYSTEM}/sallyport-controller`;
const CRON_JOB = `CronJob/${SYSTEM}/sallyport-tick`;
const DAEMON_SET = `DaemonSet/${SYSTEM}/sallyport-agent`;
/** The controller's Role where Cilium's pods are, and its binding. */
const CILIUM = ["Role", "RoleBinding"].map((kind) => `${kind}/kube-system/sallyport-controller`);
const NETWORK_POLICIES = ["controller", "tick"].map((name) =>
  `NetworkPolicy/${SYSTEM}/sallyport-${name}`
);

const IN_POD = "spec.template.spec";
const IN_JOB_POD = `spec.jobTemplate.${IN_POD}`;

const MONITORS = ["controller", "agent"].map((name) => `PodMonitor/${SYSTEM}/sallyport-${name}`);
const RULES = `PrometheusRule/${SYSTEM}/sallyport`;
const MONITORING = [...MONITORS, RULES];
const DASHBOARD = `ConfigMap/${SYSTEM}/sallyport-dashboard`;

/** Further elements of a list, as the dot has them. */
const included: Edit["lines"] = ({ column }) => [
  `${" ".repeat(column)}{{- . | nindent ${column} }}`,
];

/** Further elements of a list, or entries of a map, from the dot. */
const more: Edit["lines"] = ({ column }) => [
  `${" ".repeat(column)}{{- toYaml . | nindent ${column} }}`,
];

const EDITS: readonly Edit[] = [
  ...pod({ object: DEPLOYMENT, pod: IN_POD, container: "controller", values: "controller" }),
  ...pod({ object: CRON_JOB, pod: IN_JOB_POD, container: "tick", values: "controller" }),
  ...pod({ object: DAEMON_SET, pod: IN_POD, container: "agent", values: "agent" }),
  { object: DEPLOYMENT, path: "spec.replicas", lines: value(".Values.replicas") },
  {
    object: DEPLOYMENT,
    path: `${IN_POD}.volumes.token.secret.secretName`,
    lines: text(".Values.tokenSecret"),
  },
  {
    object: DEPLOYMENT,
    path: `${IN_POD}.containers.controller.env.SALLYPORT_EVERY.value`,
    lines: text(".Values.server.every"),
  },
  ...[
    { object: DEPLOYMENT, container: "controller", values: "controller", strategy: "strategy" },
    { object: DAEMON_SET, container: "agent", values: "agent", strategy: "updateStrategy" },
  ].flatMap(({ object, container, values, strategy }): readonly Edit[] => [
    { object, path: `spec.${strategy}`, lines: yaml(`.Values.${values}.updateStrategy`) },
    {
      object,
      path: "spec.template.metadata.annotations.-",
      how: "add",
      lines: optional(`.Values.${values}.podAnnotations`, more),
    },
    {
      object,
      path: `${IN_POD}.containers.${container}.env.-`,
      how: "add",
      lines: optional(`.Values.${values}.env`, more),
    },
  ]),
  ...[[DEPLOYMENT, IN_POD], [CRON_JOB, IN_JOB_POD]].flatMap((
    [object = "", pod],
  ): readonly Edit[] => [
    {
      object,
      path: `${pod}.nodeSelector`,
      how: "add",
      lines: optional(".Values.controller.nodeSelector", yaml(".")),
    },
    {
      object,
      path: `${pod}.affinity.nodeAffinity`,
      lines: yaml(".Values.controller.affinity.nodeAffinity"),
    },
  ]),
  {
    object: DEPLOYMENT,
    path: `${IN_POD}.affinity.podAntiAffinity`,
    lines: yaml(".Values.controller.affinity.podAntiAffinity"),
  },
  {
    object: CRON_JOB,
    path: "spec.jobTemplate.spec.template.metadata.annotations",
    how: "add",
    lines: optional(".Values.controller.podAnnotations", yaml(".")),
  },
  {
    object: DAEMON_SET,
    path: `${IN_POD}.nodeSelector.-`,
    how: "add",
    lines: optional(".Values.agent.nodeSelector", more),
  },
  {
    object: DAEMON_SET,
    path: `${IN_POD}.affinity`,
    how: "add",
    lines: optional(".Values.agent.affinity", yaml(".")),
  },
  {
    object: DAEMON_SET,
    path: `${IN_POD}.containers.agent.ports`,
    how: "add",
    lines: scraped(({ prefix, column }) => [
      prefix.trimEnd(),
      ...[
        "- name: metrics",
        "  containerPort: 9882",
        "  hostPort: 9882",
        "  protocol: TCP",
      ].map((line) => " ".repeat(column + 2) + line),
    ]),
  },
  {
    object: DAEMON_SET,
    path: `${IN_POD}.containers.agent.env.-`,
    how: "add",
    lines: scraped(({ column }) =>
      [
        "- name: NODE_IP",
        "  valueFrom:",
        "    fieldRef:",
        "      fieldPath: status.hostIP",
        "- name: SALLYPORT_AGENT_METRICS",
        "  value: $(NODE_IP):9882",
      ].map((line) => " ".repeat(column) + line)
    ),
  },
  ...MONITORING.flatMap((object): readonly Edit[] => [{
    object,
    path: "metadata.labels.-",
    how: "add",
    lines: optional(".Values.monitoring.labels", more),
  }]),
  ...MONITORS.flatMap((object): readonly Edit[] => [{
    object,
    path: "spec.podMetricsEndpoints.0.interval",
    lines: text(".Values.monitoring.interval"),
  }]),
  {
    object: DASHBOARD,
    path: "metadata.labels.grafana_dashboard",
    lines: optional(".Values.monitoring.dashboardLabels", more),
  },
  { object: CRON_JOB, path: "spec.schedule", lines: text(".Values.tick.schedule") },
  // [tick.js, --for, 55s, --every, 5s]
  {
    object: CRON_JOB,
    path: `${IN_JOB_POD}.containers.tick.args.4`,
    lines: text(".Values.tick.every"),
  },
  ...CILIUM.map((object): Edit => ({
    object,
    path: "metadata.namespace",
    lines: text(".Values.cilium.namespace"),
  })),
  // The CronJob has no variables otherwise.
  {
    object: DEPLOYMENT,
    path: `${IN_POD}.containers.controller.env.-`,
    how: "add",
    lines: optional('include "sallyport.controllerEnvironment" $', included),
  },
  {
    object: CRON_JOB,
    path: `${IN_JOB_POD}.containers.tick.env`,
    how: "add",
    lines: optional('include "sallyport.tickEnvironment" $', ({ prefix, column }) => [
      `${prefix}{{- . | nindent ${column + 2} }}`,
    ]),
  },
  {
    object: DAEMON_SET,
    path: `${IN_POD}.containers.agent.env.-`,
    how: "add",
    lines: optional('include "sallyport.traceEnvironment" $', included),
  },
  ...[
    ["controller", ""],
    ["tick", " $.Values.tick.pushgateway"],
  ].map(([name, more]): Edit => ({
    object: `NetworkPolicy/${SYSTEM}/sallyport-${name}`,
    path: "spec.egress.-",
    how: "add",
    lines: optional(
      `include "sallyport.egress" (list $.Values.notices.url $.Values.traces.otlpEndpoint${more})`,
      included,
    ),
  })),
  ...NETWORK_POLICIES.map((object): Edit => ({
    object,
    path: "spec.egress.0.ports",
    lines: ({ prefix, column }) => {
      const margin = " ".repeat(column + 2);
      return [
        prefix.trimEnd(),
        `${margin}{{- range .Values.apiServerPorts }}`,
        `${margin}- port: {{ . }}`,
        `${margin}  protocol: TCP`,
        `${margin}{{- end }}`,
      ];
    },
  })),
];

/** All edits of these objects. */
export function editsOf(objects: readonly KubeObject[]): readonly Edit[] {
  return [...EDITS, ...objects.flatMap(runbookEdits)];
}

/** Where an alert's page is, is known to who installs the chart. */
function runbookEdits(object: KubeObject): readonly Edit[] {
  if (object.kind !== "PrometheusRule") return [];
  const { groups } = object["spec"] as {
    readonly groups: readonly {
      readonly name: string;
      readonly rules: readonly { readonly alert: string }[];
    }[];
  };
  return groups.flatMap(({ name, rules }) =>
    rules.map(({ alert }, index): Edit => ({
      object: idOf(object),
      path: `spec.groups.${name}.rules.${index}.annotations.runbook_url`,
      lines: text(`printf "%s/${alert}.md" (trimSuffix "/" $.Values.monitoring.runbookBase)`),
    }))
  );
}

/** An entry of agents that Prometheus scrapes; they listen on the loopback address alone otherwise. */
function scraped(then: Edit["lines"]): Edit["lines"] {
  return (place) => {
    const margin = " ".repeat(place.column);
    return [
      `${margin}{{- if .Values.monitoring.podMonitors }}`,
      ...then(place),
      `${margin}{{- end }}`,
    ];
  };
}

/** Whole objects that are there only where an expression is true. */
export const CONDITIONS: Readonly<Record<string, string>> = {
  [`PodMonitor/${SYSTEM}/sallyport-controller`]:
    'and .Values.monitoring.podMonitors (eq .Values.run "server")',
  [`PodMonitor/${SYSTEM}/sallyport-agent`]:
    "and .Values.monitoring.podMonitors .Values.agent.enabled",
  [RULES]: ".Values.monitoring.rules",
  [DASHBOARD]: ".Values.monitoring.dashboard",
  // With one replica it would forbid every drain of its node.
  [`PodDisruptionBudget/${SYSTEM}/sallyport-controller`]: "gt (int .Values.replicas) 1",
};

/** What every kind of pod takes from values. */
function pod({ object, pod, container, values }: {
  readonly object: string;
  readonly pod: string;
  readonly container: string;
  readonly values: "controller" | "agent";
}): readonly Edit[] {
  const at = `${pod}.containers.${container}`;
  const from = `.Values.${values}`;
  return [
    {
      object,
      path: `${at}.image`,
      lines: text(`include "sallyport.image" (list $ "${values}")`),
    },
    { object, path: `${at}.resources`, lines: yaml(`${from}.resources`) },
    {
      object,
      path: `${pod}.priorityClassName`,
      lines: optional(`${from}.priorityClass`, text(".")),
    },
    {
      object,
      path: `${at}.imagePullPolicy`,
      how: "add",
      lines: optional(`${from}.image.pullPolicy`, text(".")),
    },
    {
      object,
      path: `${pod}.tolerations.-`,
      how: "add",
      lines: optional(`${from}.tolerations`, more),
    },
    {
      object,
      path: `${pod}.imagePullSecrets`,
      how: "add",
      lines: optional(".Values.imagePullSecrets", yaml(".")),
    },
  ];
}
