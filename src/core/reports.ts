/** What agents' reports say about one gateway. */
import { isStale } from "./heartbeat.ts";
import { parseTime } from "./time.ts";
import { TIMINGS } from "./timings.ts";
import type { Gateway, Lease, Report, ReportedAddress, Snapshot } from "./types.ts";

/** The VIP of a gateway in VirtualIPAddress mode, else undefined. */
export function virtualIPOf(gateway: Gateway): string | undefined {
  return virtualIPsOf(gateway)[0];
}

/** A gateway's virtual IPs; none in primary-IP mode. */
export function virtualIPsOf({ spec: { sourceIP } }: Gateway): readonly string[] {
  return sourceIP.mode === "VirtualIPAddress" ? sourceIP.ips : [];
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

/** What a Lease reports for the gateway's VIP, however old the report is. */
export function reportedAddress(
  lease: Lease | undefined,
  gateway: Gateway,
): ReportedAddress | undefined {
  const ip = virtualIPOf(gateway);
  return lease?.report?.addresses.find((address) =>
    address.uid === gateway.uid && address.ip === ip
  );
}

/** Tells whether the last report of a Lease claims the right to speak for the VIP, for whatever gateway. */
export function claimsSpeech(lease: Lease, ip: string | undefined): boolean {
  return lease.report?.addresses.some((address) => address.ip === ip && address.speaking) ?? false;
}

/**
 * The MAC address of a foreign host that answered for the VIP, as the agent of a node saw it. A MAC address that some
 * agent reports as its own is no foreigner: a waiting standby hears the holder. Nor is one that may have been the holder's,
 * of which nothing is known now: its Lease was deleted, or its interface was taken out.
 */
export function foreignMAC(
  node: string,
  { gateway, facts }: {
    readonly gateway: Gateway;
    readonly facts: { readonly snapshot: Snapshot; readonly leases: ReadonlyMap<string, Lease> };
  },
): string | undefined {
  const mac = reportedAddress(facts.leases.get(node), gateway)?.conflict?.toLowerCase();
  if (mac === undefined) return undefined;
  const { activeNodeName, lastFailover } = gateway.status;
  const since = parseTime(lastFailover?.startTime) ?? 0;
  const before = facts.snapshot.now - since < TIMINGS.heardHolderMilliseconds
    ? lastFailover?.from
    : undefined;
  for (const holder of [activeNodeName, before]) {
    if (holder === undefined || holder === node) continue;
    if (reportedAddress(facts.leases.get(holder), gateway) === undefined) return undefined;
  }
  for (const lease of facts.leases.values()) {
    if (lease.report?.interfaces.some((link) => link.mac?.toLowerCase() === mac)) return undefined;
  }
  return mac;
}
