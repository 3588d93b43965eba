/** An agent's hands that act on nothing: one interface in memory, and a wire on which nobody else answers. */
import type { HostAddress } from "../../src/agent/core/view.ts";
import type { Hands } from "../../src/agent/hands.ts";

/** @param options.address The node's own, in a /24 on eth1 */
export function memoryHands({ address }: { readonly address: string }): Hands {
  const own: HostAddress = { ip: address, prefixLength: 24, ours: false };
  let bound: readonly HostAddress[] = [];
  const until = new Map<string, number>();
  return {
    interfaces: () =>
      Promise.resolve([{ name: "eth1", up: true, state: "up", addresses: [own, ...bound] }]),
    defaultRouteInterface: () => Promise.resolve("eth1"),
    bind({ ip }) {
      bound = [...bound.filter((other) => other.ip !== ip), { ip, prefixLength: 32, ours: true }];
      return Promise.resolve();
    },
    unbind({ ip }) {
      bound = bound.filter((other) => other.ip !== ip);
      return Promise.resolve();
    },
    own: () => Promise.resolve(),
    speak(entries) {
      for (const { ip, milliseconds } of entries) until.set(ip, performance.now() + milliseconds);
      return Promise.resolve();
    },
    mute(ips) {
      for (const ip of ips) until.delete(ip);
      return Promise.resolve();
    },
    speaking: () =>
      Promise.resolve(
        [...until].map(([ip, end]) => ({ ip, milliseconds: end - performance.now() }))
          .filter(({ milliseconds }) => milliseconds > 0),
      ),
    announce: () => Promise.resolve(),
    probe: () => Promise.resolve(undefined),
  };
}
