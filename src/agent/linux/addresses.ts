/** The node's interfaces, and the VIPs on them: looked at and changed with iproute2. */

import * as v from "valibot";
import { canonicalIP, isIP } from "../../core/ip_family.ts";
import { CommandError, type Commands, hostCommands } from "./command.ts";
import type { HostAddress, HostInterface } from "../core/view.ts";

export interface AddressOptions {
  readonly commands?: Commands;
  readonly signal?: AbortSignal;
}

/**
 * End of the label that marks an IPv4 address as ours: `eth1:egw`. A label is what the kernel keeps for us beside an
 * address and `ip addr` shows to people; `proto` would do too, but needs iproute2 6.3.
 */
const MARK = ":egw";

/**
 * What marks an IPv6 address as ours, as these have no labels: the metric that a route to it would have, if it had one
 * (`noprefixroute`). "egw" in ASCII.
 */
const MARK_METRIC = 0x656777;

/** IFNAMSIZ - 1; longer labels are refused. */
const LABEL_LENGTH = 15;

const MONITOR_RESTART_MILLISECONDS = 1_000;

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
    // Of IPv6. What is not there is false.
    metric: v.optional(v.number()),
    scope: v.optional(v.string()),
    temporary: v.optional(v.boolean()),
    tentative: v.optional(v.boolean()),
    dadfailed: v.optional(v.boolean()),
  })),
}));

const Routes = v.array(v.object({
  dev: v.optional(v.string()),
  gateway: v.optional(v.string()),
  /** Of a multipath route; it has no `dev` and no `gateway` of its own. */
  nexthops: v.optional(
    v.array(v.object({ dev: v.optional(v.string()), gateway: v.optional(v.string()) })),
    [],
  ),
  /** Absent: the main table. */
  table: v.optional(v.string()),
  metric: v.optional(v.number(), 0),
  flags: v.optional(v.array(v.string()), []),
}));

/** The node's ways out. */
export interface DefaultRoutes {
  /** The interface of the main table's default route of IPv4; of several, the one with the lowest metric. */
  readonly interface: string | undefined;
  /** The same of IPv6. */
  readonly interface6: string | undefined;
  /** Addresses of the next hops of all default routes, whatever their table. */
  readonly nextHops: readonly string[];
}

/**
 * All interfaces of the node with their IPv4 addresses, and those of IPv6 that others can reach and that stay: no
 * link-local and no temporary ones, and none that are not known to be free. Throws {@linkcode CommandError}.
 */
export async function listInterfaces(
  { commands = hostCommands, signal }: AddressOptions = {},
): Promise<HostInterface[]> {
  const text = await commands.run(["ip", "-json", "-details", "addr"], { signal });
  return v.parse(Links, JSON.parse(printable(text))).map(toInterface);
}

/** The kernel lets an interface's name hold control characters, and `ip` writes them into its JSON as they are. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x08\x0e-\x1f]/g, "\uFFFD");
}

/** The default routes of both families. Throws {@linkcode CommandError}. */
export async function defaultRoutes(options: AddressOptions = {}): Promise<DefaultRoutes> {
  const [four, six] = await Promise.all([routesOf("-4", options), routesOf("-6", options)]);
  return {
    interface: four.interface,
    interface6: six.interface,
    nextHops: [...new Set([...four.nextHops, ...six.nextHops])],
  };
}

async function routesOf(
  family: "-4" | "-6",
  { commands = hostCommands, signal }: AddressOptions,
): Promise<Pick<DefaultRoutes, "interface" | "nextHops">> {
  const argv = ["ip", family, "-json", "route", "show", "table", "all", "default"] as const;
  const text = await commands.run(argv, { signal }).catch((error) => {
    const isAbsent = family === "-6" && error instanceof CommandError &&
      /not supported/.test(error.stderr);
    if (isAbsent) return "";
    throw error;
  });
  // No route at all is an empty text in some versions, an empty list in others.
  const routes = v.parse(Routes, JSON.parse(printable(text.trim() || "[]")))
    .map((route) => ({ ...route, hops: [route, ...route.nexthops] }));
  const [best] = routes.filter(({ table, flags }) =>
    table === undefined && !flags.includes("linkdown")
  ).map(({ metric, hops }) => ({ metric, dev: hops.find(({ dev }) => dev !== undefined)?.dev }))
    // Where IPv6 is told to go nowhere, that stands on `lo`.
    .filter(({ dev }) => dev !== undefined && dev !== "lo")
    .sort((a, b) => a.metric - b.metric);
  const nextHops = routes.flatMap(({ hops }) => hops.flatMap(({ gateway }) => gateway ?? []));
  return { interface: best?.dev, nextHops };
}

/** Where one address is, or is to be. */
export interface AddressPlace {
  readonly ip: string;
  readonly interface: string;
}

/**
 * Binds a VIP as /32 or /128 with our mark. An address that is there already is a success and is left alone, so that
 * Cilium sees no change.
 *
 * One of IPv6 is deprecated from the start, so that the kernel takes it for the source of nothing that has another
 * (RFC 6724, rule 3), and nobody is asked whether it is free: that was looked at, and the holder answers for it.
 *
 * Throws {@linkcode CommandError}, and an Error when the address is there without our mark or the interface has no IPv6.
 */
