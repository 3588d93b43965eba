/** What the agent says to its neighbours, and asks them, about a VIP: iputils' arping. */

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
  readonly forms?: readonly AnnounceForm[];
}

export interface AnnounceOptions extends NeighbourOptions {
  /** Told of each packet that could not be sent, some milliseconds later. */
  readonly onFailure?: (error: Error) => void;
}

/**
 * Sends one gratuitous ARP packet of each form (default both) on each interface.
 *
 * The gate does not hold these packets back: call it for VIPs that this node may speak for, and no others. Resolves
 * once the programs that send run (some milliseconds); a program that cannot send is told to `onFailure`, never thrown.
 */
export async function announce(
  { ip, interfaces, forms = ["request", "reply"] }: Announcement,
  { commands = hostCommands, signal, onFailure = () => {} }: AnnounceOptions = {},
): Promise<void> {
  const sending = interfaces.flatMap((name) => forms.map((form) => ({ name, form })));
  await Promise.all(sending.map(async ({ name, form }) => {
    const argv: Argv = [
      "arping",
      form === "request" ? "-U" : "-A",
      "-q",
      ...["-c", "1", "-I", name, "-s", ip, ip],
    ];
    const arping = commands.follow(argv, { onLine: () => {}, signal });
    // It waits for a second by itself after its packet.
    const timer = setTimeout(arping.stop, TIMINGS.announceLifetimeMilliseconds);
    const report = (cause: unknown) =>
      onFailure(new Error(`Cannot announce ${ip} on '${name}'`, { cause }));
    arping.ended.catch(report).finally(() => clearTimeout(timer));
    await arping.started.catch(() => {});
  }));
}

export interface ProbeQuestion {
  readonly ip: string;
  readonly interface: string;
  /** How long to wait for an answer. Requests go out at once and then each second. */
  readonly timeoutMilliseconds: number;
  /** MAC addresses of this node's interfaces: their answers do not count. */
  readonly ownMacs?: readonly string[];
  /**
   * An address of this node on that interface. With it, a probe that was answered by ourselves (two interfaces in one
   * broadcast domain) is asked again in a way that hears everybody.
   */
  readonly sourceIP?: string;
  /** MAC address, lower case, of a host that is known to answer: it is given only where nobody else does. */
  readonly besides?: string;
}

/**
 * Asks who owns an address, as duplicate address detection does: with sender 0.0.0.0, so that nobody's ARP cache
 * changes and the gate lets it pass.
 *
 * Gives the MAC address (lower case) of another host that answered, as soon as it answers; undefined when nobody does
 * in time. Throws {@linkcode CommandError} when the question could not be asked.
 */
export async function probe(
  question: ProbeQuestion,
  options: NeighbourOptions = {},
): Promise<string | undefined> {
  const { ip, interface: name, timeoutMilliseconds, sourceIP, besides } = question;
  const known = new Set(question.ownMacs?.map((mac) => mac.toLowerCase()));
  if (besides !== undefined) known.add(besides);
  const askedAt = performance.now();
  // -D ends at the first answer, whoever gives it.
  const first = await firstAnswer(["-D", "-I", name, ip], {
    ...options,
    timeoutMilliseconds,
    accept: () => true,
  });
  if (first === undefined || !known.has(first)) return first;
  let answered = first === besides ? besides : undefined;
  const rest = timeoutMilliseconds - (performance.now() - askedAt);
  if (sourceIP === undefined || rest <= 0) return answered;
  const other = await firstAnswer(["-b", "-I", name, "-s", sourceIP, ip], {
    ...options,
    timeoutMilliseconds: rest,
    accept: (mac) => {
      if (mac === besides) answered = mac;
      return !known.has(mac);
    },
  });
  return other ?? answered;
}

interface AnswerOptions extends NeighbourOptions {
  readonly timeoutMilliseconds: number;
  readonly accept: (mac: string) => boolean;
}

async function firstAnswer(
  args: readonly string[],
  { commands = hostCommands, signal, timeoutMilliseconds, accept }: AnswerOptions,
): Promise<string | undefined> {
  let answer: string | undefined;
  // The time limit below is finer than arping's whole seconds; the count ends an arping that nobody stops.
  const count = String(Math.ceil(timeoutMilliseconds / 1000) + 1);
  const arping = commands.follow(["arping", "-c", count, ...args], {
    signal,
    onLine: (line) => {
      const mac = /\breply from \S+ \[([0-9A-Fa-f:]{17})\]/.exec(line)?.[1]?.toLowerCase();
      if (mac === undefined || answer !== undefined || !accept(mac)) return;
      answer = mac;
      arping.stop();
    },
  });
  const timer = setTimeout(arping.stop, timeoutMilliseconds);
  try {
    await arping.ended;
  } catch (error) {
    // 1 means "answered" with -D and "not answered" without, so the lines decide; 2 means that it could not ask.
    if (!(error instanceof CommandError && error.exitCode === 1)) throw error;
  } finally {
    clearTimeout(timer);
  }
  signal?.throwIfAborted();
  return answer;
}
