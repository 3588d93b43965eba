/** The VIPs that this agent has bound: in the kernel, and in a file that remembers them. */
import { messageOf } from "../core/message.ts";
import { virtualIPsOf } from "../core/reports.ts";
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
  /** Milliseconds that it took. */
  readonly onBind: (binding: Binding, tookMilliseconds: number) => void;
  readonly onBindFailure: (ip: string, message: string) => void;
  readonly onUnbind: (ip: string) => void;
  readonly onUnbindFailure: (ip: string, error: unknown) => void;
}

/** A VIP that cuts its node off is tried again no more seldom than this. */
const LONGEST_WAIT_MILLISECONDS = 3_600_000;

export class Bindings {
  readonly #options: BindingsOptions;
  readonly #failures = new Map<string, BindFailure>();
  readonly #freshSince = new Map<string, number>();
  /** When VIPs were taken back after which the API server has not answered yet. */
  readonly #suspects = new Map<string, number>();
  /** How often each VIP was taken back alone. */
  readonly #takenBack = new Map<string, number>();
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

  /** By VIP: when each binding was made that no answered renewal has followed yet. */
  get freshSince(): ReadonlyMap<string, number> {
    return this.#freshSince;
  }

  /** Takes up what an earlier process left in the kernel and in its file. */
  async takeUp(): Promise<void> {
    const { recall, surroundings } = this.#options;
    const [interfaces, bindings] = await Promise.all([surroundings.lookAgain(), recall()]);
    this.#all = bindings.filter((binding) => isThere(binding, interfaces));
    for (const { ip, fresh } of this.#all) if (fresh) this.#freshSince.set(ip, this.#options.now());
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
      const gateway = gateways.find((candidate) => virtualIPsOf(candidate).includes(stray.ip));
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

  /** Tells whether an address among these was bound before, and somebody or something took it away. */
  lost(places: AgentPlan["bind"]): boolean {
    const { interfaces } = this.#options.surroundings;
    return places.some(({ uid, ip }) =>
      this.#all.some((binding) =>
        binding.uid === uid && binding.ip === ip && !isThere(binding, interfaces)
      )
    );
  }

  /** Binds VIPs; true: something is bound now, or fails in another way than before. */
  async bind(places: AgentPlan["bind"]): Promise<boolean> {
    let changed = false;
    for (const place of places) {
      const { ip } = place;
      const began = this.#options.now();
      try {
        const binding = await this.#bindOne(place);
        this.#failures.delete(ip);
        this.#options.onBind(binding, this.#options.now() - began);
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
    const isFresh = earlier === undefined
      ? !isBound(ip, surroundings.interfaces)
      : earlier.fresh === true;
    if (isFresh) this.#freshSince.set(ip, this.#options.now());
    await hands.bind({ ip, interface: home });
    const binding: Binding = {
      ...earlier,
      gateway,
      uid,
      ip,
      interface: home,
      speakOn,
      boundAt: there?.boundAt ?? new Date().toISOString(),
      ...(isFresh ? { fresh: true } : {}),
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
      this.#freshSince.delete(ip);
      surroundings.forget();
      onUnbind(ip);
    }
    return bindings.length > 0;
  }

  /**
   * Removes addresses after which the API server was not heard. Of several the culprit is not known: they are tried again
   * one after the other. One that was alone is left for longer each time.
   */
  async takeBack(bindings: readonly Binding[]): Promise<boolean> {
    const { now, onBindFailure } = this.#options;
    await this.unbind(bindings);
    for (const [index, { ip, interface: name }] of bindings.entries()) {
      const at = now();
      const times = this.#takenBack.get(ip) ?? 0;
      if (bindings.length === 1) this.#takenBack.set(ip, times + 1);
      const wait = bindings.length === 1
        ? Math.min(TIMINGS.bindRetryMilliseconds * 2 ** times, LONGEST_WAIT_MILLISECONDS)
        : 2 * (index + 1) * TIMINGS.takeBackMilliseconds;
      const message =
        `The API server was not heard any more once ${ip} was bound on '${name}', so it was taken back; ` +
        "write an address that no host uses";
      this.#failures.set(ip, { message, at, retryAt: at + wait });
      this.#suspects.set(ip, at);
      onBindFailure(ip, message);
    }
    return bindings.length > 0;
  }

  /**
   * An answered renewal clears the bindings that were made before it was sent. What was taken back is cleared, too, when the
   * API server was silent for longer: that was an outage.
   */
  async noteAnswer(sentAt: number): Promise<void> {
    for (const [ip, at] of this.#suspects) {
      if (sentAt <= at) continue;
      if (sentAt - at > TIMINGS.takeBackMilliseconds) {
        this.#failures.delete(ip);
        this.#takenBack.delete(ip);
      }
      this.#suspects.delete(ip);
    }
    const cleared = [...this.#freshSince].filter(([, since]) => sentAt > since).map(([ip]) => ip);
    if (cleared.length === 0) return;
    for (const ip of cleared) {
      this.#freshSince.delete(ip);
      this.#takenBack.delete(ip);
    }
    await this.#set(
      this.#all.map((binding) => cleared.includes(binding.ip) ? withoutDoubt(binding) : binding),
    );
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

function isBound(ip: string, interfaces: readonly HostInterface[]): boolean {
  return interfaces.some(({ addresses }) => addresses.some((address) => address.ip === ip));
}

function withoutDoubt({ fresh: _, ...binding }: Binding): Binding {
  return binding;
}

function withoutClaim({ claimedTerm: _, ...binding }: Binding): Binding {
  return binding;
}
