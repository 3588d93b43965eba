/**
 * The agent's loop: look, decide, act, look again.
 *
 * It wakes each second, and at once when the duties change, a renewal is answered, or a probe or ping tells something.
 * All judgement is in `core/`; this file keeps the state between looks and does what was decided, in an order that is
 * part of the protocol: silence first, the fence before the address, the claim before the speech.
 */
import { decide } from "./core/decide.ts";
import { DEFAULT_PACE } from "./core/pace.ts";
import type { Pace } from "./core/pace.ts";
import type { AgentPlan, AgentView, BindFailure, Binding, HostInterface } from "./core/view.ts";
import { virtualIPOf } from "../core/reports.ts";
import type { Gateway, Report } from "../core/types.ts";
import type { Hands, Watch } from "./hands.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { RenewalNews } from "./heartbeat.ts";
import type { RenewalAnswer } from "./renewal.ts";
import { Speech } from "./speech.ts";
import { Wire } from "./wire.ts";

export interface AgentOptions {
  readonly nodeName: string;
  readonly hands: Hands;
  readonly renew: (report: Report, signal: AbortSignal) => Promise<RenewalAnswer>;
  readonly recall: () => Promise<readonly Binding[]>;
  readonly remember: (bindings: readonly Binding[]) => Promise<void>;
  /** Asked to list the gateways again, since what is known may be old. */
  readonly relist: () => void;
  readonly setPingTargets: (targets: Readonly<Record<string, readonly string[]>>) => void;
  readonly pace?: Pace;
  readonly now?: () => number;
  readonly onEvent?: (event: AgentEvent) => void;
}

/** Something worth a line in the log. */
export interface AgentEvent {
  readonly event:
    | "Bound"
    | "BindFailed"
    | "Unbound"
    | "Speaking"
    | "Muted"
    | "Disconnected"
    | "Connected"
    | "Conflict"
    | "Failed";
  readonly ip?: string;
  readonly message?: string;
}

/** How the agent is doing; its readiness, and its metrics. */
export interface AgentStatus {
  /** Milliseconds since the last renewal that was answered; undefined: none yet. */
  readonly renewedAgoMilliseconds: number | undefined;
  readonly dutiesKnown: boolean;
  readonly failures: readonly string[];
  readonly bound: readonly string[];
  readonly speaking: readonly string[];
  readonly announcements: number;
  /** Looks for other owners of a VIP. */
  readonly probes: number;
  readonly renewals: number;
  readonly failedRenewals: number;
}

/** The status of an agent that is about to start. */
export const NOT_STARTED: AgentStatus = {
  renewedAgoMilliseconds: undefined,
  dutiesKnown: false,
  failures: [],
  bound: [],
  speaking: [],
  announcements: 0,
  probes: 0,
  renewals: 0,
  failedRenewals: 0,
};

/** Addresses are looked at whenever they change; where that cannot be told each second, and now and then anyway. */
const LOOK_MILLISECONDS = 1_000;
const WATCHED_LOOK_MILLISECONDS = 10_000;

/** The fence is written anew this often, in case somebody else took it away. */
const FENCE_MILLISECONDS = 10_000;

export class Agent {
  readonly #options: AgentOptions;
  readonly #pace: Pace;
  readonly #now: () => number;
  readonly #heartbeat: Heartbeat;
  readonly #speech: Speech;
  readonly #wire: Wire;
  readonly #bindFailures = new Map<string, BindFailure>();
  readonly #stop = new AbortController();

