/** `k8s/components/monitoring`: what Prometheus is told to scrape is what controllers and agents answer. */
import assert from "node:assert/strict";
import { kustomize, render } from "../../src/build/kustomize.ts";
import { agentProgram } from "../../src/program/serve_agent.ts";
import { readSettings } from "../../src/program/settings.ts";
import { testWith } from "../support/needs.ts";

interface Monitor {
  readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly podMetricsEndpoints: readonly { readonly port: string }[];
}

/** What the downward API tells. */
const POD = {
  "spec.nodeName": "node-a",
  "status.hostIP": "192.0.2.7",
  "status.hostIPs": "192.0.2.7,2001:db8::7",
} as const;

interface Workload {
  readonly template: {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: {
      readonly containers: readonly {
        readonly env: readonly {
          readonly name: string;
          readonly value?: string;
          readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: keyof typeof POD } };
        }[];
        readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
      }[];
    };
  };
}

testWith(
  [kustomize],
  "each PodMonitor selects one kind of pod, and a port that it listens on",
  async () => {
    const objects = await render("overlays/monitoring");
    const monitors = objects.filter(({ kind }) => kind === "PodMonitor");
    assert.equal(monitors.length, 2);
    for (const { metadata: { name }, spec } of monitors) {
      const { selector: { matchLabels }, podMetricsEndpoints: [endpoint] } = spec as Monitor;
      const selected = objects.filter(({ kind }) => kind === "Deployment" || kind === "DaemonSet")
        .map((object) => object["spec"] as Workload)
        .filter(({ template: { metadata: { labels } } }) =>
          Object.entries(matchLabels).every(([key, value]) => labels[key] === value)
        );
      assert.equal(selected.length, 1, name);
      const [container] = selected[0]?.template.spec.containers ?? [];
      const port = container?.ports.find((each) => each.name === endpoint?.port)?.containerPort;
      const variables = Object.fromEntries(
        (container?.env ?? []).map(({ name, value, valueFrom }) => [
          name,
          valueFrom === undefined
            ? (value ?? "").replace("$(NODE_IP)", "192.0.2.7")
            : POD[valueFrom.fieldRef.fieldPath],
        ]),
      );
      if (name === "sallyport-agent") {
        const { agentMetrics } = readSettings(agentProgram.settings, { variables });
        assert.deepEqual(agentMetrics, { hostname: "192.0.2.7", port });
      } else assert.equal(String(port), variables["SALLYPORT_PORT"]);
    }
  },
);
