/**
 * What a program may do on its machine. What is known beforehand is a permission set of deno.json (names of variables,
 * programs, kinds of system information); addresses and files are in the settings, and come to it as flags of Deno.
 */
import { isIPv6 } from "node:net";
import { dirname, resolve } from "node:path";
import { HARDWARE_CLOCK } from "../agent/linux/clocks.ts";
import { RESOLV_CONF } from "../agent/linux/needed.ts";
import { SERVICE_ACCOUNT_DIRECTORY } from "../kube/auth/in_cluster.ts";
import type { Cluster } from "../kube/connection.ts";
import { TRACE_VARIABLES } from "./trace_variables.ts";
import { LOG_SETTINGS, SETTINGS } from "./settings.ts";
import type { ListenAddress, SettingName, Settings } from "./settings.ts";

/** How a cluster is found, beside the settings; see `loadCluster`. */
const CLUSTER_VARIABLES = ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];

const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "socks5:": 1080 };

/** Variables that a program with these settings looks at, sorted. */
export function variablesOf(settings: readonly SettingName[]): readonly string[] {
  const own = [...settings, ...LOG_SETTINGS].map((name) => SETTINGS[name].variable);
  return [...own, ...CLUSTER_VARIABLES, ...TRACE_VARIABLES].sort();
}

/** What an agent looks at of its node: whom it needs to be reached, and whether its machine was paused. */
const NODE_FILES = [RESOLV_CONF, HARDWARE_CLOCK];

export interface Reach {
  readonly cluster: Pick<Cluster, "server" | "proxyUrl">;
  /** Files that name the cluster; undefined: those of the service account. */
  readonly clusterFiles: readonly string[] | undefined;
  /** URL of the OpenTelemetry collector; undefined: none. */
  readonly collector?: string | undefined;
  /** Files by which it is known, and we to it. */
  readonly collectorFiles?: readonly string[];
}

/** Flags for what the settings name; each takes the place of its kind in the permission set. */
export function permissionFlags(settings: Partial<Settings>, reach: Reach): readonly string[] {
  const { clusterFiles = [SERVICE_ACCOUNT_DIRECTORY], collectorFiles = [] } = reach;
  const { tokenFile, stateDirectory, nodeName } = settings;
  const ofNode = nodeName === undefined ? [] : NODE_FILES;
  const read = [...clusterFiles, ...collectorFiles, tokenFile, stateDirectory, ...ofNode].flatMap(
    absolute,
  );
  // The folder of the state is made where it is missing.
  const write = [stateDirectory].flatMap(absolute);
  return [
    // Gateways name what an agent's node must reach, and may name another host tomorrow.
    nodeName === undefined ? `--allow-net=${addresses(settings, reach).join(",")}` : "--allow-net",
    `--allow-read=${read.join(",")}`,
    ...(write.length === 0 ? [] : [`--allow-write=${write.join(",")}`]),
  ];
}

function absolute(path: string | undefined): readonly string[] {
  return path === undefined ? [] : [resolve(path)];
}

/** The API server or the way to it, whatever else is asked or told, and where the program listens. */
function addresses(settings: Partial<Settings>, { cluster, collector }: Reach): readonly string[] {
  const {
    hostname,
    port,
    eventsPort,
    agentPort,
    agentMetrics,
    pushgateway,
    noticeURL,
    ciliumHealthz,
  } = settings;
  const urls = [
    cluster.proxyUrl ?? cluster.server,
    pushgateway,
    noticeURL,
    // What is no URL is not sent to either.
    collector !== undefined && URL.canParse(collector) ? collector : undefined,
    ciliumHealthz === "off" ? undefined : ciliumHealthz,
  ];
  const listening = port ?? eventsPort;
  return [
    ...urls.flatMap((url) => url === undefined ? [] : [addressOf(new URL(url))]),
    ...(hostname === undefined || listening === undefined
      ? []
      : [listenAt({ hostname, port: listening })]),
    ...(agentMetrics === undefined ? [] : [listenAt(agentMetrics)]),
    ...(agentPort === undefined ? [] : [`127.0.0.1:${agentPort}`]),
  ];
}

function listenAt({ hostname, port }: ListenAddress): string {
  return `${isIPv6(hostname) ? `[${hostname}]` : hostname}:${port}`;
}

function addressOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port === "" ? PORTS[protocol] : port}`;
}

/**
 * A kubeconfig and the files that it refers to, for certificates and tokens.
 *
 * @param kubeconfig its content, parsed
 */
export function filesOfKubeconfig(path: string, kubeconfig: unknown): readonly string[] {
  const referred = new Set<string>();
  const keys = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner === "string" && keys.includes(key)) {
        referred.add(resolve(dirname(path), inner));
      } else walk(inner);
    }
  };
  walk(kubeconfig);
  return [path, ...referred];
}
