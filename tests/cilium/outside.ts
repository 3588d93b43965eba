/** The world outside the cluster: a server that tells clients the address it sees, and a record of all that arrives. */
import { denoProgram } from "../lab/deno_program.ts";
import type { Host } from "../lab/network.ts";
import { pause, until } from "../lab/wait.ts";

/** What the policies of the tests select, and an address beside it that they exclude. */
export const SERVER = "198.51.100.10";
export const EXCLUDED = "198.51.100.20";
export const DESTINATIONS = "198.51.100.0/24";

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
    for (const address of [SERVER, EXCLUDED]) {
      await this.host.ip("addr", "add", `${address}/32`, "dev", "lo");
    }
    const log = `${this.#dir}/server.log`;
    const addresses = [SERVER, EXCLUDED].join();
    const ports = [SELECTED_PORT, OTHER_PORT].join();
    this.host.spawn(denoProgram("../../cilium/programs/server.ts", [addresses, ports]), { log });
    await until("the server outside", () => includes(log, "ready"), {
      timeoutMilliseconds: 30_000,
    });
  }

  /** Records every packet for the server's port, whoever sent it. */
  async capture(port = SELECTED_PORT): Promise<Capture> {
    const log = `${this.#dir}/capture-${++this.#files}.log`;
    const tcpdump = this.host.spawn([
      ...["tcpdump", "-i", "eth0", "-n", "-l", "--immediate-mode", "-B", "8192", "-tt"],
      `ip and dst host ${SERVER} and dst port ${port}`,
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
  for (const [, source = ""] of log.matchAll(/^[\d.]+ IP (\d+\.\d+\.\d+\.\d+)\.\d+ > /gm)) {
    sources[source] = (sources[source] ?? 0) + 1;
  }
  return sources;
}

/** How many packets came from another address than this. */
export function wrongSource(sources: Sources, right: string): number {
  return Object.entries(sources).reduce(
    (sum, [source, count]) => source === right ? sum : sum + count,
    0,
  );
}

async function includes(log: string, text: string): Promise<boolean> {
  return (await Deno.readTextFile(log).catch(() => "")).includes(text);
}
