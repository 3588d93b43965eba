/** The world outside the cluster: a server that tells clients the address it sees, and a record of all that arrives. */
import { FAMILIES } from "../../src/core/ip_family.ts";
import { denoProgram } from "../lab/deno_program.ts";
import type { Host } from "../lab/network.ts";
import { pause, until } from "../lab/wait.ts";

/** What the policies of the tests select, by family: networks, a server in each, and an address that they exclude. */
export const DESTINATIONS = { 4: "198.51.100.0/24", 6: "2001:db8:100::/64" } as const;
export const SERVERS = { 4: "198.51.100.10", 6: "2001:db8:100::10" } as const;
export const EXCLUDED = { 4: "198.51.100.20", 6: "2001:db8:100::20" } as const;

/** What the nodes reach by their second interface. */
export const SIDE_DESTINATIONS = { 4: "198.51.101.0/24", 6: "2001:db8:101::/64" } as const;
export const SIDE_SERVERS = { 4: "198.51.101.10", 6: "2001:db8:101::10" } as const;

/** Ports of the server. Selected pods use the first one only, so whatever else arrives there has leaked. */
export const SELECTED_PORT = 8080;
export const OTHER_PORT = 8081;

/** Packets by source address. */
export type Sources = Readonly<Record<string, number>>;

export interface Capture {
  /** What arrived since the start, or since `from` (milliseconds since the epoch). */
  stop(): Promise<Sources>;
}

export class Outside {
  readonly host: Host;
  readonly #dir: string;
  #files = 0;

  constructor(host: Host, dir: string) {
    this.host = host;
    this.#dir = dir;
  }

  /** Starts the server. */
  async start(): Promise<void> {
    const servers = [SERVERS, EXCLUDED, SIDE_SERVERS].flatMap((each) =>
      FAMILIES.map((family) => each[family])
    );
    for (const address of servers) await this.host.ip("addr", "add", address, "dev", "lo");
    const log = `${this.#dir}/server.log`;
    const addresses = servers.join();
    const ports = [SELECTED_PORT, OTHER_PORT].join();
    this.host.spawn(denoProgram("../../cilium/programs/server.ts", [addresses, ports]), { log });
    await until("the server outside", () => includes(log, "ready"), {
      timeoutMilliseconds: 30_000,
    });
  }

  /** Records every packet for the servers' port that comes in by an interface, whoever sent it. */
  async capture(
    { port = SELECTED_PORT, interfaceName = "eth0" }: {
      readonly port?: number;
      readonly interfaceName?: string;
    } = {},
  ): Promise<Capture> {
    const log = `${this.#dir}/capture-${++this.#files}.log`;
    const tcpdump = this.host.spawn([
      ...["tcpdump", "-i", interfaceName, "-n", "-l", "--immediate-mode", "-B", "8192", "-tt"],
      `(${
        [SERVERS, SIDE_SERVERS].flatMap(Object.values).map((ip) => `dst host ${ip}`).join(" or ")
      }) and dst port ${port}`,
    ], { log });
    await until("tcpdump", () => includes(log, "listening on"));
    return {
      async stop() {
        await pause(100);
        await tcpdump.stop();
        return readCapture(await Deno.readTextFile(log));
      },
    };
  }

  /** Records packets as tcpdump prints them, with their MAC addresses. */
  async watch(filter: string): Promise<{ readonly stop: () => Promise<string> }> {
    const log = `${this.#dir}/watch-${++this.#files}.log`;
    const tcpdump = this.host.spawn(
      ["tcpdump", "-i", "eth0", "-n", "-l", "--immediate-mode", "-e", "-tt", filter],
      { log },
    );
    await until("tcpdump", () => includes(log, "listening on"));
    return {
      async stop() {
        await pause(100);
        await tcpdump.stop();
        return await Deno.readTextFile(log);
      },
    };
  }
}

/**
 * Counts what tcpdump printed by source address.
 *
 * @throws Error when the kernel dropped packets before they were counted
 */
export function readCapture(log: string): Sources {
  const dropped = /^(\d+) packets dropped by kernel$/m.exec(log)?.[1];
  if (dropped !== "0") throw new Error(`Cannot trust the capture: ${dropped} packets were dropped`);
  const sources: Record<string, number> = {};
  for (const [, source = ""] of log.matchAll(/^[\d.]+ IP6? (\S+)\.\d+ > /gm)) {
    sources[source] = (sources[source] ?? 0) + 1;
  }
  return sources;
}

/** How many packets came from another address than these. */
export function wrongSource(sources: Sources, right: readonly string[]): number {
  return Object.entries(sources).reduce(
    (sum, [source, count]) => right.includes(source) ? sum : sum + count,
    0,
  );
}

async function includes(log: string, text: string): Promise<boolean> {
  return (await Deno.readTextFile(log).catch(() => "")).includes(text);
}
