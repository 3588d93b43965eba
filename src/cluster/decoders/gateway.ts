import * as v from "valibot";
import { familyOf } from "../../core/ip_family.ts";
import { TIMINGS } from "../../core/timings.ts";
import type {
  AllowedNamespaces,
  Gateway,
  GatewaySpec,
  GatewayStatus,
  Uplink,
} from "../../core/types.ts";
import { parseUplinkTarget } from "../../core/uplink_target.ts";
import {
  address,
  compact,
  condition,
  ip,
  itemsOf,
  labels,
  labelSelector,
  metadata,
  part,
  statusWrite,
} from "./common.ts";

/** What a spec means that does not say. */
const DEFAULTS = {
  standby: "Bound",
  standbys: 2,
  strategy: "Alphabetical",
  minReadySeconds: 10,
  timeoutSeconds: TIMINGS.timeoutMilliseconds / 1_000,
  intervalMilliseconds: 1_000,
  failures: 3,
} as const;

/** The addresses that are written; one that is given twice is one. */
function addressesOf(
  { ip, ips }: {
    readonly ip?: string | null | undefined;
    readonly ips?: readonly string[] | null | undefined;
  },
): readonly string[] {
  return ips != null && ips.length > 0 ? ips : ip == null ? [] : [ip];
}

const primaryIP = v.object({
  mode: v.literal("PrimaryIPFromEgressGatewayNodeInterface"),
  primaryIPFromEgressGatewayNodeInterface: v.object({
    interfaceName: v.pipe(v.string(), v.minLength(1)),
  }),
});

const virtualIP = v.object({
  mode: v.literal("VirtualIPAddress"),
  virtualIPAddress: v.pipe(
    v.object({
      ip: v.nullish(ip),
      ips: v.nullish(v.pipe(v.array(ip), v.maxLength(2))),
      interfaces: v.nullish(v.array(v.string())),
      standby: v.nullish(v.picklist(["Bound", "Unbound"])),
      standbys: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0))),
    }),
    v.check(
      (source) => addressesOf(source).length > 0,
      "write ip, such as 172.18.18.242 or 2001:db8::242, or ips with one address of each family",
    ),
    v.check(
      (source) => new Set(addressesOf(source).map(familyOf)).size === addressesOf(source).length,
      "write at most one IPv4 and one IPv6 address in ips",
    ),
    v.check(
      (source) => source.ip == null || source.ip === addressesOf(source)[0],
      "write the same address as ip and as the first of ips, or leave ip out",
    ),
  ),
});

const allowedNamespaces = v.pipe(
  v.object({ names: v.nullish(v.array(v.string())), selector: v.nullish(labelSelector) }),
  v.check(
    ({ names, selector }) => (names ?? []).length > 0 || selector != null,
    "write names or a selector, or leave allowedNamespaces out to allow all namespaces",
  ),
  v.transform(({ names, selector }): AllowedNamespaces => ({
    names: names ?? [],
    ...(selector == null ? {} : { selector }),
  })),
);

const uplink = v.pipe(
  v.object({
    targets: v.pipe(
      v.array(v.pipe(
        v.string(),
        v.check(
          (text) => parseUplinkTarget(text) !== undefined,
          "write icmp:ADDRESS, tcp:ADDRESS:PORT or arp:ADDRESS",
        ),
      )),
      v.minLength(1, "write at least one target, or leave uplink out"),
    ),
    // It is an argument of programs.
    interface: v.nullish(v.pipe(v.string(), v.regex(/^[^-/:\s][^/:\s]{0,14}$/))),
    intervalMilliseconds: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(100))),
    failures: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(2))),
    require: v.nullish(v.picklist(["Any", "All"])),
  }),
  v.transform((uplink): Uplink => ({
    targets: uplink.targets,
    ...(uplink.interface == null ? {} : { interface: uplink.interface }),
    intervalMilliseconds: uplink.intervalMilliseconds ?? DEFAULTS.intervalMilliseconds,
    failures: uplink.failures ?? DEFAULTS.failures,
    require: uplink.require ?? "Any",
  })),
);

