/** The agent's hands on Linux: iproute2, nftables, arping, ndisc6 and ndptool. */

import { FAMILIES, familyOf } from "../../core/ip_family.ts";
import type { Family } from "../../core/ip_family.ts";
import {
  arpIgnores,
  bindAddress,
  type DefaultRoutes,
  defaultRoutes,
  listInterfaces,
  unbindAddress,
  watchAddresses,
} from "./addresses.ts";
import { clockReader } from "./clocks.ts";
import { type Commands, hostCommands } from "./command.ts";
import type { HostInterface } from "../core/view.ts";
import { canQuote, knowsIPv6, mute, own, readGate, removeGate, speak } from "./gate.ts";
import type { Hands } from "../hands.ts";
import { passOn } from "./late_answers.ts";
import { announce, probe } from "./neighbours.ts";
import { neededReader } from "./needed.ts";
import { openNft } from "./nft.ts";
import { probeUplinks } from "./uplink_probes.ts";

export interface LinuxHandsOptions {
  readonly commands?: Commands;
  readonly signal?: AbortSignal;
  /** How long a probe waits for another owner's answer. Default 400. */
  readonly probeMilliseconds?: number;
  /** URL of the API server, which is no VIP. */
  readonly apiServer?: string;
  /** The node's addresses in the cluster (InternalIP). */
  readonly nodeAddresses?: readonly string[] | undefined;
  /** Told of announcements that could not be sent, and of interfaces that are passed over. */
  readonly onFailure?: (error: Error) => void;
}

/** Hands that act on this node; all of them throw CommandError. */
export function linuxHands(
  {
    commands = hostCommands,
    signal,
    probeMilliseconds = 400,
    apiServer,
    nodeAddresses = [],
    onFailure,
  }: LinuxHandsOptions = {},
): Hands {
  const options = signal === undefined ? { commands } : { commands, signal };
  const nft = openNft(options);
  const passedOver = new Set<string>();
  const readNeeded = neededReader({ apiServer });
  let reading: Promise<DefaultRoutes> | undefined;
  let asking: Promise<boolean> | undefined;

  /** Once: a kernel does not change. */
  async function hasIPv6(): Promise<boolean> {
    asking ??= knowsIPv6(options);
    return await asking.catch((error) => {
      asking = undefined;
      throw error;
    });
  }

  /** What is asked for at the same time is read once. */
  function routes(): Promise<DefaultRoutes> {
    return reading ??= defaultRoutes(options).finally(() => reading = undefined);
  }

  /** Says once of each interface that the gate cannot name it. */
  function noteNames(names: readonly string[]): void {
    for (const name of names.filter((name) => !canQuote(name) && !passedOver.has(name))) {
      passedOver.add(name);
      onFailure?.(
        new Error(
          `Cannot name interface ${JSON.stringify(name)} in the gate: ` +
            "a silent VIP's traffic there waits for neighbours that are not known yet; rename the interface",
        ),
      );
    }
  }

  return {
    async interfaces() {
      const [links, ignores] = await Promise.all([listInterfaces(options), arpIgnores(options)]);
      return links.map((link) => ({
        ...link,
        arpIgnore: ignores.get(link.name) ?? 0,
        addresses: link.addresses.map((address) =>
          nodeAddresses.includes(address.ip) ? { ...address, ofNode: true } : address
        ),
      }));
    },
    defaultRouteInterface: async () => (await routes()).interface,
    defaultRouteInterface6: async () => (await routes()).interface6,
    clocks: clockReader(),
    needed: async () => await readNeeded(await routes()),
    watch: (onChange, ending) => watchAddresses(onChange, { ...options, signal: ending }),
    bind: (address) => bindAddress(address, options),
    unbind: (address) => unbindAddress(address, options),
    async own(ips) {
      const ipv6 = await hasIPv6();
      if (ips.length === 0) {
        await removeGate(nft, { ipv6 });
        // A kernel that refuses such a table has none.
        await passOn(nft, []).catch(() => {});
        return;
      }
      const links = await listInterfaces(options);
      const ownAddresses = Object.fromEntries(
        links.filter(({ name }) => name !== "lo")
          .map((link) =>
            [
              link.name,
              FAMILIES.map((family) => ownAddress(link, family)).filter((ip) => ip !== undefined),
            ] as const
          )
          .filter(([, own]) => own.length > 0),
      );
      noteNames(Object.keys(ownAddresses));
      // What cannot carry a VIP sends nothing in its name.
      const ownMacs = links.flatMap(({ mac, addresses }) =>
        mac === undefined || addresses.length === 0 ? [] : [mac]
      );
      await own(nft, ips, { ownMacs: [...new Set(ownMacs)], ownAddresses, ipv6 });
    },
    speak: (entries) => speak(nft, entries),
    mute: (ips) => mute(nft, ips),
    passOn: (entries) => passOn(nft, entries),
    async speaking() {
      const gate = await readGate(options);
      return (gate?.speaking ?? []).filter(({ ip }) => gate?.disputed.includes(ip) !== true)
        .map(({ ip, expiresMilliseconds }) => ({ ip, milliseconds: expiresMilliseconds }));
    },
    announce: (ip, interfaces, ending) =>
      announce({ ip, interfaces }, {
        ...options,
        signal: ending,
        ...(onFailure === undefined ? {} : { onFailure }),
      }),
    probeUplinks: (listener, ending) => probeUplinks({ ...listener, commands, signal: ending }),
    async probe(ip, interfaces, besides) {
      const links = await listInterfaces(options);
      const ownMacs = links.flatMap(({ mac }) => mac === undefined ? [] : [mac]);
      const answers = await Promise.all(interfaces.map((name) => {
        const link = links.find((link) => link.name === name);
        const sourceIP = link && ownAddress(link, 4);
        return probe({
          ip,
          interface: name,
          timeoutMilliseconds: probeMilliseconds,
          ownMacs,
          ...(sourceIP === undefined ? {} : { sourceIP }),
          ...(besides === undefined ? {} : { besides }),
        }, options);
      }));
      const macs = answers.filter((mac) => mac !== undefined);
      return macs.find((mac) => mac !== besides) ?? macs[0];
    },
  };
}

/** The interface's first address of a family that is no VIP of ours. */
function ownAddress({ addresses }: HostInterface, family: Family): string | undefined {
  return addresses.find(({ ip, ours }) => !ours && familyOf(ip) === family)?.ip;
}
