/**
 * The agent's loop: look, decide, act, look again.
 *
 * It wakes each second, and at once when the duties change, a renewal is answered, or a probe or ping tells something.
 * All judgement is in `core/`; this file keeps the state between looks and does what was decided, in an order that is
 * part of the protocol: silence first, the gate before the address, the claim before the speech.
 */
import { decide } from "./core/decide.ts";
import { heardAgain } from "./core/heard_again.ts";
import { DEFAULT_PACE } from "./core/pace.ts";
import type { Pace } from "./core/pace.ts";
import type { AgentPlan, AgentView, Binding } from "./core/view.ts";
import { messageOf } from "../core/message.ts";
import { egressIPsOf, virtualIPsOf } from "../core/reports.ts";
import type { Gateway, Report } from "../core/types.ts";
import type { AgentEvent, AgentStatus } from "./agent_status.ts";
import { Bindings } from "./bindings.ts";
import type { Hands } from "./hands.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Renew, RenewalNews } from "./heartbeat.ts";
import { LateAnswers } from "./late_answers.ts";
import { Speech } from "./speech.ts";
import { watchClocks } from "./standstill.ts";
import { Surroundings } from "./surroundings.ts";
import { Uplinks } from "./uplinks.ts";
import { Wire } from "./wire.ts";

export interface AgentOptions {
  readonly nodeName: string;
  readonly hands: Hands;
  readonly renew: Renew;
  readonly recall: () => Promise<readonly Binding[]>;
  readonly remember: (bindings: readonly Binding[]) => Promise<void>;
  /** Asked to list the gateways again, since what is known may be old. */
  readonly relist: () => void;
  readonly setPingTargets: (targets: Readonly<Record<string, readonly string[]>>) => void;
  readonly pace?: Pace;
  readonly now?: () => number;
  readonly onEvent?: (event: AgentEvent) => void;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #pace: Pace;
  readonly #now: () => number;
  readonly #heartbeat: Heartbeat;
  readonly #speech: Speech;
  readonly #wire: Wire;
  readonly #lateAnswers: LateAnswers;
  readonly #surroundings: Surroundings;
  readonly #uplinks: Uplinks;
  readonly #bindings: Bindings;
  readonly #stop = new AbortController();

