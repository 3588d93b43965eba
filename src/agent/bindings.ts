/** The VIPs that this agent has bound: in the kernel, and in a file that remembers them. */
import { messageOf } from "../core/message.ts";
import { virtualIPOf } from "../core/reports.ts";
import { TIMINGS } from "../core/timings.ts";
import type { Gateway } from "../core/types.ts";
import type { AgentPlan, BindFailure, Binding, HostInterface } from "./core/view.ts";
import type { Hands } from "./hands.ts";
import type { Surroundings } from "./surroundings.ts";

export interface BindingsOptions {
  readonly hands: Pick<Hands, "bind" | "unbind" | "own">;
  readonly surroundings: Surroundings;
  readonly recall: () => Promise<readonly Binding[]>;
  readonly remember: (bindings: readonly Binding[]) => Promise<void>;
  /** Milliseconds of the node's monotonic clock. */
  readonly now: () => number;
  readonly onBind: (binding: Binding) => void;
  readonly onBindFailure: (ip: string, message: string) => void;
  readonly onUnbind: (ip: string) => void;
  readonly onUnbindFailure: (ip: string, error: unknown) => void;
}

export class Bindings {
  readonly #options: BindingsOptions;
  readonly #failures = new Map<string, BindFailure>();
  #all: readonly Binding[] = [];
  #owned: { readonly ips: string; readonly at: number } | undefined;

  constructor(options: BindingsOptions) {
    this.#options = options;
  }

  get all(): readonly Binding[] {
    return this.#all;
  }

  /** By VIP: what kept it from being bound at the last attempt. */
  get failures(): ReadonlyMap<string, BindFailure> {
    return this.#failures;
  }

  /** Takes up what an earlier process left in the kernel and in its file. */
  async takeUp(): Promise<void> {
    const { recall, surroundings } = this.#options;
    const [interfaces, bindings] = await Promise.all([surroundings.lookAgain(), recall()]);
    this.#all = bindings.filter((binding) => isThere(binding, interfaces));
  }

  /** Addresses that carry our mark and that no file remembers: taken up where a gateway wants them, else removed. */
  async adoptStrays(gateways: readonly Gateway[]): Promise<void> {
    const { hands, surroundings } = this.#options;
    const known = new Set(this.#all.map(({ ip }) => ip));
    const strays = surroundings.interfaces.flatMap(({ name, addresses }) =>
      addresses.filter(({ ours, ip }) => ours && !known.has(ip))
        .map(({ ip }) => ({ ip, interface: name, speakOn: [], boundAt: new Date().toISOString() }))
    );
    for (const stray of strays) {
      const gateway = gateways.find((candidate) => virtualIPOf(candidate) === stray.ip);
      if (gateway === undefined) await hands.unbind(stray);
      else await this.#set([...this.#all, { ...stray, gateway: gateway.name, uid: gateway.uid }]);
    }
  }

  /** Makes the gate cover these VIPs, and now and then puts it in place anew. */
  async own(ips: readonly string[]): Promise<void> {
    const { hands, now } = this.#options;
    const at = now();
    const same = this.#owned?.ips === ips.join();
    const isFresh = at - (this.#owned?.at ?? 0) < TIMINGS.gateRefreshMilliseconds;
    if (same && (ips.length === 0 || isFresh)) return;
    await hands.own(ips);
    this.#owned = { ips: ips.join(), at };
  }

  /** Binds VIPs; true: something is bound now, or fails in another way than before. */
  async bind(places: AgentPlan["bind"]): Promise<boolean> {
    let changed = false;
    for (const place of places) {
      const { ip } = place;
      try {
        const binding = await this.#bindOne(place);
        this.#failures.delete(ip);
        this.#options.onBind(binding);
        changed = true;
      } catch (error) {
        const message = messageOf(error);
        if (this.#failures.get(ip)?.message !== message) changed = true;
        this.#failures.set(ip, { message, at: this.#options.now() });
        this.#options.onBindFailure(ip, message);
      }
    }
    return changed;
  }

  async #bindOne(
    { gateway, uid, ip, interface: name, speakOn }: AgentPlan["bind"][number],
  ): Promise<Binding> {
    const { hands, surroundings } = this.#options;
    const earlier = this.#all.find((binding) => binding.uid === uid && binding.ip === ip);
    // An address that is bound stays where it is.
    const there = earlier !== undefined && isThere(earlier, surroundings.interfaces)
      ? earlier
      : undefined;
    const home = there?.interface ?? name;
    await hands.bind({ ip, interface: home });
    const binding: Binding = {
      ...earlier,
      gateway,
      uid,
      ip,
      interface: home,
      speakOn,
      boundAt: there?.boundAt ?? new Date().toISOString(),
    };
    if (!isThere(binding, await surroundings.lookAgain())) {
      throw new Error(`${ip} is not on '${home}' after it was bound`);
    }
    await this.#set([...this.#all.filter((other) => other !== earlier), binding]);
    return binding;
  }

  /** Removes addresses; true: there was something to remove. */
  async unbind(bindings: readonly Binding[]): Promise<boolean> {
    const { hands, surroundings, onUnbind, onUnbindFailure } = this.#options;
    for (const binding of bindings) {
      const { ip } = binding;
      // A gateway that was made anew has the same address under another uid.
      const isShared = this.#all.some((other) => other !== binding && other.ip === ip);
      try {
        if (!isShared) await hands.unbind(binding);
      } catch (error) {
        onUnbindFailure(ip, error);
        continue;
      }
      await this.#set(this.#all.filter((other) => other !== binding));
      surroundings.forget();
      onUnbind(ip);
    }
    return bindings.length > 0;
  }

  /** Forgets claims that no longer stand. */
  async giveUp(given: readonly Binding[]): Promise<void> {
    if (given.length === 0) return;
    await this.#set(
      this.#all.map((binding) => given.includes(binding) ? withoutClaim(binding) : binding),
    );
  }

  /**
   * Remembers which terms were claimed, for a process that starts while the API server is away.
   *
   * @param claims gateway uid -> term, as the API server acknowledged them
   * @param speaking VIPs that the kernel lets us speak for
   */
  async noteClaims(
    claims: Readonly<Record<string, number>>,
    speaking: ReadonlyMap<string, number>,
  ): Promise<void> {
    const claimed = this.#all.map((binding) => {
      const term = claims[binding.uid];
      return speaking.has(binding.ip) && term !== undefined
        ? { ...binding, claimedTerm: term }
        : binding;
    });
    const isNews = claimed.some(({ claimedTerm }, index) =>
      claimedTerm !== this.#all[index]?.claimedTerm
    );
    if (isNews) await this.#set(claimed);
  }

  async #set(bindings: readonly Binding[]): Promise<void> {
    this.#all = bindings;
    await this.#options.remember(bindings);
  }
}

function isThere({ ip, interface: name }: Binding, interfaces: readonly HostInterface[]): boolean {
  return interfaces.some((link) =>
    link.name === name && link.addresses.some((address) => address.ip === ip)
  );
}

function withoutClaim({ claimedTerm: _, ...binding }: Binding): Binding {
  return binding;
}
