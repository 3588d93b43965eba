/**
 * Every setting of every program, once: the functions and the command line read the same ones, by variables and by flags,
 * with the same words for what is wrong. What has two homes drifts apart, and drift here cuts a network.
 */
import * as v from "valibot";
import { CILIUM_PODS } from "../cluster/cilium_pods.ts";
import type { CiliumPods } from "../cluster/cilium_pods.ts";
import { canonicalIP, isIP } from "../core/ip_family.ts";
import { messageOf } from "../core/message.ts";
import { ConfigError } from "../kube/errors.ts";
import { parseLabelSelector } from "../kube/label_selector.ts";
import { parseDuration, parseInterval, parsePeriod } from "./duration.ts";
import { defaulted, optional, readBy } from "./setting.ts";
import type { Setting } from "./setting.ts";

const text = v.string();

const port = v.pipe(
  v.string(),
  v.regex(/^\d{1,5}$/, "write a port from 0 to 65535"),
  v.transform(Number),
  v.maxValue(65_535, "write a port from 0 to 65535"),
);

const yesOrNo = v.pipe(
  v.picklist(["true", "false"], "write true or false"),
  v.transform((word) => word === "true"),
);

const count = v.pipe(
  v.string(),
  v.digits("write a whole number"),
  v.transform(Number),
  v.minValue(1, "write at least 1"),
);

const namespace = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "write the name of a namespace"),
);

const labelSelector = readBy((selector) => {
  if (selector.trim() === "") throw new RangeError("write a label selector, such as app=cilium");
  parseLabelSelector(selector);
  return selector;
});

const interval = readBy(parseInterval);

/** Where a server listens. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

function parseListenAddress(text: string): ListenAddress | undefined {
  if (text === "off") return undefined;
  const [, bracketed, bare, port] = /^(?:\[([\da-f:.]+)\]|([\da-f:.]+)):(\d{1,5})$/i.exec(text) ??
    [];
  // A manifest writes the node's address as it is, without brackets.
  const hostname = bracketed ?? bare ?? "";
  if (isIP(hostname) === 0 || Number(port) > 65_535) {
    throw new RangeError(
      "write an address of this node and a port, such as 192.0.2.7:9882, or off",
    );
  }
  return { hostname, port: Number(port) };
}

/** As the downward API writes `status.hostIPs`. */
function parseAddresses(text: string): readonly string[] {
  return text.split(",").map((part) => {
    const ip = canonicalIP(part.trim());
    if (ip === undefined) {
      throw new RangeError(
        "write addresses with commas between them, such as 192.0.2.7,2001:db8::7",
      );
    }
    return ip;
  });
}

