/**
 * What the agent says to its neighbours, and asks them, about a VIP: iputils' arping for IPv4, libndp's ndptool and ndisc6
 * for IPv6.
 */

import { isIP } from "../../core/ip_family.ts";
import { messageOf } from "../../core/message.ts";
import { TIMINGS } from "../../core/timings.ts";
import { type Argv, CommandError, type Commands, hostCommands } from "./command.ts";

export interface NeighbourOptions {
  readonly commands?: Commands;
  readonly signal?: AbortSignal;
}

/**
 * `request`: an ARP request of the VIP for itself. `reply`: an unsolicited ARP reply. Neighbours differ in which of the
 * two they learn from.
 */
export type AnnounceForm = "request" | "reply";

export interface Announcement {
  /** Must be bound on this node, on whatever interface. */
  readonly ip: string;
  readonly interfaces: readonly string[];
  /** Of an IPv4 address; of IPv6 there is one form. */
  readonly forms?: readonly AnnounceForm[];
}

export interface AnnounceOptions extends NeighbourOptions {
  /** Told of each packet that could not be sent, some milliseconds later. */
  readonly onFailure?: (error: Error) => void;
}

/**
 * Sends one gratuitous ARP packet of each form (default both) on each interface; of an IPv6 address, one unsolicited
 * neighbour advertisement with the override flag, to all nodes.
 *
 * The gate does not hold ARP packets back: call it for VIPs that this node may speak for, and no others. Resolves
 * once the programs that send run (some milliseconds); a program that cannot send is told to `onFailure`, never thrown.
 */
export async function announce(
  { ip, interfaces, forms = ["request", "reply"] }: Announcement,
  { commands = hostCommands, signal, onFailure = () => {} }: AnnounceOptions = {},
): Promise<void> {
  const sending = interfaces.flatMap((name) =>
    announcersOf(ip, { name, forms }).map((argv) => ({ name, argv }))
  );
  await Promise.all(sending.map(async ({ name, argv }) => {
    const announcer = commands.follow(argv, { onLine: () => {}, signal });
    // arping waits for a second by itself after its packet.
    const timer = setTimeout(announcer.stop, TIMINGS.announceLifetimeMilliseconds);
    const report = (cause: unknown) =>
      onFailure(
        new Error(`Cannot announce ${ip} on '${name}': ${messageOf(cause)}`, { cause }),
      );
    announcer.ended.catch(report).finally(() => clearTimeout(timer));
    await announcer.started.catch(() => {});
  }));
}

function announcersOf(
  ip: string,
  { name, forms }: { readonly name: string; readonly forms: readonly AnnounceForm[] },
): readonly Argv[] {
  if (isIP(ip) === 6) return [["ndptool", "-t", "na", "-U", "-i", name, "-T", ip, "send"]];
  return forms.map((form) =>
    [
      "arping",
      form === "request" ? "-U" : "-A",
      "-q",
      ...["-c", "1", "-I", name, "-s", ip, ip],
    ] as const
  );
}

export interface ProbeQuestion {
  readonly ip: string;
  readonly interface: string;
  /** How long to wait for an answer. Requests go out at once and then each second. */
  readonly timeoutMilliseconds: number;
  /** MAC addresses of this node's interfaces: their answers do not count. */
  readonly ownMacs?: readonly string[];
  /**
   * An IPv4 address of this node on that interface. With it, a probe that was answered by ourselves (two interfaces in one
   * broadcast domain) is asked again in a way that hears everybody.
   */
  readonly sourceIP?: string;
  /** MAC address, lower case, of a host that is known to answer: it is given only where nobody else does. */
  readonly besides?: string;
}

/**
 * Asks who owns an address, as duplicate address detection does: with sender 0.0.0.0, so that nobody's ARP cache
 * changes and the gate lets it pass. For an IPv6 address the node's link-local address asks.
 *
 * Gives the MAC address (lower case) of another host that answered, as soon as it answers; undefined when nobody does
 * in time. Throws {@linkcode CommandError} when the question could not be asked.
 */