export async function bindAddress(
  { ip, interface: name }: AddressPlace,
  options: AddressOptions = {},
): Promise<void> {
  const { commands = hostCommands, signal } = options;
  const there = (await findLink(name, options))?.addresses.find((address) => address.ip === ip);
  if (there?.ours) return;
  if (there !== undefined) {
    throw new Error(
      `Cannot bind VIP ${ip} on '${name}': the address is there already and Sallyport did not add it`,
    );
  }
  const deprecated = ["nodad", "noprefixroute", "valid_lft", "forever", "preferred_lft", "0"];
  const rest = isIP(ip) === 4
    ? [`${ip}/32`, "dev", name, "label", labelFor(name)]
    : [`${ip}/128`, "dev", name, ...deprecated, "metric", String(MARK_METRIC)];
  try {
    await commands.run(["ip", "addr", "add", ...rest], { signal });
  } catch (cause) {
    if (isIP(ip) !== 6 || !isWithoutIPv6(cause)) throw cause;
    throw new Error(
      `Cannot bind VIP ${ip} on '${name}' as IPv6 is off there: set its sysctl disable_ipv6 to 0`,
      { cause },
    );
  }
}

function isWithoutIPv6(error: unknown): boolean {
  return error instanceof CommandError &&
    /IPv6 is disabled|Permission denied|not supported/.test(error.stderr);
}

/**
 * Removes exactly this address from this interface, and only if it carries our mark. An absent address or interface is
 * no error, and neither is an address that is not ours: it stays.
 *
 * Throws {@linkcode CommandError}.
 */
export async function unbindAddress(
  { ip, interface: name }: AddressPlace,
  options: AddressOptions = {},
): Promise<void> {
  const { commands = hostCommands, signal } = options;
  const link = await findLink(name, options);
  for (const address of link?.addresses ?? []) {
    if (!address.ours || address.ip !== ip) continue;
    try {
      // With its prefix length: without it, `ip` takes that of a host and warns.
      const exact = `${ip}/${address.prefixLength}`;
      await commands.run(["ip", "addr", "del", exact, "dev", name], { signal });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

/**
 * Calls back when an interface or an address of the node changes, as the kernel tells it.
 *
 * `works` is false while that cannot be heard; the program that listens is started again.
 */
export function watchAddresses(
  onChange: () => void,
  { commands = hostCommands, signal }: AddressOptions & { readonly signal: AbortSignal },
): { readonly works: () => boolean } {
  let works = false;
  const listen = async (): Promise<void> => {
    while (!signal.aborted) {
      const monitor = commands.follow(["ip", "-o", "monitor", "link", "address"], {
        onLine: onChange,
        signal,
      });
      try {
        await monitor.started;
        works = true;
        await monitor.ended;
      } catch {
        // Started again below; until then the node is looked at often.
      }
      works = false;
      onChange();
      await new Promise((resolve) => setTimeout(resolve, MONITOR_RESTART_MILLISECONDS));
    }
  };
  void listen();
  return { works: () => works };
}

/**
 * The values of `arp_ignore` that are in force, by interface: the kernel takes the higher one of `all` and the
 * interface's own. With anything but 0 it does not answer there for an address that is bound on `lo`; kube-proxy in
 * IPVS mode with strictARP sets 1.
 */
export async function arpIgnores(
  { commands = hostCommands, signal }: AddressOptions = {},
): Promise<ReadonlyMap<string, number>> {
  const conf = "/proc/sys/net/ipv4/conf";
  // No shell, since the image has none.
  const grep = ["grep", "-r", "-H", "--include=arp_ignore", ".", conf] as const;
  const text = await commands.run(grep, { signal }).catch((error) => {
    // An interface that goes away meanwhile, as a pod's does, is an error of grep's; the others it has read.
    if (error instanceof CommandError && error.exitCode === 2 && error.stdout !== "") {
      return error.stdout;
    }
    throw error;
  });
  const values = [...text.matchAll(/conf\/(.+)\/arp_ignore:(\d+)/g)]
    .map(([, name = "", value]) => [name, Number(value)] as const);
  const all = values.find(([name]) => name === "all")?.[1] ?? 0;
  return new Map(values.map(([name, value]) => [name, Math.max(all, value)]));
}

function toInterface(link: v.InferOutput<typeof Links>[number]): HostInterface {
  const isUp = link.flags.includes("UP") &&
    (link.operstate === "UP" ||
      (link.operstate === "UNKNOWN" && !link.flags.includes("NO-CARRIER")));
  return {
    name: link.ifname,
    up: isUp,
    state: link.operstate.toLowerCase(),
    ...(link.address === undefined ? {} : { mac: link.address }),
    addresses: link.addr_info.flatMap(toAddress),
  };
}

function toAddress(info: v.InferOutput<typeof Links>[number]["addr_info"][number]): HostAddress[] {
  const { family, local, prefixlen, label, metric } = info;
  if (local === undefined) return [];
  if (family === "inet") {
    return [{ ip: local, prefixLength: prefixlen, ours: label?.endsWith(MARK) ?? false }];
  }
  const lasts = info.scope === "global" && !info.temporary && !info.tentative && !info.dadfailed;
  const ip = canonicalIP(local);
  if (family !== "inet6" || !lasts || ip === undefined) return [];
  return [{
    ip,
    prefixLength: prefixlen,
    ours: prefixlen === 128 && metric === MARK_METRIC,
  }];
}

async function findLink(name: string, options: AddressOptions): Promise<HostInterface | undefined> {
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
