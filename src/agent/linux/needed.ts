/** Addresses that this node must reach. One that is bound here is this node itself from then on, and nobody else. */

import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { canonicalIP, isIP } from "../../core/ip_family.ts";
import type { DefaultRoutes } from "./addresses.ts";

/** Names the name servers of the node. */
export const RESOLV_CONF = "/etc/resolv.conf";

export interface NeededOptions {
  /** URL of the API server. */
  readonly apiServer?: string | undefined;
  /** Default `/etc/resolv.conf`. */
  readonly resolvConf?: string | undefined;
}

/** A name may mean another address by then. */
const LOOKUP_MILLISECONDS = 60_000;

/** Reads which addresses are needed, and what each is. What cannot be read is needed by nobody. */
export function neededReader(
  { apiServer, resolvConf = RESOLV_CONF }: NeededOptions,
): (routes: DefaultRoutes) => Promise<ReadonlyMap<string, string>> {
  const hostname = apiServer === undefined
    ? undefined
    // An IPv6 address stands in brackets in a URL.
    : new URL(apiServer).hostname.replace(/^\[(.*)\]$/, "$1");
  let servers: readonly string[] = [];
  let lookedUpAt = -Infinity;

  /** In the background: the look at the node waits for no name server. */
  function lookUp(name: string): void {
    const now = performance.now();
    if (now - lookedUpAt < LOOKUP_MILLISECONDS) return;
    lookedUpAt = now;
    lookup(name, { all: true }).then(
      (found) => servers = found.map(({ address }) => address),
      () => lookedUpAt = -Infinity,
    );
  }

  return async ({ nextHops }) => {
    if (hostname !== undefined && isIP(hostname) !== 0) servers = [hostname];
    else if (hostname !== undefined) lookUp(hostname);
    const text = await readFile(resolvConf, "utf8").catch(() => "");
    const nameservers = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, ip = ""]) => ip);
    const named = [
      ...servers.map((ip) => [ip, "the API server's address"] as const),
      ...nameservers.map((ip) => [ip, `a name server of this node (${resolvConf})`] as const),
      ...nextHops.map((ip) => [ip, "the next hop of this node's default route"] as const),
    ];
    return new Map(named.map(([ip, what]) => [canonicalIP(ip) ?? ip, what]));
  };
}
