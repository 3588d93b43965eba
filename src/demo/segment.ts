/**
 * One Ethernet segment in memory, and the kernels on it: who answers ARP for an address, and whom the neighbours believe.
 *
 * A kernel does what the agent's gate makes a real one do: an owned address answers only while its permission to speak
 * lasts.
 */
import { familyOf } from "../core/ip_family.ts";
import type { HostInterface } from "../agent/core/view.ts";
import type { Hands } from "../agent/hands.ts";

export interface KernelOptions {
  readonly node: string;
  readonly mac: string;
  /** The node's own address, with prefix length: `172.18.18.11/24`. */
  readonly address: string;
  /** A second one, of IPv6, in a network of 64 bits. */
  readonly ip6?: string;
  readonly interface: string;
}

export interface NeighbourMove {
  /** Undefined: nobody before. */
  readonly from: string | undefined;
  readonly to: string;
}

/** How long a probe waits for an answer. */
const PROBE_MILLISECONDS = 200;

export class Segment {
  readonly #kernels = new Set<Kernel>();
  readonly #neighbours = new Map<string, string>();
  readonly #onNeighbours: (ip: string, move: NeighbourMove) => void;

  /** @param onNeighbours told when the neighbours begin to send an address's packets to another node */
  constructor(onNeighbours: (ip: string, move: NeighbourMove) => void) {
    this.#onNeighbours = onNeighbours;
  }

  attach(kernel: Kernel): void {
    this.#kernels.add(kernel);
  }

  detach(kernel: Kernel): void {
    this.#kernels.delete(kernel);
  }

  /** Who answers an ARP request for the address. */
  answering(ip: string): readonly Kernel[] {
    return [...this.#kernels].filter((kernel) => kernel.answers(ip));
  }

  /** Whether a host with this address of its own answers pings. */
  reaches(ip: string): boolean {
    return [...this.#kernels].some((kernel) => kernel.ownIP === ip);
  }

  announce(ip: string, node: string): void {
    const from = this.#neighbours.get(ip);
    if (from === node) return;
    this.#neighbours.set(ip, node);
    this.#onNeighbours(ip, { from, to: node });
  }
}

/** A node's network from its start until it loses power. */
export class Kernel {
  readonly ownIP: string;
  readonly #options: KernelOptions;
  readonly #prefixLength: number;
  readonly #bound = new Set<string>();
  readonly #speaking = new Map<string, number>();
  #owned: ReadonlySet<string> = new Set();

  constructor(options: KernelOptions) {
    const [ip = "", prefixLength = "32"] = options.address.split("/");
    this.ownIP = ip;
    this.#prefixLength = Number(prefixLength);
    this.#options = options;
  }

  get node(): string {
    return this.#options.node;
  }

  get mac(): string {
    return this.#options.mac;
  }

  answers(ip: string): boolean {
    if (ip === this.ownIP || ip === this.#options.ip6) return true;
    return this.#bound.has(ip) && (!this.#owned.has(ip) || this.#maySpeak(ip));
  }

  /** Hands that act on this kernel, until the power is off; then nothing does anything any more. */
  hands(segment: Segment, power: AbortSignal): Hands {
    const act = async <T>(action: () => T): Promise<T> => {
      await Promise.resolve();
      power.throwIfAborted();
      return action();
    };
    return {
      interfaces: () => act(() => [this.#link()]),
      defaultRouteInterface: () => act(() => this.#options.interface),
      bind: ({ ip }) => act(() => void this.#bound.add(ip)),
      unbind: ({ ip }) => act(() => void this.#bound.delete(ip)),
      own: (ips) => act(() => void (this.#owned = new Set(ips))),
      speak: (entries) =>
        act(() => {
          for (const { ip, milliseconds } of entries) {
            this.#speaking.set(ip, performance.now() + milliseconds);
          }
        }),
      mute: (ips) =>
        act(() => {
          for (const ip of ips) this.#speaking.delete(ip);
        }),
      speaking: () =>
        act(() =>
          [...this.#speaking].map(([ip, until]) => ({
            ip,
            milliseconds: Math.max(0, until - performance.now()),
          }))
        ),
      announce: (ip) => act(() => segment.announce(ip, this.node)),
      probe: async (ip) => {
        const heard = () => segment.answering(ip).find((kernel) => kernel !== this)?.mac;
        const mac = await act(heard);
        if (mac !== undefined) return mac;
        await new Promise((resolve) => setTimeout(resolve, PROBE_MILLISECONDS));
        return await act(heard);
      },
    };
  }

  #maySpeak(ip: string): boolean {
    return (this.#speaking.get(ip) ?? 0) > performance.now();
  }

  #link(): HostInterface {
    const { interface: name, mac, ip6 } = this.#options;
    const own = [{ ip: this.ownIP, prefixLength: this.#prefixLength, ours: false }];
    const own6 = ip6 === undefined ? [] : [{ ip: ip6, prefixLength: 64, ours: false }];
    const bound = [...this.#bound].map((ip) => ({
      ip,
      prefixLength: familyOf(ip) === 4 ? 32 : 128,
      ours: true,
    }));
    return { name, up: true, state: "up", mac, addresses: [...own, ...own6, ...bound] };
  }
}