const spec = v.pipe(
  v.object({
    nodeSelector: v.nullish(labels),
    sourceIP: v.variant("mode", [primaryIP, virtualIP]),
    preferredNodes: v.nullish(v.array(v.object({ weight: v.number(), nodeSelector: labels }))),
    strategy: v.nullish(v.picklist(["Alphabetical", "Hash", "Balanced"])),
    failback: v.nullish(v.object({
      mode: v.nullish(v.picklist(["Auto", "Never"])),
      minReadySeconds: v.nullish(v.number()),
    })),
    failureDetection: v.nullish(v.object({
      heartbeat: v.nullish(v.picklist(["Required", "IfPresent", "Ignore"])),
      timeoutSeconds: v.nullish(v.number()),
      peers: v.nullish(v.boolean()),
      ciliumAgentGraceSeconds: v.nullish(v.number()),
      uplink: v.nullish(uplink),
    })),
    whenNoneEligible: v.nullish(v.picklist(["Keep", "Drop"])),
    allowedNamespaces: v.nullish(allowedNamespaces),
  }),
  v.transform((spec): GatewaySpec => {
    const virtual = spec.sourceIP.mode === "VirtualIPAddress";
    return {
      // As Deckhouse has it: without a selector it is every node.
      nodeSelector: spec.nodeSelector ?? {},
      sourceIP: sourceIPOf(spec.sourceIP),
      preferredNodes: spec.preferredNodes ?? [],
      strategy: spec.strategy ?? DEFAULTS.strategy,
      failback: {
        mode: spec.failback?.mode ?? "Auto",
        minReadySeconds: spec.failback?.minReadySeconds ?? DEFAULTS.minReadySeconds,
      },
      failureDetection: {
        heartbeat: spec.failureDetection?.heartbeat ?? (virtual ? "Required" : "IfPresent"),
        timeoutSeconds: spec.failureDetection?.timeoutSeconds ?? DEFAULTS.timeoutSeconds,
        peers: spec.failureDetection?.peers ?? true,
        ciliumAgentGraceSeconds: spec.failureDetection?.ciliumAgentGraceSeconds ?? 0,
        ...(spec.failureDetection?.uplink == null ? {} : { uplink: spec.failureDetection.uplink }),
      },
      whenNoneEligible: spec.whenNoneEligible ?? "Keep",
      ...(spec.allowedNamespaces == null ? {} : { allowedNamespaces: spec.allowedNamespaces }),
    };
  }),
);

function sourceIPOf(
  source: v.InferOutput<typeof primaryIP> | v.InferOutput<typeof virtualIP>,
): GatewaySpec["sourceIP"] {
  if (source.mode !== "VirtualIPAddress") {
    return {
      mode: source.mode,
      interfaceName: source.primaryIPFromEgressGatewayNodeInterface.interfaceName,
    };
  }
  const { interfaces, standby, standbys } = source.virtualIPAddress;
  return {
    mode: source.mode,
    ips: addressesOf(source.virtualIPAddress),
    interfaces: interfaces ?? [],
    standby: standby ?? DEFAULTS.standby,
    standbys: standbys ?? DEFAULTS.standbys,
  };
}

const reason = v.pipe(
  v.object({
    type: v.string(),
    message: v.fallback(v.optional(v.string(), ""), ""),
    retryAfter: part(v.string()),
  }),
  v.transform((reason) => compact(reason)),
);

const candidate = v.pipe(
  v.object({
    node: v.string(),
    eligible: v.boolean(),
    eligibleSince: part(v.string()),
    rank: v.fallback(v.optional(v.number(), 0), 0),
    reasons: v.fallback(v.optional(itemsOf(reason), []), []),
  }),
  v.transform((candidate) => compact(candidate)),
);

const lastFailover = v.pipe(
  v.object({
    from: part(v.string()),
    fromEgressIP: part(address),
    fromEgressIPs: part(itemsOf(ip)),
    returns: part(v.number()),
    fenced: part(itemsOf(v.object({ node: v.string(), time: v.string() }))),
    to: v.string(),
    reason: v.fallback(v.optional(v.string(), ""), ""),
    startTime: v.string(),
    durationMilliseconds: part(v.number()),
  }),
  v.transform((move) => compact(move)),
);

const pastMove = v.pipe(
  v.object({
    term: v.pipe(v.number(), v.integer()),
    time: v.string(),
    from: part(v.string()),
    to: part(v.string()),
    reason: v.string(),
    message: v.fallback(v.optional(v.string(), ""), ""),
    planned: v.boolean(),
    outageSince: part(v.string()),
    durationMilliseconds: part(v.number()),
    outageMilliseconds: part(v.number()),
  }),
  v.transform((move) => compact(move)),
);

/**
 * A status written by another version is read as far as it is understood, each part on its own. Without holder and term
 * nothing may be decided, so that these are read or the gateway is left as it is.
 */
const status = v.pipe(
  v.object({
    observedGeneration: part(v.number()),
    activeNodeName: v.nullish(v.string()),
    // Agents ping them: a kubelet's hostname or worse is none of their arguments.
    activeNodeAddresses: part(itemsOf(ip)),
    standbyNodeNames: part(itemsOf(v.string())),
    egressIP: v.nullish(address),
    egressIPs: part(itemsOf(ip)),
    readyNodes: part(v.number()),
    term: v.nullish(v.number()),
    phase: part(v.picklist(["Preparing", "Active", "Idle"])),
    candidates: part(itemsOf(candidate)),
    lastFailover: part(lastFailover),
    history: part(itemsOf(pastMove)),
    conditions: part(itemsOf(condition)),
  }),
  v.transform((status) => compact(status) as GatewayStatus),
);

/** `network.deckhouse.io/v1alpha1` EgressGateway with its defaults filled in. */
export const gateway = v.pipe(
  v.object({ metadata, spec, status: v.nullish(status) }),
  v.transform(({ metadata, spec, status }): Gateway => ({
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    generation: metadata.generation,
    createdAt: metadata.creationTimestamp ?? 0,
    deleting: metadata.deletionTimestamp != null,
    annotations: metadata.annotations ?? {},
    spec,
    status: status ?? {},
    ...statusWrite(metadata),
  })),
);
