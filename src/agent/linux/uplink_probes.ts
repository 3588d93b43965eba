/**
 * Asks uplink targets from this node's own addresses.
 *
 * | target | asked by |
 * |---|---|
 * | icmp | one fping for all targets of one interface, address family and interval: a process of 1 MB, whose lines are read |
 * | arp, IPv4 | one arping for each target, once a second; it broadcasts, so that a router which changes its MAC address is found |
 * | arp, IPv6 | ndisc6, started for each question: no program asks again and again |
 * | tcp | a connection from the node's own address, closed at once. The kernel routes it by that address, as Cilium does with a gateway's; to an interface only a program could bind it, which would be started each time |
 */
import { connect } from "node:net";
import { messageOf } from "../../core/message.ts";
import { uplinkKey } from "../core/uplinks.ts";
import type { UplinkProbe } from "../core/view.ts";
import type { UplinkListener, UplinkProber } from "../hands.ts";
import { CommandError, type Commands } from "./command.ts";
import { keepRunning } from "./kept_program.ts";

export interface UplinkProbesOptions extends UplinkListener {
  readonly commands: Commands;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

/** Ends one program or timer. */
type Stop = () => void;

/** What fping said longer ago is no news: we were stopped and it is being read late. */
const STALE_INTERVALS = 3;

/** A connection that has not been made by then will not be. */
const CONNECT_INTERVALS = 3;
const CONNECT_MILLISECONDS = 3_000;

export function probeUplinks(options: UplinkProbesOptions): UplinkProber {
  const running = new Map<string, Stop>();
  options.signal.addEventListener("abort", () => {
    for (const stop of running.values()) stop();
    running.clear();
  }, { once: true });
  return {
    set(probes) {
      if (options.signal.aborted) return;
      const wanted = Map.groupBy(probes, groupOf);
      // A group with other members is another program: its name has them.
      const named = new Map([...wanted].map(([group, members]) => [
        `${group} ${members.map(uplinkKey).sort().join()}`,
        members,
      ]));
      for (const [name, stop] of running) {
        if (named.has(name)) continue;
        stop();
        running.delete(name);
      }
      for (const [name, members] of named) {
        if (!running.has(name)) running.set(name, start(members, options));
      }
    },
  };
}

/** Probes of one group are one program's. */
function groupOf(probe: UplinkProbe): string {
  const { kind, family, interface: name, source, intervalMilliseconds } = probe;
  return kind === "icmp"
    ? [kind, family, name, source, intervalMilliseconds].join(" ")
    : uplinkKey(probe);
}

function start(probes: readonly UplinkProbe[], options: UplinkProbesOptions): Stop {
  const [probe] = probes;
  if (probe === undefined) return () => {};
  switch (probe.kind) {
    case "icmp":
      return echo(probe, probes, options);
    case "tcp":
      return connectAgain(probe, options);
    case "arp":
      return probe.family === 4 ? askByARP(probe, options) : discover(probe, options);
  }
}

function echo(
  { interface: name, source, family, intervalMilliseconds }: UplinkProbe,
  probes: readonly UplinkProbe[],
  { commands, ...listener }: UplinkProbesOptions,
): Stop {
  const keys = new Map(probes.map((probe) => [probe.address, uplinkKey(probe)]));
  const interval = String(intervalMilliseconds);
  return keepRunning({
    commands,
    argv: [
      "fping",
      `-${family}`,
      ...["--loop", "--timestamp", "--period", interval, "--timeout", interval],
      ...["--interval", "1", "--iface", name],
      ...(source === undefined ? [] : ["--src", source]),
      ...["--", ...keys.keys()],
    ],
    // `[1795440623.59043] 10.0.0.2 : [5], 64 bytes, 0.045 ms (…`
    onLine: (line) => {
      const said = /^\[(\d+\.\d+)\] (\S+)\s+: \[\d+\], \d+ bytes/.exec(line);
      const key = keys.get(said?.[2] ?? "");
      if (key === undefined) return;
      const ago = Math.max(0, Date.now() - Number(said?.[1]) * 1_000);
      if (ago < STALE_INTERVALS * intervalMilliseconds) listener.onAnswer(key, ago);
    },
    onStart: () => keys.forEach((key) => listener.onBegin(key)),
    onEnd: (error) => keys.forEach((key) => listener.onProblem(key, messageOf(error))),
  });
}

function askByARP(probe: UplinkProbe, { commands, ...listener }: UplinkProbesOptions): Stop {
  const { address, interface: name, source, intervalMilliseconds } = probe;
  const key = uplinkKey(probe);
  // It knows whole seconds only.
  const seconds = String(Math.max(1, Math.floor(intervalMilliseconds / 1_000)));
  return keepRunning({
    commands,
    argv: [
      "arping",
      ...["-b", "-i", seconds, "-I", name],
      ...(source === undefined ? [] : ["-s", source]),
      address,
    ],
    onLine: (line) => {
      if (/\breply from /.test(line)) listener.onAnswer(key, 0);
    },
    onStart: () => listener.onBegin(key),
    onEnd: (error) => listener.onProblem(key, messageOf(error)),
  });
}

function discover(probe: UplinkProbe, { commands, ...listener }: UplinkProbesOptions): Stop {
  const { address, interface: name, source, intervalMilliseconds } = probe;
  const key = uplinkKey(probe);
  const wait = String(Math.min(intervalMilliseconds, 1_000));
  const ending = new AbortController();
  const ask = (): void => {
    const argv = [
      "ndisc6",
      ...["-q", "-1", "-r", "1", "-w", wait],
      ...(source === undefined ? [] : ["-s", source]),
      ...[address, name],
    ] as const;
    commands.run(argv, { signal: ending.signal }).then(
      () => listener.onAnswer(key, 0),
      (error: unknown) => {
        // An exit code is an answer of its own: nobody was heard.
        const cannot = error instanceof CommandError && error.exitCode === undefined;
        if (cannot && !ending.signal.aborted) listener.onProblem(key, messageOf(error));
        else if (!ending.signal.aborted) listener.onBegin(key);
      },
    );
  };
  return repeat(ask, { intervalMilliseconds, onStop: () => ending.abort() });
}

function connectAgain(probe: UplinkProbe, listener: UplinkListener): Stop {
  const { address, port = 0, source, interface: name, intervalMilliseconds } = probe;
  const key = uplinkKey(probe);
  const open = new Set<ReturnType<typeof connect>>();
  const ask = (): void => {
    const host = source === undefined ? `${address}%${name}` : address;
    const socket = connect({
      host,
      port,
      ...(source === undefined ? {} : { localAddress: source }),
    });
    open.add(socket);
    const patience = Math.min(CONNECT_INTERVALS * intervalMilliseconds, CONNECT_MILLISECONDS);
    const timer = setTimeout(() => socket.destroy(), patience);
    socket.once("connect", () => {
      listener.onAnswer(key, 0);
      socket.destroy();
    });
    socket.on("error", (error) => {
      if (isRefusedHere(error)) listener.onProblem(key, messageOf(error));
      socket.destroy();
    });
    socket.once("close", () => {
      clearTimeout(timer);
      open.delete(socket);
    });
  };
  return repeat(ask, {
    intervalMilliseconds,
    onStop: () => {
      for (const socket of open) socket.destroy();
    },
  });
}

/** This process may not make the connection, or has no such address: the target was not asked. */
function isRefusedHere(error: Error): boolean {
  const code = "code" in error ? error.code : undefined;
  return code === "EACCES" || code === "EADDRNOTAVAIL";
}

/** Asks at once, and then in each interval. */
function repeat(
  ask: () => void,
  { intervalMilliseconds, onStop }: {
    readonly intervalMilliseconds: number;
    readonly onStop: () => void;
  },
): Stop {
  ask();
  const timer = setInterval(ask, intervalMilliseconds);
  return () => {
    clearInterval(timer);
    onStop();
  };
}
