/** A pod: a network namespace that the real CNI plugin attached to its node. */
import { denoProgram } from "../lab/deno_program.ts";
import type { Host } from "../lab/network.ts";
import { until } from "../lab/wait.ts";
import type { GuardedProcess } from "../support/guarded_process.ts";
import { type FlowResult, readFlows } from "./flows.ts";
import { SELECTED_PORT, SERVERS } from "./outside.ts";

/** Who sends while a connection is held. */
export type Traffic = "idle" | "client" | "server";

/** What became of an established TCP connection. */
export type Fate =
  | { readonly survived: true; readonly source: string; readonly silenceMilliseconds: number }
  | { readonly survived: false; readonly reason: string };

export interface Target {
  /** Default: the server of IPv4. */
  readonly address?: string;
  /** Default {@linkcode SELECTED_PORT}. */
  readonly port?: number;
}

/** A run of flows under way. */
export interface Flows {
  stop(): Promise<FlowResult>;
}

/** A TCP connection that is held. */
export interface Connection {
  /** Exchanges a last line and ends. */
  stop(): Promise<Fate>;
}

const START_MILLISECONDS = 30_000;

/**
 * Each held connection has a source port that no other pod's connection has, above those that the kernel hands out: one
 * that Cilium has to give another port survives no move (docs/cilium.md).
 */
let lastSourcePort = 61_000;

export class Pod {
  readonly name: string;
  readonly #host: Host;
  readonly #dir: string;
  #programs = 0;

  constructor(name: string, parts: { readonly host: Host; readonly dir: string }) {
    this.name = name;
    this.#host = parts.host;
    this.#dir = parts.dir;
  }

  /** The address that the server sees of a new TCP connection, or why there is none. */
  async source({ address = SERVERS[4], port = SELECTED_PORT }: Target = {}): Promise<string> {
    const script = `exec 3<>/dev/tcp/${address}/${port} && read -r line <&3 && echo "$line"`;
    try {
      const argv = ["timeout", "2", "bash", "-c", script] as const;
      return (await this.#host.run(argv)).trim();
    } catch {
      return "no answer";
    }
  }

  /** Starts new flows, one every so often (default 5 ms). */
  async flows(
    { address = SERVERS[4], port = SELECTED_PORT, everyMilliseconds = 5 }: Target & {
      readonly everyMilliseconds?: number;
    } = {},
  ): Promise<Flows> {
    const program = await this.#start("flows.ts", [
      address,
      String(port),
      String(everyMilliseconds),
    ]);
    return {
      async stop() {
        await program.stop();
        return readFlows(await Deno.readTextFile(program.log));
      },
    };
  }

  /** Sends as much as it can until it is stopped. */
  pour({ address = SERVERS[4], port = SELECTED_PORT }: Target = {}): GuardedProcess {
    const log = `${this.#dir}/pod-${this.name}-${++this.#programs}.log`;
    const script = `cat /dev/zero > /dev/tcp/${address}/${port}`;
    return this.#host.spawn(["bash", "-c", script], { log });
  }

  /** Opens a TCP connection and holds it. */
  async connect(
    traffic: Traffic,
    { address = SERVERS[4], port = SELECTED_PORT, sourcePort = ++lastSourcePort }: Target & {
      readonly sourcePort?: number;
    } = {},
  ): Promise<Connection> {
    const program = await this.#start("connection.ts", [
      address,
      String(port),
      traffic,
      String(sourcePort),
    ]);
    return {
      async stop() {
        await program.stop({ graceMilliseconds: 20_000 });
        return readFate(await Deno.readTextFile(program.log));
      },
    };
  }

  async #start(file: string, args: readonly string[]): Promise<GuardedProcess> {
    const log = `${this.#dir}/pod-${this.name}-${++this.#programs}.log`;
    const program = this.#host.spawn(denoProgram(`../../cilium/programs/${file}`, args), { log });
    await until(`${file} in pod ${this.name}`, async () => {
      const text = await Deno.readTextFile(log).catch(() => "");
      if (program.exitStatus() !== undefined) {
        throw new Error(`Cannot run ${file} in pod ${this.name}: ${text}`);
      }
      return text.includes("ready\n");
    }, { timeoutMilliseconds: START_MILLISECONDS });
    return program;
  }
}

/** Reads what `programs/connection.ts` printed. */
export function readFate(log: string): Fate {
  const [, source, silence] = /^survived (\S+) (\d+)$/m.exec(log) ?? [];
  if (source !== undefined) {
    return { survived: true, source, silenceMilliseconds: Number(silence) };
  }
  return { survived: false, reason: /^died (.+)$/m.exec(log)?.[1] ?? "unknown" };
}
