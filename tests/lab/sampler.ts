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
  const isSix = ip.includes(":");
  const filter = isSix
    ? `ether host ${await host.macOf(name)} and icmp6 and (ip6[40] = 135 or ip6[40] = 136)`
    : `arp and host ${ip} and host ${sourceIP}`;
  const tcpdump = host.spawn(
    ["tcpdump", "-i", name, "-l", "-n", "-e", "-tt", "--immediate-mode", filter],
    { log },
  );
  await until(
    "tcpdump",
    async () => (await Deno.readTextFile(log)).includes("listening"),
  );
  const askers: GuardedProcess[] = [];
  if (isSix) {
    const loop = `while true; do ndisc6 -1 -q -r 1 -w 1 ${ip} ${name}; sleep ${
      everyMilliseconds / 1000
    }; done`;
    askers.push(host.spawn(["sh", "-c", loop], { log: "/dev/null" }));
    await pause(2 * everyMilliseconds);
  }
  // arping asks once a second at most, so many of them take turns.
  const turns = isSix ? 0 : Math.max(1, Math.round(1000 / everyMilliseconds));
  for (let count = turns; count > 0; count--) {
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
  return ip.includes(":") ? parseSolicited(log, ip) : parseAsked(log, ip);
}

/** A solicitation goes to all who may have the address, unless a host looks whether a known one is still there. */
function parseSolicited(log: string, ip: string): readonly Sample[] {
  const samples: { at: number; macs: Set<string> }[] = [];
  for (const line of log.split("\n")) {
    const at = Number(line.split(" ", 1)[0]) * 1000;
    const [, from, to, what, whose] =
      /^\S+ (\S+) > (\S+), .*ICMP6, neighbor (solicitation, who has|advertisement, tgt is) ([^\s,]+)/
        .exec(line) ?? [];
    if (from === undefined || to === undefined || whose !== ip) continue;
    const isToAll = to.startsWith("33:33:");
    if (what?.startsWith("solicitation")) {
      if (isToAll) samples.push({ at, macs: new Set() });
    } else if (!isToAll) samples.at(-1)?.macs.add(from);
  }
  return samples.map(({ at, macs }) => ({ at, macs: [...macs].sort() }));
}

function parseAsked(log: string, ip: string): readonly Sample[] {
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
