/** What agents' reports say about one gateway. */
import { isStale } from "./heartbeat.ts";
import { parseTime } from "./time.ts";
import { TIMINGS } from "./timings.ts";
import type {
  Candidate,
  Gateway,
  GatewayStatus,
  Lease,
  Report,
  ReportedAddress,
  Snapshot,
} from "./types.ts";

/** The VIP of a gateway in VirtualIPAddress mode, of two the first; else undefined. */
export function virtualIPOf(gateway: Gateway): string | undefined {
  return virtualIPsOf(gateway)[0];
}

/** A gateway's virtual IPs; none in primary-IP mode. */
export function virtualIPsOf({ spec: { sourceIP } }: Gateway): readonly string[] {
  return sourceIP.mode === "VirtualIPAddress" ? sourceIP.ips : [];
}

/** The virtual IPs that a gateway's term is about, by its status. */
export function egressIPsOf(
  { egressIP, egressIPs }: {
    readonly egressIP?: string | undefined;
    readonly egressIPs?: readonly string[] | undefined;
  },
): readonly string[] {
  return egressIPs ?? (egressIP === undefined ? [] : [egressIP]);
}

/** The members by which a status names them: of two the first by itself, too. */
export function egressIPMembers(
  ips: readonly string[],
): Pick<GatewayStatus, "egressIP" | "egressIPs"> {
  const [egressIP] = ips;
  return {
    ...(egressIP === undefined ? {} : { egressIP }),
    ...(ips.length > 1 ? { egressIPs: ips } : {}),
  };
}

/** Some of a gateway's virtual IPs in words; they are told apart where there are two. */
export function virtualIPsInWords(ips: readonly string[], gateway: Gateway): string {
  return virtualIPsOf(gateway).length === 1 ? "the virtual IP" : `virtual IP ${ips.join(" and ")}`;
}

/** Tells whether two lists name the same addresses, in whichever order. */
export function areSameIPs(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((ip) => others.includes(ip));
}

/** Tells whether a node answers no pings, as its standbys reported. */
export function isUnreachable(
  node: string | undefined,
  candidates: readonly Pick<Candidate, "node" | "reasons">[],
): boolean {
  return candidates.some((candidate) =>
    candidate.node === node && candidate.reasons.some(({ type }) => type === "Unreachable")
  );
}

/** The report of an agent whose heartbeat is fresh by the gateway's own timeout. */
export function freshReport(
  lease: Lease | undefined,
  context: { readonly gateway: Gateway; readonly snapshot: Snapshot },
): Report | undefined {
  const { gateway, snapshot } = context;
  if (lease === undefined) return undefined;
  return isStale(lease, snapshot.now, gateway.spec.failureDetection.timeoutSeconds)
    ? undefined
    : lease.report;
}

/** What a Lease reports for the gateway's VIPs, however old the report is. */
export function reportedAddresses(
  lease: Lease | undefined,
  gateway: Gateway,
): readonly ReportedAddress[] {
  const ips = virtualIPsOf(gateway);
  return lease?.report?.addresses.filter(({ uid, ip }) =>
    uid === gateway.uid && ips.includes(ip)
  ) ?? [];
}

/** The gateway's VIPs that a Lease does not report as bound. */
export function unreportedIPs(lease: Lease | undefined, gateway: Gateway): readonly string[] {
  const reported = reportedAddresses(lease, gateway);
  return virtualIPsOf(gateway).filter((ip) => !reported.some((address) => address.ip === ip));
}

/** Tells whether the last report of a Lease claims the right to speak for one of the VIPs, for whatever gateway. */
export function claimsSpeech(lease: Lease, ips: readonly string[]): boolean {
  return lease.report?.addresses.some(({ ip, speaking }) => speaking && ips.includes(ip)) ?? false;
}

/** A foreign host that answered for a VIP. */
export interface ForeignHost {
  readonly ip: string;
  readonly mac: string;
}

/**
 * A foreign host that answered for one of the VIPs, as the agent of a node saw it. A MAC address that some
 * agent reports as its own is no foreigner: a waiting standby hears the holder. Nor is one that may have been the holder's,
 * of which nothing is known now: its Lease was deleted, or its interface was taken out.
 */
export function foreignHost(node: string, context: SeenBy): ForeignHost | undefined {
  const { gateway, facts } = context;
  return reportedAddresses(facts.leases.get(node), gateway).flatMap(({ ip, conflict }) => {
    const mac = conflict?.toLowerCase();
    return mac !== undefined && isForeign(mac, { ...context, node, ip }) ? [{ ip, mac }] : [];
  })[0];
}

interface SeenBy {
  readonly gateway: Gateway;
  readonly facts: { readonly snapshot: Snapshot; readonly leases: ReadonlyMap<string, Lease> };
}

function isForeign(
  mac: string,
  { gateway, facts, node, ip }: SeenBy & { readonly node: string; readonly ip: string },
): boolean {
  const { activeNodeName, lastFailover } = gateway.status;
  const since = parseTime(lastFailover?.startTime) ?? 0;
  const before = facts.snapshot.now - since < TIMINGS.heardHolderMilliseconds
    ? lastFailover?.from
    : undefined;
  for (const holder of [activeNodeName, before]) {
    if (holder === undefined || holder === node) continue;
    if (unreportedIPs(facts.leases.get(holder), gateway).includes(ip)) return false;
  }
  for (const lease of facts.leases.values()) {
    if (lease.report?.interfaces.some((link) => link.mac?.toLowerCase() === mac)) return false;
  }
  return true;
}