  #gateways: readonly Gateway[] | undefined;
  readonly #servedAt = new Map<string, number>();
  #cilium: Report["cilium"];
  #unreachable: ReadonlySet<string> = new Set();
  /** Gateway uid -> term of the claim that was told. */
  readonly #claimed = new Map<string, number>();
  #leavingAt: number | undefined;
  #wake: () => void = () => {};
  #failures: readonly string[] = [];
  #reportedUplinks: Report["uplinks"] = [];

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
      onBegin: (ip) => {
        // Whoever answered until now was the holder before, as like as not. Cut off, it is what speech rests on.
        if (this.#heartbeat.failedAt === undefined) this.#wire.forget(ip);
        this.#tell({ event: "Speaking", ip });
      },
      onEnd: (ip, tookMilliseconds) => {
        this.#wire.noteSilence(ip);
        this.#tell({ event: "Muted", ip, tookMilliseconds });
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
      onFailure: (ip, error) => this.#tellFailure(ip, error),
      onAnnounced: (ip, tookMilliseconds) =>
        this.#tell({ event: "Announced", ip, tookMilliseconds }),
    });
    this.#lateAnswers = new LateAnswers({
      hands: options.hands,
      onRefusal: (message) => this.#tell({ event: "Failed", message }),
    });
    this.#surroundings = new Surroundings({ hands: options.hands, now: this.#now });
    this.#uplinks = new Uplinks({
      hands: options.hands,
      now: this.#now,
      onNews: () => this.#wake(),
      signal: this.#stop.signal,
    });
    this.#bindings = new Bindings({
      ...options,
      now: this.#now,
      surroundings: this.#surroundings,
      onBind: ({ ip, interface: name }, tookMilliseconds) =>
        this.#tell({ event: "Bound", ip, message: name, tookMilliseconds }),
      onBindFailure: (ip, message) => this.#tell({ event: "BindFailed", ip, message }),
      onUnbind: (ip) => {
        this.#wire.forget(ip);
        this.#tell({ event: "Unbound", ip });
      },
      onUnbindFailure: (ip, error) => this.#tellFailure(ip, error),
    });
  }

  // ------------------------------------------------------------ what is heard

  setGateways(gateways: readonly Gateway[]): void {
    this.#noteServed();
    const again = heardAgain(this.#gateways ?? [], gateways, this.#options.nodeName);
    for (const ip of again) this.#wire.noteSilence(ip);
    this.#gateways = gateways;
    this.#noteServed();
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
      uplinks: this.#reportedUplinks,
      bound: this.#bindings.all.map(({ ip }) => ip),
      speaking: [...this.#speech.until.keys()],
      announcements: this.#wire.counts.announcements,
      probes: this.#wire.counts.probes,
      ...counts,
    };
  }

  #noteServed(): void {
    for (const { status } of this.#gateways ?? []) {
      const served = status.phase === "Active" ? egressIPsOf(status) : [];
      for (const ip of served) this.#servedAt.set(ip, this.#now());
    }
  }

  // ------------------------------------------------------------ the loop

  /** Silence first; then everything that the right to speak rests on is asked for anew. */
  async #distrust(): Promise<void> {
    const ips = [...this.#speech.until.keys()];
    this.#heartbeat.distrust();
    for (const ip of ips) {
      this.#wire.forget(ip);
      this.#wire.hush(ip);
    }
    await this.#speech.mute(ips).catch((error) => this.#tellFailure(ips.join(), error));
    this.#wake();
  }

  /** Runs until `leave` was called and nothing is left to do. */
  async run(): Promise<void> {
    await Promise.all([this.#bindings.takeUp(), this.#speech.takeUp()]);
    void watchClocks({
      hands: this.#options.hands,
      now: this.#now,
      isNeeded: () => this.#speech.until.size > 0,
      onStandstill: () => this.#distrust(),
      signal: this.#stop.signal,
    });
    this.#surroundings.follow(() => this.#wake(), this.#stop.signal);
    while (true) {
      const woken = new Promise<void>((resolve) => this.#wake = resolve);
      await this.#look();
      const plan = decide(this.#view(), this.#pace);
      const again = await this.#act(plan);
      if (plan.mayExit && !again) break;
      if (!again) await this.#waitFor(woken, plan);
    }
    this.#stop.abort();
  }

  async #look(): Promise<void> {
    await this.#speech.muteLapsed();
    const looked = await this.#surroundings.look();
    if (looked && this.#gateways !== undefined) await this.#bindings.adoptStrays(this.#gateways);
  }

  #view(): AgentView {
    return {
      nodeName: this.#options.nodeName,
      now: this.#now(),
      gateways: this.#gateways,
      servedAt: this.#servedAt,
      fence: this.#heartbeat.fence,
      interfaces: this.#surroundings.interfaces,
      defaultRouteInterface: this.#surroundings.defaultRouteInterface,
      defaultRouteInterface6: this.#surroundings.defaultRouteInterface6,
      needed: this.#surroundings.needed,
      bindings: this.#bindings.all,
      freshSince: this.#bindings.freshSince,
      speaking: this.#speech.until,
      renewal: this.#heartbeat.renewal,
      failedAt: this.#heartbeat.failedAt,
      failedInARow: this.#heartbeat.failedInARow,
      probes: this.#wire.probes,
      announcements: this.#wire.announcements,
      bindFailures: this.#bindings.failures,
      cilium: this.#cilium,
      unreachable: this.#unreachable,
      uplinks: this.#uplinks.answers,
      leavingAt: this.#leavingAt,
    };
  }

  /** Does what was decided; true: something changed that the decision did not know of, so decide again at once. */
  async #act(plan: AgentPlan): Promise<boolean> {
    this.#failures = plan.failures.map(({ gateway, message }) => `${gateway}: ${message}`);
    this.#reportedUplinks = plan.report?.uplinks ?? [];
    this.#options.setPingTargets(plan.ping);
    this.#uplinks.set(plan.uplinkProbes);
    const muted = await this.#mute(plan.mute);
    await this.#bindings.giveUp(plan.giveUp);
    if (await this.#bindings.takeBack(plan.takeBack) || muted) return true;
    this.#heartbeat.send(plan);
    await this.#bindings.own(plan.own);
    const regained = this.#bindings.lost(plan.bind);
    const bound = await this.#bindings.bind(plan.bind);
    // While the address was gone this node claimed nothing, and nobody waited for it: what it knows may be old.
    if (regained && bound) {
      this.#gateways = undefined;
      this.#options.relist();
    }
    const unbound = await this.#bindings.unbind(plan.unbind);
    const spoken = await this.#speech.permit(plan.speak);
    await this.#lateAnswers.follow(this.#view());
    await this.#announce(plan);
    for (const entry of plan.probe) this.#wire.probe(entry);
    const { renewal } = this.#heartbeat;
    if (renewal !== undefined) await this.#bindings.noteAnswer(renewal.sentAt);
    await this.#bindings.noteClaims(renewal?.claims ?? {}, this.#speech.until);
    return bound || unbound || !spoken;
  }

  async #mute(ips: readonly string[]): Promise<boolean> {
    if (ips.length === 0) return false;
    // Announcements pass by the gate, so one that is on its way out is stopped first.
    for (const ip of ips) this.#wire.hush(ip);
    await this.#speech.mute(ips);
    return true;
  }

  #hear({ outdated, reconnected }: RenewalNews): void {
    this.#noteServed();
    if (outdated) this.#gateways = undefined;
    const { fence } = this.#heartbeat;
    const behind = this.#gateways === undefined ||
      this.#gateways.some(({ uid, status }) => (fence[uid] ?? 0) > (status.term ?? 0));
    if (reconnected || behind) this.#options.relist();
    if (reconnected) this.#tell({ event: "Connected" });
    this.#tellClaims();
  }

  /** A claim counts from the answer on. */
  #tellClaims(): void {
    const { claims = {}, sentAt = this.#now() } = this.#heartbeat.renewal ?? {};
    for (const { uid, name: gateway } of this.#gateways ?? []) {
      const term = claims[uid];
      if (term === undefined) this.#claimed.delete(uid);
      else if (this.#claimed.get(uid) !== term) {
        this.#claimed.set(uid, term);
        const tookMilliseconds = this.#now() - sentAt;
        this.#tell({ event: "Claimed", of: { gateway, uid, term }, tookMilliseconds });
      }
    }
  }

  /** The gate holds no announcement back: where the kernel may have heard of a successor, it is asked first. */
  async #announce({ announce, speak }: AgentPlan): Promise<void> {
    const isCertain = (ip: string): boolean =>
      speak.some((each) => each.ip === ip && (each.undisputedUntil ?? 0) > this.#now());
    const uncertain = announce.filter(({ ip }) => !isCertain(ip));
    const spoken = uncertain.length === 0 ? [] : await this.#options.hands.speaking();
    for (const entry of announce) {
      // This process may have been stopped since the decision.
      const may = (this.#speech.until.get(entry.ip) ?? 0) > this.#now();
      const isSpoken = isCertain(entry.ip) || spoken.some(({ ip }) => ip === entry.ip);
      if (may && isSpoken) this.#wire.announce(entry);
    }
  }

  /** Until something is heard, or the next renewal, refresh or probe is due, or a target has been silent for too long. */
  async #waitFor(woken: Promise<void>, { uplinkNewsAt = Infinity }: AgentPlan): Promise<void> {
    const begun = this.#now();
    const rest = Math.max(20, Math.min(this.#heartbeat.dueIn, uplinkNewsAt - begun));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const due = new Promise<void>((resolve) => timer = setTimeout(resolve, rest));
    await Promise.race([woken, due]);
    clearTimeout(timer);
    this.#uplinks.excuse(this.#now() - begun - rest);
  }

  #tellFailure(ip: string, error: unknown): void {
    this.#tell({ event: "Failed", ip, message: messageOf(error) });
  }

  #tell(event: AgentEvent): void {
    this.#options.onEvent?.({ ...this.#whose(event.ip), ...event });
  }

  #whose(ip: string | undefined): Pick<AgentEvent, "of"> {
    const gateway = ip === undefined
      ? undefined
      : this.#gateways?.find((each) => virtualIPsOf(each).includes(ip));
    if (gateway?.status.term === undefined) return {};
    return { of: { gateway: gateway.name, uid: gateway.uid, term: gateway.status.term } };
  }
}
