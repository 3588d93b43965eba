/** The node's interfaces, and the VIPs on them: looked at and changed with iproute2. IPv4 only. */

import ipaddr from "ipaddr.js";
import * as v from "valibot";
import { CommandError, type Commands, hostCommands } from "./command.ts";
import type { HostAddress, HostInterface } from "./core/view.ts";

export interface AddressOptions {
  readonly commands?: Commands;
  readonly signal?: AbortSignal;
}

/** An address as the kernel has it. */
export interface BoundAddress extends HostAddress {
  /** Behind another address of the same subnet, which the kernel prefers as source. */
  readonly secondary: boolean;
}

export interface Link extends HostInterface {
  readonly addresses: readonly BoundAddress[];
}

/**
 * End of the label that marks an address as ours: `eth1:egw`. A label is what the kernel keeps for us beside an
 * address and `ip addr` shows to people; `proto` would do too, but needs iproute2 6.3.
 */
const MARK = ":egw";

/** IFNAMSIZ - 1; longer labels are refused. */
const LABEL_LENGTH = 15;

/** The parts of `ip -json -details addr` that are used. */
const Links = v.array(v.object({
  ifname: v.string(),
  flags: v.array(v.string()),
  operstate: v.string(),
  address: v.optional(v.string()),
  addr_info: v.array(v.object({
    family: v.string(),
    local: v.optional(v.string()),
    prefixlen: v.number(),
    label: v.optional(v.string()),
    secondary: v.optional(v.boolean(), false),
  })),
}));

const Routes = v.array(v.object({
  dst: v.string(),
  dev: v.optional(v.string()),
  metric: v.optional(v.number(), 0),
  flags: v.optional(v.array(v.string()), []),
}));

/** All interfaces of the node with their IPv4 addresses. Throws {@linkcode CommandError}. */
export async function listInterfaces(
  { commands = hostCommands, signal }: AddressOptions = {},
): Promise<Link[]> {
  const text = await commands.run(["ip", "-json", "-details", "addr"], { signal });
  return v.parse(Links, JSON.parse(text)).map(toInterface);
}

/** The interface of the IPv4 default route; of several, the one with the lowest metric. */
export async function defaultRouteInterface(
  { commands = hostCommands, signal }: AddressOptions = {},
): Promise<string | undefined> {
  const text = await commands.run(["ip", "-4", "-json", "route", "show", "default"], { signal });
  // No route at all is an empty text in some versions, an empty list in others.
  const routes = v.parse(Routes, JSON.parse(text.trim() || "[]"));
  return routes
    .filter(({ dev, flags }) => dev !== undefined && !flags.includes("linkdown"))
    .sort((a, b) => a.metric - b.metric)[0]?.dev;
}

/** Where one address is, or is to be. */
export interface AddressPlace {
  readonly ip: string;
  readonly interface: string;
}

/**
 * Binds a VIP with our mark. An address that is there already is a success and is left alone, so that Cilium sees no
 * change.
 *
 * With the prefix length of the interface's subnet it becomes a secondary address behind the node's own one, which
 * stays the source of the node's other traffic. There is one case in which that turns around: the node's own address
 * is removed while the sysctl `promote_secondaries` is 1 (systemd's default), and added again, now behind ours. Then
 * our address is removed and added again, behind the node's own.
 *
 * Throws {@linkcode CommandError}, and an Error when the address is there without our mark.
 */
export async function bindAddress(
  { ip, interface: name, prefixLength }: AddressPlace & { readonly prefixLength: number },
  options: AddressOptions = {},
): Promise<void> {
  const { commands = hostCommands, signal } = options;
  const link = await findLink(name, options);
  // Whatever its prefix length: the kernel would take the same address twice.
  const there = link?.addresses.find((address) => address.ip === ip);
  if (there && !there.ours) {
    throw new Error(
      `Cannot bind VIP ${ip} on '${name}': the address is there already and Sallyport did not add it`,
    );
  }
  if (link && there) {
    if (!isPromoted(there, link) || !(await promotesSecondaries(name, options))) return;
    await remove(there, { link, options });
  }
  const address = ["addr", "add", `${ip}/${prefixLength}`, "dev", name, "label", labelFor(name)];
  await commands.run(["ip", ...address], { signal });
}

