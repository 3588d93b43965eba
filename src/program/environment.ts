/** The settings of the functions, from environment variables. The command line has options for most of them. */
import * as v from "valibot";
import { DEFAULT_PACE } from "../agent/core/pace.ts";
import type { Pace } from "../agent/core/pace.ts";
import { parseInterval } from "./duration.ts";
import { ConfigError } from "../kube/errors.ts";
import { describeIssues } from "../cluster/decoders/issues.ts";
import { messageOf } from "../core/message.ts";

const port = v.pipe(
  v.string(),
  v.transform(Number),
  v.integer("write a port from 0 to 65535"),
  v.minValue(0, "write a port from 0 to 65535"),
  v.maxValue(65_535, "write a port from 0 to 65535"),
);

const flag = v.pipe(v.picklist(["true", "false"]), v.transform((text) => text === "true"));

const interval = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return parseInterval(dataset.value);
    } catch (error) {
      addIssue({ message: messageOf(error) });
      return NEVER;
    }
  }),
);

const count = v.pipe(
  v.string(),
  v.digits("write a whole number"),
  v.transform(Number),
  v.minValue(1, "write at least 1"),
);

const schema = v.object({
  SALLYPORT_KUBECONFIG: v.optional(v.string()),
  SALLYPORT_CONTEXT: v.optional(v.string()),
  SALLYPORT_HOSTNAME: v.optional(v.string(), "127.0.0.1"),
  SALLYPORT_PORT: v.optional(port, "8080"),
  SALLYPORT_TOKEN_FILE: v.optional(v.string()),
  /** How often the server ticks by itself; `off`: only when it is told to, and until what that began is done. */
  SALLYPORT_EVERY: v.optional(interval, "1s"),
  SALLYPORT_LOG_FORMAT: v.optional(v.picklist(["json", "text"]), "json"),
  SALLYPORT_LOG_LEVEL: v.optional(v.picklist(["debug", "info", "warning", "error"]), "info"),
  SALLYPORT_CILIUM_NAMESPACE: v.optional(v.string(), "kube-system"),
  SALLYPORT_CILIUM_SELECTOR: v.optional(v.string(), "k8s-app=cilium"),
  SALLYPORT_DRY_RUN: v.optional(flag, "false"),
  /** URL of a Prometheus Pushgateway that gets the metrics of ticks that run as a job. */
  SALLYPORT_PUSHGATEWAY: v.optional(
    v.pipe(v.string(), v.url("write a URL such as http://pushgateway:9091")),
  ),
  /** The agent's node; from the downward API. */
  SALLYPORT_NODE_NAME: v.optional(v.string()),
  /** Where the agent answers the kubelet's probes; on the loopback address, since it runs in the node's network. */
  SALLYPORT_AGENT_PORT: v.optional(port, "9881"),
  /** Where the agent remembers what it bound: a folder that a reboot empties. */
  SALLYPORT_STATE_DIRECTORY: v.optional(v.string(), "/run/sallyport"),
  /** Gratuitous ARP of the agent: how many announcements after a takeover, how far apart, and how often for good then. */
  SALLYPORT_ANNOUNCEMENTS: v.optional(count, "5"),
  SALLYPORT_ANNOUNCE_EVERY: v.optional(interval, "1s"),
  SALLYPORT_REANNOUNCE_EVERY: v.optional(interval, "30s"),
  /** How often the agent looks for other owners of its virtual IPs; what it saw longer ago than 20 s counts no more. */
  SALLYPORT_PROBE_EVERY: v.optional(
    v.pipe(interval, v.maxValue(10_000, "write at most 10s")),
    "10s",
  ),
  /** Cilium's health endpoint as the agent sees it; `off`: do not ask. */
  SALLYPORT_CILIUM_HEALTHZ: v.optional(
    v.pipe(v.string(), v.regex(/^(off$|http:\/\/.)/, "write a URL with http://, or off")),
    "http://127.0.0.1:9879/healthz",
  ),
});

export type Environment = v.InferOutput<typeof schema>;

/** @throws ConfigError that names the variable and what to write */
export function readEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
): Environment {
  const given = Object.fromEntries(
    Object.entries(variables).filter(([name, value]) =>
      name.startsWith("SALLYPORT_") && value !== ""
    ),
  );
  const result = v.safeParse(schema, given);
  if (!result.success) {
    throw new ConfigError(`Cannot use the environment: ${describeIssues(result.issues)}`);
  }
  return result.output;
}

/** How the agent paces itself on the wire. */
export function agentPace(environment: Environment): Pace {
  return {
    ...DEFAULT_PACE,
    announcements: environment.SALLYPORT_ANNOUNCEMENTS,
    announceMilliseconds: environment.SALLYPORT_ANNOUNCE_EVERY,
    refreshMilliseconds: environment.SALLYPORT_REANNOUNCE_EVERY,
    probeMilliseconds: environment.SALLYPORT_PROBE_EVERY,
  };
}

/**
 * The port that a Knative service must listen on: `PORT`.
 *
 * @throws ConfigError when it is no port
 */
export function readKnativePort({ PORT }: Readonly<Record<string, string | undefined>>): number {
  const result = v.safeParse(port, PORT || "8080");
  if (!result.success) {
    throw new ConfigError(`Cannot use PORT '${PORT}': ${describeIssues(result.issues)}`);
  }
  return result.output;
}

/** Options that are only there when a value is. */
export function clusterOptions(
  { SALLYPORT_KUBECONFIG, SALLYPORT_CONTEXT }: Environment,
): { readonly kubeconfig?: string; readonly context?: string } {
  return {
    ...(SALLYPORT_KUBECONFIG === undefined ? {} : { kubeconfig: SALLYPORT_KUBECONFIG }),
    ...(SALLYPORT_CONTEXT === undefined ? {} : { context: SALLYPORT_CONTEXT }),
  };
}

/** Where Cilium's agents run. */
export function ciliumPods(
  environment: Environment,
): { readonly namespace: string; readonly labelSelector: string } {
  return {
    namespace: environment.SALLYPORT_CILIUM_NAMESPACE,
    labelSelector: environment.SALLYPORT_CILIUM_SELECTOR,
  };
}
