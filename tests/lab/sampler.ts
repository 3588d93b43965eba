/**
 * Who answers for an address, asked on the wire again and again: one broadcast request reaches every host at the same
 * moment, so two answers to one request are two owners, however fast the address moves.
 */
import type { GuardedProcess } from "../support/guarded_process.ts";
import type { Host } from "./network.ts";
import { pause, until } from "./wait.ts";

/** One request and who answered it. */
export interface Sample {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** MAC addresses, sorted. */
  readonly macs: readonly string[];
}

export interface Sampler extends AsyncDisposable {
  stop(): Promise<readonly Sample[]>;
}

export interface SamplerOptions {
  readonly ip: string;
  /** The asking host's interface and its address there. */
  readonly interface: string;
  readonly sourceIP: string;
  /** File for the packets that were seen. */
  readonly log: string;
  /** Default 50. */
  readonly everyMilliseconds?: number;
}

/** Starts asking; resolves once the first requests are out. */
export async function startSampler(host: Host, options: SamplerOptions): Promise<Sampler> {
  const { ip, interface: name, sourceIP, log, everyMilliseconds = 50 } = options;
  const filter = `arp and host ${ip} and host ${sourceIP}`;
  const tcpdump = host.spawn(
    ["tcpdump", "-i", name, "-l", "-n", "-e", "-tt", "--immediate-mode", filter],
    { log },
  );
  await until(
    "tcpdump",
    async () => (await Deno.readTextFile(log)).includes("listening"),
  );
  // arping asks once a second at most, so many of them take turns.
  const askers: GuardedProcess[] = [];
  for (let count = Math.max(1, Math.round(1000 / everyMilliseconds)); count > 0; count--) {
    const argv = ["arping", "-b", "-q", "-I", name, "-s", sourceIP, ip];
    askers.push(host.spawn(argv, { log: "/dev/null" }));
    await pause(everyMilliseconds);
  }
  const stop = async () => {
    await Promise.all(askers.map((asker) => asker.stop({ graceMilliseconds: 0 })));
    await pause(50);
    await tcpdump.stop();
  };
  return {
    async stop() {
      await stop();
      return parseSamples(await Deno.readTextFile(log), ip);
    },
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * Reads what `tcpdump -e -tt` prints: each request for the address with the answers that came before the next one. Others
 * who ask in its name, and the asking host's answers to them, are passed over.
 */
export function parseSamples(log: string, ip: string): readonly Sample[] {
  const samples: { at: number; macs: Set<string> }[] = [];
  for (const line of log.split("\n")) {
    const at = Number(line.split(" ", 1)[0]) * 1000;
    if (line.includes(`Request who-has ${ip} `)) samples.push({ at, macs: new Set() });
    // A broadcast reply is an announcement: it answers nobody.
    const answer = / > (\S+), .* Reply (\S+) is-at ([0-9a-f:]{17})/.exec(line);
    const [, to, whose, mac] = answer ?? [];
    if (mac !== undefined && whose === ip && to !== "ff:ff:ff:ff:ff:ff") {
      samples.at(-1)?.macs.add(mac);
    }
  }
  return samples.map(({ at, macs }) => ({ at, macs: [...macs].sort() }));
}

/** Samples to which more than one host answered. */
export function contested(samples: readonly Sample[]): readonly Sample[] {
  return samples.filter(({ macs }) => macs.length > 1);
}