  #gateways: readonly Gateway[] | undefined;
  #bindings: readonly Binding[] = [];
  #owned: { readonly ips: string; readonly at: number } | undefined;
  #watch: Watch | undefined;
  #interfaces: readonly HostInterface[] = [];
  #defaultRouteInterface: string | undefined;
  #lookedAt = -Infinity;
  #cilium: Report["cilium"];
  #unreachable: ReadonlySet<string> = new Set();
  #leavingAt: number | undefined;
  #wake: () => void = () => {};
  #failures: readonly string[] = [];

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#pace = options.pace ?? DEFAULT_PACE;
    this.#now = options.now ?? (() => performance.now());
    this.#heartbeat = new Heartbeat({
      renew: options.renew,
      now: this.#now,
      onAnswer: (news) => this.#hear(news),
      onDisconnect: (error) => this.#tell({ event: "Disconnected", message: messageOf(error) }),
      onEnd: () => this.#wake(),
      signal: this.#stop.signal,
    });
    this.#speech = new Speech({
      hands: options.hands,
      now: this.#now,
      onBegin: (ip) => this.#tell({ event: "Speaking", ip }),
      onEnd: (ip) => {
        this.#wire.noteSilence(ip);
        this.#tell({ event: "Muted", ip });
      },
    });
    this.#wire = new Wire({
      hands: options.hands,
      now: this.#now,
      onProbe: (ip, { mac }) => {
        if (mac !== undefined && this.#speech.until.has(ip)) {
          this.#tell({ event: "Conflict", ip, message: mac });
        }
        this.#wake();
      },
      onFailure: (ip, error) => this.#tell({ event: "Failed", ip, message: messageOf(error) }),
    });
  }

  // ------------------------------------------------------------ what is heard

  setGateways(gateways: readonly Gateway[]): void {
    this.#gateways = gateways;
    this.#wake();
  }

  /** The API server could not even be listed. */
  noteUnreadable(): void {
    if (this.#gateways === undefined) this.#heartbeat.noteUnreadable();
    this.#wake();
  }

  setCilium(cilium: Report["cilium"]): void {
    const changed = cilium?.ready !== this.#cilium?.ready;
    this.#cilium = cilium;
    if (changed) this.#wake();
  }

  setUnreachable(addresses: ReadonlySet<string>): void {
    this.#unreachable = addresses;
    this.#wake();
  }

  /** SIGTERM: hand over, then end. */
  leave(): void {
    this.#leavingAt ??= this.#now();
    this.#wake();
  }

  status(): AgentStatus {
    const { renewal, counts } = this.#heartbeat;
    return {
      renewedAgoMilliseconds: renewal === undefined ? undefined : this.#now() - renewal.sentAt,
      dutiesKnown: this.#gateways !== undefined,
      failures: this.#failures,
      bound: this.#bindings.map(({ ip }) => ip),
      speaking: [...this.#speech.until.keys()],
      announcements: this.#wire.counts.announcements,
      probes: this.#wire.counts.probes,
      ...counts,
    };
  }

  // ------------------------------------------------------------ the loop

  /** Runs until `leave` was called and nothing is left to do. */
  async run(): Promise<void> {
    await this.#takeUp();
    this.#watch = this.#options.hands.watch?.(() => {
      this.#lookedAt = -Infinity;
      this.#wake();
    }, this.#stop.signal);
    while (true) {
      const woken = new Promise<void>((resolve) => this.#wake = resolve);
      await this.#look();
      const plan = decide(this.#view(), this.#pace);
      const again = await this.#act(plan);
      if (plan.mayExit && !again) break;
      if (!again) await this.#waitFor(woken);
    }
    this.#stop.abort();
  }

  /** What an earlier process left in the kernel and in its file. */
  async #takeUp(): Promise<void> {
    const { hands, recall } = this.#options;
    const [interfaces, bindings] = await Promise.all([
      hands.interfaces(),
      recall(),
      this.#speech.takeUp(),
    ]);
    this.#bindings = bindings.filter((binding) => isThere(binding, interfaces));
  }

  /** Addresses that carry our mark and that no file remembers: taken up where a gateway wants them, else removed. */
  async #adoptStrays(): Promise<void> {
    if (this.#gateways === undefined) return;
    const known = new Set(this.#bindings.map(({ ip }) => ip));
    for (const link of this.#interfaces) {
      for (
        const { ip } of link.addresses.filter((address) => address.ours && !known.has(address.ip))
      ) {
        const gateway = this.#gateways.find((candidate) => virtualIPOf(candidate) === ip);
        const stray = { ip, interface: link.name, speakOn: [], boundAt: new Date().toISOString() };
        if (gateway === undefined) await this.#options.hands.unbind(stray);
        else {await this.#setBindings([...this.#bindings, {
            ...stray,
            gateway: gateway.name,
            uid: gateway.uid,
          }]);}
      }
    }
  }

  async #look(): Promise<void> {
    const now = this.#now();
    await this.#speech.muteLapsed();
    const often = this.#watch?.works() ? WATCHED_LOOK_MILLISECONDS : LOOK_MILLISECONDS;
    if (now - this.#lookedAt < often) return;
    const { hands } = this.#options;
    [this.#interfaces, this.#defaultRouteInterface] = await Promise.all([
      hands.interfaces(),
      hands.defaultRouteInterface(),
    ]);
    this.#lookedAt = now;
    await this.#adoptStrays();
  }

  #view(): AgentView {
    return {
      nodeName: this.#options.nodeName,
      now: this.#now(),
      gateways: this.#gateways,
      fence: this.#heartbeat.fence,
      interfaces: this.#interfaces,
      defaultRouteInterface: this.#defaultRouteInterface,
      bindings: this.#bindings,
      speaking: this.#speech.until,
      renewal: this.#heartbeat.renewal,
      failedAt: this.#heartbeat.failedAt,
      probes: this.#wire.probes,
      announcements: this.#wire.announcements,
      bindFailures: this.#bindFailures,
      cilium: this.#cilium,
      unreachable: this.#unreachable,
      leavingAt: this.#leavingAt,
    };
  }

  /** Does what was decided; true: something changed that the decision did not know of, so decide again at once. */
  async #act(plan: AgentPlan): Promise<boolean> {
    this.#failures = plan.failures.map(({ gateway, message }) => `${gateway}: ${message}`);
    this.#options.setPingTargets(plan.ping);
    const muted = await this.#mute(plan.mute);
    await this.#giveUp(plan.giveUp);
    if (muted) return true;
    this.#heartbeat.send(plan);
    await this.#own(plan.own);
    const bound = await this.#bind(plan.bind);
    const unbound = await this.#unbind(plan.unbind);
    const spoken = await this.#speech.permit(plan.speak);
    this.#announce(plan.announce);
    for (const entry of plan.probe) this.#wire.probe(entry);
    await this.#noteClaims();
    return bound || unbound || !spoken;
  }

  async #mute(ips: readonly string[]): Promise<boolean> {
    if (ips.length === 0) return false;
    // Announcements pass by the fence, so one that is on its way out is stopped first.
    for (const ip of ips) this.#wire.hush(ip);
    await this.#speech.mute(ips);
    return true;
  }

  async #giveUp(given: readonly Binding[]): Promise<void> {
    if (given.length === 0) return;
    await this.#setBindings(
      this.#bindings.map((binding) => given.includes(binding) ? withoutClaim(binding) : binding),
    );
  }

  async #own(ips: readonly string[]): Promise<void> {
    const now = this.#now();
    const same = this.#owned?.ips === ips.join();
    if (same && (ips.length === 0 || now - (this.#owned?.at ?? 0) < FENCE_MILLISECONDS)) return;
    await this.#options.hands.own(ips);
    this.#owned = { ips: ips.join(), at: now };
  }

  async #bind(places: AgentPlan["bind"]): Promise<boolean> {
    let changed = false;
    for (const { gateway, uid, ip, interface: name, speakOn } of places) {
      const earlier = this.#bindings.find((binding) => binding.uid === uid && binding.ip === ip);
      const there = earlier !== undefined && isThere(earlier, this.#interfaces);
      try {
        const home = there ? earlier.interface : name;
        await this.#options.hands.bind({ ip, interface: home });
        this.#interfaces = await this.#options.hands.interfaces();
        const boundAt = there ? earlier.boundAt : new Date().toISOString();
        const binding: Binding = {
          ...earlier,
          gateway,
          uid,
          ip,
          interface: home,
          speakOn,
          boundAt,
        };
        if (!isThere(binding, this.#interfaces)) {
          throw new Error(`${ip} is not on '${home}' after it was bound`);
        }
        await this.#setBindings([...this.#bindings.filter((other) => other !== earlier), binding]);
        this.#bindFailures.delete(ip);
        this.#tell({ event: "Bound", ip, message: binding.interface });
        changed = true;
      } catch (error) {
        const message = messageOf(error);
        if (this.#bindFailures.get(ip)?.message !== message) changed = true;
        this.#bindFailures.set(ip, { message, at: this.#now() });
        this.#tell({ event: "BindFailed", ip, message });
      }
    }
    return changed;
  }

  async #unbind(bindings: readonly Binding[]): Promise<boolean> {
    for (const binding of bindings) {
      try {
        // A gateway that was made anew has the same address under another uid.
        const isShared = this.#bindings.some((other) =>
          other !== binding && other.ip === binding.ip
        );
        if (!isShared) await this.#options.hands.unbind(binding);
      } catch (error) {
        this.#tell({ event: "Failed", ip: binding.ip, message: messageOf(error) });
        continue;
      }
      await this.#setBindings(this.#bindings.filter((other) => other !== binding));
      this.#wire.forget(binding.ip);
      this.#lookedAt = -Infinity;
      this.#tell({ event: "Unbound", ip: binding.ip });
    }
    return bindings.length > 0;
  }

  #hear({ outdated, reconnected }: RenewalNews): void {
    if (outdated) this.#gateways = undefined;
    const { fence } = this.#heartbeat;
    const behind = this.#gateways === undefined ||
      this.#gateways.some(({ uid, status }) => (fence[uid] ?? 0) > (status.term ?? 0));
    if (reconnected || behind) this.#options.relist();
    if (reconnected) this.#tell({ event: "Connected" });
  }

  /** Remembers which terms were claimed, for a process that starts while the API server is away. */
  async #noteClaims(): Promise<void> {
    const claimed = this.#bindings.map((binding) => {
      const term = this.#heartbeat.renewal?.claims[binding.uid];
      return this.#speech.until.has(binding.ip) && term !== undefined
        ? { ...binding, claimedTerm: term }
        : binding;
    });
    if (
      claimed.some((binding, index) => binding.claimedTerm !== this.#bindings[index]?.claimedTerm)
    ) {
      await this.#setBindings(claimed);
    }
  }

  #announce(entries: AgentPlan["announce"]): void {
    for (const entry of entries) {
      // This process may have been stopped since the decision.
      if ((this.#speech.until.get(entry.ip) ?? 0) > this.#now()) this.#wire.announce(entry);
    }
  }

  async #setBindings(bindings: readonly Binding[]): Promise<void> {
    this.#bindings = bindings;
    await this.#options.remember(bindings);
  }

  /** Until something is heard, or the next renewal, refresh or probe is due. */
  async #waitFor(woken: Promise<void>): Promise<void> {
    const rest = Math.max(20, this.#heartbeat.dueIn);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const due = new Promise<void>((resolve) => timer = setTimeout(resolve, rest));
    await Promise.race([woken, due]);
    clearTimeout(timer);
  }

  #tell(event: AgentEvent): void {
    this.#options.onEvent?.(event);
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
