/** Where a VIP is to be bound on this node (design section 5). Pure. */
import ipaddr from "ipaddr.js";
import type { ReportedFailure } from "../../core/types.ts";
import type { HostInterface, Placement } from "./view.ts";

export type Placed = Placement | Pick<ReportedFailure, "reason" | "message">;

/**
 * On the public interface, with that subnet's prefix length, when the VIP lies in the interface's subnet: then it is a
 * true secondary address. Else as /32 on `lo`, while ARP is spoken on the listed interfaces: an address of another
 * class on the interface itself would become the one that other traffic of the node is masqueraded with (measured on
 * Cilium 1.20.2).
 *
 * @param listed the gateway's `interfaces`; empty: the interface whose subnet holds the VIP, else the default route's
 */
export function placementOf(
  ip: string,
  host: {
    readonly listed: readonly string[];
    readonly interfaces: readonly HostInterface[];
    readonly defaultRouteInterface: string | undefined;
  },
): Placed {
  const { listed, interfaces, defaultRouteInterface } = host;
  const owner = interfaces.find(({ addresses }) =>
    addresses.some((address) => !address.ours && address.ip === ip)
  );
  if (owner !== undefined) {
    return {
      reason: "AddressConflict",
      message:
        `${ip} is this node's own address on '${owner.name}'; write an address that no host uses`,
    };
  }
  const inSubnet = interfaces.filter((link) => prefixLengthFor(ip, link) !== undefined);
  const wanted = listed.length > 0
    ? listed
    : [inSubnet[0]?.name ?? defaultRouteInterface].filter((name) => name !== undefined);
  if (wanted.length === 0) {
    return {
      reason: "InterfaceMissing",
      message:
        `No interface has ${ip} in its subnet and there is no default route; write virtualIPAddress.interfaces`,
    };
  }
  for (const name of wanted) {
    const link = interfaces.find((candidate) => candidate.name === name);
    if (link === undefined) {
      return { reason: "InterfaceMissing", message: `Interface '${name}' is not on this node` };
    }
    if (!link.up) {
      return {
        reason: "InterfaceMissing",
        message: `Interface '${name}' is down: its state is ${link.state}`,
      };
    }
  }
  const home = inSubnet.find(({ name }) => wanted.includes(name));
  const prefixLength = home === undefined ? undefined : prefixLengthFor(ip, home);
  return home === undefined || prefixLength === undefined
    ? { interface: "lo", prefixLength: 32, speakOn: wanted }
    : { interface: home.name, prefixLength, speakOn: wanted };
}

/** The prefix length of the interface's own address whose subnet holds the VIP. */
function prefixLengthFor(ip: string, { name, addresses }: HostInterface): number | undefined {
  if (name === "lo") return undefined;
  const address = ipaddr.IPv4.parse(ip);
  return addresses.find((own) =>
    !own.ours && own.prefixLength < 32 && ipaddr.IPv4.isValid(own.ip) &&
    address.match(ipaddr.IPv4.parse(own.ip), own.prefixLength)
  )?.prefixLength;
}