/**
 * Removes exactly this address from this interface, and only if it carries our mark. An absent address or interface is
 * no error, and neither is an address that is not ours: it stays.
 *
 * Throws {@linkcode CommandError}, and an Error where the kernel would remove the node's own address too.
 */
export async function unbindAddress(
  { ip, interface: name }: AddressPlace,
  options: AddressOptions = {},
): Promise<void> {
  const link = await findLink(name, options);
  for (const address of link?.addresses ?? []) {
    if (link && address.ours && address.ip === ip) await remove(address, { link, options });
  }
}

/**
 * Tells whether our address has become its subnet's primary one though the node has another there: see
 * {@linkcode bindAddress}, which repairs it.
 */
export function isPromoted(address: BoundAddress, link: Link): boolean {
  const subnet = ipaddr.IPv4.parse(address.ip);
  return address.ours && !address.secondary &&
    link.addresses.some((other) =>
      !other.ours && other.secondary && other.prefixLength === address.prefixLength &&
      subnet.match(ipaddr.IPv4.parse(other.ip), other.prefixLength)
    );
}

async function remove(
  address: BoundAddress,
  { link, options }: { readonly link: Link; readonly options: AddressOptions },
): Promise<void> {
  const { commands = hostCommands, signal } = options;
  if (isPromoted(address, link) && !(await promotesSecondaries(link.name, options))) {
    throw new Error(
      `Cannot remove VIP ${address.ip} from '${link.name}': the kernel would remove the node's own addresses of that ` +
        `subnet with it, as they are secondary to it and promote_secondaries is 0`,
    );
  }
  try {
    // With its prefix length: without it, `ip` takes /32 and warns.
    const exact = `${address.ip}/${address.prefixLength}`;
    await commands.run(["ip", "addr", "del", exact, "dev", link.name], { signal });
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/**
 * The value of `arp_ignore` that is in force on an interface: the kernel takes the higher one of `all` and the
 * interface's own. With anything but 0 it does not answer there for an address that is bound on `lo`; kube-proxy in
 * IPVS mode with strictARP sets 1.
 */
export async function arpIgnore(name: string, options: AddressOptions = {}): Promise<number> {
  return Math.max(0, ...await sysctl(name, { setting: "arp_ignore", options }));
}

/** Whether the next secondary address takes the place of a primary one that is removed; else it is removed too. */
async function promotesSecondaries(name: string, options: AddressOptions): Promise<boolean> {
  return (await sysctl(name, { setting: "promote_secondaries", options })).includes(1);
}

/** An IPv4 setting, for all interfaces and for this one. */
async function sysctl(
  name: string,
  { setting, options }: { readonly setting: string; readonly options: AddressOptions },
): Promise<number[]> {
  const { commands = hostCommands, signal } = options;
  const file = (scope: string) => `/proc/sys/net/ipv4/conf/${scope}/${setting}`;
  const text = await commands.run(["cat", file("all"), file(name)], { signal });
  return text.trim().split("\n").map(Number);
}

function toInterface(link: v.InferOutput<typeof Links>[number]): Link {
  const isUp = link.flags.includes("UP") &&
    (link.operstate === "UP" ||
      (link.operstate === "UNKNOWN" && !link.flags.includes("NO-CARRIER")));
  return {
    name: link.ifname,
    up: isUp,
    state: link.operstate.toLowerCase(),
    ...(link.address === undefined ? {} : { mac: link.address }),
    addresses: link.addr_info.flatMap(({ family, local, prefixlen, label, secondary }) =>
      family === "inet" && local !== undefined
        ? [{
          ip: local,
          prefixLength: prefixlen,
          ours: label?.endsWith(MARK) ?? false,
          secondary,
        }]
        : []
    ),
  };
}

async function findLink(name: string, options: AddressOptions): Promise<Link | undefined> {
  return (await listInterfaces(options)).find((link) => link.name === name);
}

/** The kernel takes any label of at most 15 characters, so a long interface name is cut. */
function labelFor(name: string): string {
  return name.slice(0, LABEL_LENGTH - MARK.length) + MARK;
}

function isGone(error: unknown): boolean {
  return error instanceof CommandError &&
    /Cannot assign requested address|Address not found|Cannot find device/.test(error.stderr);
}