export async function probe(
  question: ProbeQuestion,
  options: NeighbourOptions = {},
): Promise<string | undefined> {
  const { ip, timeoutMilliseconds, sourceIP, besides } = question;
  const known = new Set(question.ownMacs?.map((mac) => mac.toLowerCase()));
  if (besides !== undefined) known.add(besides);
  const askedAt = performance.now();
  const six = isIP(ip) === 6;
  // -D and -1 end at the first answer, whoever gives it.
  const once = six ? soliciting(question, "-1") : arping(question, ["-D"]);
  const first = await firstAnswer(once, {
    ...options,
    timeoutMilliseconds,
    accept: () => true,
  });
  if (first === undefined || !known.has(first)) return first;
  let answered = first === besides ? besides : undefined;
  const rest = timeoutMilliseconds - (performance.now() - askedAt);
  if (rest <= 0 || (!six && sourceIP === undefined)) return answered;
  const again = { ...question, timeoutMilliseconds: rest };
  const all = six ? soliciting(again, "-m") : arping(again, ["-b", "-s", sourceIP ?? ""]);
  const other = await firstAnswer(all, {
    ...options,
    timeoutMilliseconds: rest,
    accept: (mac) => {
      if (mac === besides) answered = mac;
      return !known.has(mac);
    },
  });
  return other ?? answered;
}

/** The count ends an arping that nobody stops. */
function arping(
  { ip, interface: name, timeoutMilliseconds }: ProbeQuestion,
  args: readonly string[],
): Argv {
  const count = String(Math.ceil(timeoutMilliseconds / 1000) + 1);
  return ["arping", "-c", count, ...args, "-I", name, ip];
}

/** Each second once, for at least as long as asked. */
function soliciting(
  { ip, interface: name, timeoutMilliseconds }: ProbeQuestion,
  until: "-1" | "-m",
): Argv {
  const times = Math.ceil(timeoutMilliseconds / 1000);
  const wait = Math.ceil(timeoutMilliseconds / times);
  return ["ndisc6", until, "-q", "-r", String(times), "-w", String(wait), "--", ip, name];
}

interface AnswerOptions extends NeighbourOptions {
  readonly timeoutMilliseconds: number;
  readonly accept: (mac: string) => boolean;
}

async function firstAnswer(
  argv: Argv,
  { commands = hostCommands, signal, timeoutMilliseconds, accept }: AnswerOptions,
): Promise<string | undefined> {
  let answer: string | undefined;
  const isSix = argv[0] === "ndisc6";
  const asking = commands.follow(argv, {
    signal,
    onLine: (line) => {
      const mac = ANSWER.exec(line)?.[1]?.toLowerCase();
      if (mac === undefined || answer !== undefined || !accept(mac)) return;
      answer = mac;
      asking.stop();
    },
  });
  // Finer than arping's whole seconds. ndisc6 keeps its time itself, and tells what it heard when it ends.
  const limit = timeoutMilliseconds + (isSix ? NDISC6_MILLISECONDS : 0);
  const timer = setTimeout(asking.stop, limit);
  try {
    await asking.ended;
  } catch (error) {
    // arping: 1 means "answered" with -D and "not answered" without, so the lines decide; 2 means that it could not ask.
    // ndisc6: 2 means "not answered", 1 that it could not ask.
    if (!(error instanceof CommandError && error.exitCode === (isSix ? 2 : 1))) throw error;
  } finally {
    clearTimeout(timer);
  }
  signal?.throwIfAborted();
  return answer;
}

/** `Unicast reply from 10.0.0.9 [02:…]  0.7ms` of arping; ndisc6 says nothing else. */
const ANSWER = /(?:\breply from \S+ \[|^)([0-9A-Fa-f:]{17})(?:\]|$)/;

/** What ndisc6 needs beside the time that it waits. */
const NDISC6_MILLISECONDS = 200;