/** The table. A name here is what code calls a setting; the rest is what people call it. */
export const SETTINGS = {
  kubeconfig: optional({
    variable: "SALLYPORT_KUBECONFIG",
    flag: "--kubeconfig <file>",
    description: "kubeconfig of the cluster; without it the cluster around us",
    schema: text,
  }),
  context: optional({
    variable: "SALLYPORT_CONTEXT",
    flag: "--context <name>",
    description: "context of the kubeconfig",
    schema: text,
  }),
  /** The edge has no files: cluster and token by value. */
  apiServer: optional({
    variable: "SALLYPORT_API_SERVER",
    flag: "--api-server <url>",
    description: "URL of the API server, where there are no files to read it from",
    schema: v.pipe(
      v.string(),
      v.regex(/^https?:\/\/[^/]/, "write a URL such as https://203.0.113.7:6443"),
      v.url("write a URL such as https://203.0.113.7:6443"),
    ),
  }),
  apiToken: optional({
    variable: "SALLYPORT_API_TOKEN",
    flag: "--api-token <token>",
    description: "bearer token for the API server",
    schema: text,
  }),
  apiCA: optional({
    variable: "SALLYPORT_API_CA",
    flag: "--api-ca <pem>",
    description: "certificate authority of the API server, where it is a private one",
    schema: v.pipe(
      v.string(),
      v.includes("-----BEGIN CERTIFICATE-----", "write a certificate in PEM form"),
    ),
  }),
  token: optional({
    variable: "SALLYPORT_TOKEN",
    flag: "--token <token>",
    description: "bearer token of triggers, where there are no files",
    schema: text,
  }),
  ciliumNamespace: defaulted({
    variable: "SALLYPORT_CILIUM_NAMESPACE",
    flag: "--cilium-namespace <name>",
    description: "namespace of Cilium's agents",
    fallback: CILIUM_PODS.namespace,
    schema: namespace,
  }),
  ciliumSelector: defaulted({
    variable: "SALLYPORT_CILIUM_SELECTOR",
    flag: "--cilium-selector <selector>",
    description: "label selector of Cilium's agents",
    fallback: CILIUM_PODS.labelSelector,
    schema: labelSelector,
  }),
  logFormat: defaulted({
    variable: "SALLYPORT_LOG_FORMAT",
    flag: "--log-format <format>",
    description: "json or text",
    fallback: "json",
    schema: v.picklist(["json", "text"], "write json or text"),
  }),
  logLevel: defaulted({
    variable: "SALLYPORT_LOG_LEVEL",
    flag: "--log-level <level>",
    description: "debug, info, warning or error",
    fallback: "info",
    schema: v.picklist(
      ["debug", "info", "warning", "error"],
      "write debug, info, warning or error",
    ),
  }),
  tickFor: defaulted({
    variable: "SALLYPORT_TICK_FOR",
    flag: "--for <duration>",
    description: "go on for this long, such as 55s",
    fallback: "0s",
    schema: readBy(parseDuration),
  }),
  tickEvery: defaulted({
    variable: "SALLYPORT_TICK_EVERY",
    flag: "--every <duration>",
    description: "with --for: from one tick to the next",
    fallback: "5s",
    schema: readBy(parsePeriod),
  }),
  dryRun: defaulted({
    variable: "SALLYPORT_DRY_RUN",
    flag: "--dry-run",
    description: "stop before anything is written",
    fallback: "false",
    schema: yesOrNo,
  }),
  pushgateway: optional({
    variable: "SALLYPORT_PUSHGATEWAY",
    flag: "--pushgateway <url>",
    description: "Prometheus Pushgateway that gets the metrics of these ticks",
    schema: v.pipe(v.string(), v.url("write a URL such as http://pushgateway:9091")),
  }),
  noticeURL: optional({
    variable: "SALLYPORT_NOTICE_URL",
    flag: "--notice-url <url>",
    description: "where a CloudEvent of each move is posted to",
    schema: v.pipe(
      v.string(),
      v.regex(/^https?:\/\/[^/@]+(\/|$)/, "write a URL such as https://hooks.example.com/moves"),
      v.url("write a URL such as https://hooks.example.com/moves"),
    ),
  }),
  hostname: defaulted({
    variable: "SALLYPORT_HOSTNAME",
    flag: "--hostname <address>",
    description: "where to listen",
    fallback: "127.0.0.1",
    schema: text,
  }),
  port: defaulted({
    variable: "SALLYPORT_PORT",
    flag: "--port <number>",
    description: "where to listen",
    fallback: "8080",
    schema: port,
  }),
  tokenFile: optional({
    variable: "SALLYPORT_TOKEN_FILE",
    flag: "--token-file <file>",
    description: "bearer token of POST /tick; needed on a public address",
    schema: text,
  }),
  serveEvery: defaulted({
    variable: "SALLYPORT_EVERY",
    flag: "--every <duration>",
    description: "from one tick to the next; off: on POST /tick alone",
    fallback: "1s",
    schema: interval,
  }),
  eventsPort: defaulted({
    /** What a Knative service must listen on (its runtime contract). */
    variable: "PORT",
    flag: "--port <number>",
    description: "where to listen",
    fallback: "8080",
    schema: port,
  }),
  nodeName: optional({
    variable: "SALLYPORT_NODE_NAME",
    flag: "--node <name>",
    description: "the node's name in the cluster",
    schema: text,
  }),
  nodeAddresses: optional({
    variable: "SALLYPORT_NODE_ADDRESSES",
    flag: "--node-addresses <list>",
    description: "the node's addresses in the cluster, with commas between them",
    schema: readBy(parseAddresses),
  }),
  agentPort: defaulted({
    variable: "SALLYPORT_AGENT_PORT",
    flag: "--port <number>",
    description: "loopback port of its health endpoint",
    fallback: "9881",
    schema: port,
  }),
  agentMetrics: defaulted({
    variable: "SALLYPORT_AGENT_METRICS",
    flag: "--metrics <address>",
    description:
      "address and port where it may be scraped, such as 192.0.2.7:9882; off: loopback only",
    fallback: "off",
    schema: readBy(parseListenAddress),
  }),
  stateDirectory: defaulted({
    variable: "SALLYPORT_STATE_DIRECTORY",
    flag: "--state-directory <folder>",
    description: "where it remembers what it bound; a folder that a reboot empties",
    fallback: "/run/sallyport",
    schema: text,
  }),
  announcements: defaulted({
    variable: "SALLYPORT_ANNOUNCEMENTS",
    flag: "--announcements <count>",
    description: "gratuitous ARP announcements after a takeover",
    fallback: "5",
    schema: count,
  }),
  announceEvery: defaulted({
    variable: "SALLYPORT_ANNOUNCE_EVERY",
    flag: "--announce-every <duration>",
    description: "from one of these to the next",
    fallback: "1s",
    schema: interval,
  }),
  reannounceEvery: defaulted({
    variable: "SALLYPORT_REANNOUNCE_EVERY",
    flag: "--reannounce-every <duration>",
    description: "how often it announces for good then; off: no more",
    fallback: "30s",
    schema: interval,
  }),
  /** What an agent saw longer ago than 20 s counts no more. */
  probeEvery: defaulted({
    variable: "SALLYPORT_PROBE_EVERY",
    flag: "--probe-every <duration>",
    description: "how often it looks for other owners of its virtual IPs; at most 10s",
    fallback: "10s",
    schema: v.pipe(interval, v.maxValue(10_000, "write at most 10s")),
  }),
  ciliumHealthz: defaulted({
    variable: "SALLYPORT_CILIUM_HEALTHZ",
    flag: "--cilium-healthz <url>",
    description: "Cilium's health endpoint; off: do not ask",
    fallback: "http://127.0.0.1:9879/healthz",
    schema: v.pipe(v.string(), v.regex(/^(off$|http:\/\/.)/, "write a URL with http://, or off")),
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;

/** The settings' values. */
export type Settings = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;
};

/** Where texts come from; what is said first counts. */
export interface Given {
  /** Flag such as `--port` -> its text. */
  readonly flags?: Readonly<Record<string, string | undefined>> | undefined;
  /** The environment; only variables of the table are looked at, and an empty one says nothing. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What an entry has for its own defaults. */
  readonly fallbacks?: Readonly<Partial<Record<SettingName, string>>>;
}

/**
 * Reads the settings that a program has.
 *
 * @throws ConfigError that names each flag or variable that is wrong, and what to write
 */
export function readSettings<Name extends SettingName>(
  names: readonly Name[],
  { flags = {}, variables, fallbacks = {} }: Given,
): Pick<Settings, Name> {
  const wrong: string[] = [];
  const read = names.map((name) => {
    const setting: Setting<unknown> = SETTINGS[name];
    const flag = flagName(setting);
    const ofFlag = flags[flag];
    const said = ofFlag ?? (variables[setting.variable] || undefined);
    try {
      return [name, setting.read(said ?? fallbacks[name])];
    } catch (error) {
      const text = `'${said ?? fallbacks[name]}'`;
      const source = ofFlag === undefined ? setting.variable : flag;
      const message = messageOf(error);
      wrong.push(`Cannot use ${source}${message.includes(text) ? "" : ` ${text}`}: ${message}`);
      return [name, undefined];
    }
  });
  if (wrong.length > 0) throw new ConfigError(wrong.join("; "));
  return Object.fromEntries(read) as Pick<Settings, Name>;
}

/** `--port` of `--port <number>`. */
export function flagName({ flag }: Pick<Setting<unknown>, "flag">): string {
  return flag.split(" ")[0] ?? flag;
}

/** Whether a flag stands alone, as `--dry-run`. */
export function isSwitch({ flag }: Pick<Setting<unknown>, "flag">): boolean {
  return !flag.includes(" ");
}

/** Which cluster. */
export const CLUSTER_SETTINGS = ["kubeconfig", "context"] as const;
/** Where Cilium's agents run. */
export const CILIUM_SETTINGS = ["ciliumNamespace", "ciliumSelector"] as const;
export const LOG_SETTINGS = ["logFormat", "logLevel"] as const;

/** Where Cilium's agents run. */
export function ciliumPods(
  { ciliumNamespace, ciliumSelector }: Pick<Settings, typeof CILIUM_SETTINGS[number]>,
): CiliumPods {
  return { namespace: ciliumNamespace, labelSelector: ciliumSelector };
}
