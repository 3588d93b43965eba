/** The real agent on a simulated node: its loop, its renewals and its memory are the real ones, its hands are not. */
import { startAgent } from "../agent/run_agent.ts";
import type { Pings } from "../agent/run_agent.ts";
import type { AgentEvent } from "../agent/agent_status.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Kernel, Segment } from "./segment.ts";

export interface SimulatedAgentOptions {
  readonly segment: Segment;
  readonly kernel: Kernel;
  /** A folder that a reboot empties. */
  readonly stateDirectory: string;
  readonly onEvent: (event: AgentEvent) => void;
  /** Aborts when the node loses power: the agent stops in the middle of whatever it does. */
  readonly power: AbortSignal;
}

/** As the agent's fping does: three misses, 200 ms apart. */
const PING_MILLISECONDS = 200;
const MISSES = 3;

/** Runs an agent until its node loses power. */
export async function runSimulatedAgent(
  client: KubeClient,
  { segment, kernel, stateDirectory, onEvent, power }: SimulatedAgentOptions,
): Promise<void> {
  const { ended } = startAgent(powered(client, power), {
    nodeName: kernel.node,
    hands: kernel.hands(segment, power),
    stateDirectory,
    ciliumHealthz: undefined,
    createPings: (onChange) => new SimulatedPings(segment, { onChange, power }),
    onEvent: (event) => {
      if (!power.aborted) onEvent(event);
    },
    // A node that loses power hands nothing over.
    signal: new AbortController().signal,
  });
  try {
    await ended;
  } catch (error) {
    if (!power.aborted) throw error;
  }
}

/** A client that gets no answer once the power is off. */
function powered(client: KubeClient, power: AbortSignal): KubeClient {
  const bounded = (signal: AbortSignal | undefined) =>
    signal === undefined ? power : AbortSignal.any([signal, power]);
  return {
    ...client,
    request: (request) => client.request({ ...request, signal: bounded(request.signal) }),
    stream: (request) => client.stream({ ...request, signal: bounded(request.signal) }),
  };
}

class SimulatedPings implements Pings {
  readonly #segment: Segment;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #onChange: (unreachable: readonly string[]) => void;
  #misses = new Map<string, number>();
  #told = "";

  constructor(
    segment: Segment,
    { onChange, power }: {
      readonly onChange: (unreachable: readonly string[]) => void;
      readonly power: AbortSignal;
    },
  ) {
    this.#segment = segment;
    this.#onChange = onChange;
    this.#timer = setInterval(() => this.#ping(), PING_MILLISECONDS);
    power.addEventListener("abort", () => this[Symbol.dispose](), { once: true });
  }

  setTargets(addresses: Iterable<string>): void {
    this.#misses = new Map([...addresses].map((ip) => [ip, this.#misses.get(ip) ?? 0]));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #ping(): void {
    for (const [ip, misses] of this.#misses) {
      this.#misses.set(ip, this.#segment.reaches(ip) ? 0 : misses + 1);
    }
    const unreachable = [...this.#misses].filter(([, misses]) => misses >= MISSES).map(([ip]) => ip)
      .sort();
    if (unreachable.join() === this.#told) return;
    this.#told = unreachable.join();
    this.#onChange(unreachable);
  }
}
