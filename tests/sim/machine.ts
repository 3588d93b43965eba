/** A node: a kernel that goes on whatever becomes of the agent, and the hands that the agent has on it. */
import { uplinkKey } from "../../src/agent/core/uplinks.ts";
import type { Binding, HostInterface, UplinkProbe } from "../../src/agent/core/view.ts";
import { familyOf } from "../../src/core/ip_family.ts";
import type { Hands, Permission } from "../../src/agent/hands.ts";
import { TIMINGS } from "../../src/core/timings.ts";
import { Link } from "./link.ts";
import type { ApiServer } from "./api_server.ts";
import type { Process, VirtualTime } from "./virtual_time.ts";

const INTERFACE = "eth0";
const PREFIX_LENGTH = 24;
const PREFIX_LENGTH_IPV6 = 64;

/** An agent has looked at its interfaces again, and has done what follows from it. */
const LOOK_MILLISECONDS = 1_200;

/** From a question to the kernel to what is done by its answer. */
const COMMAND_MILLISECONDS = 30;

/** Of an announcement's packets, by receiver. */
const LOST_PACKETS = 0.1;

/** How long a probe waits for another owner. */
const PROBE_MILLISECONDS = 400;

/** What hands did that they should not have done; the world makes violations of it. */
export type Complaint = (message: string) => void;

export class Machine {
  readonly name: string;
  readonly ip: string;
  readonly ip6: string;
  readonly mac: string;
  readonly link: Link;
  powered = true;
  /** What the agent's file holds; gone with the power. */
  memory: readonly Binding[] = [];
  /** Binding fails, as when the interface is broken. */
  cannotBind = false;
  onSpeech: (ip: string) => void = () => {};
  /** Told until when the kernel may speak. */
  onPermission: (ip: string, until: number) => void = () => {};
  /** It has a clock that goes on while it is paused. */
  hardwareClock = false;
  /** False: the router behind its switch is dead for it. */
  uplinkWorks = true;
  /** False: its cable is out, and nobody hears what it says. */
  plugged = true;
  /** Somebody has the token of its agent, and reports in its name. */
  liesUntil = -Infinity;
  #hasInterface = true;
  #interfaceLostAt = -Infinity;
  readonly #time: VirtualTime;
  readonly #addresses = new Map<string, { readonly byAgent: boolean }>();
  readonly #boundAt = new Map<string, number>();
  #owned: ReadonlySet<string> | undefined;
  readonly #speaking = new Map<string, number>();
  readonly #undisputed = new Map<string, number>();
  readonly #disputed = new Map<string, number>();
  readonly #strangers = new Map<string, number>();
  #pausedAt: number | undefined;
  /** When it last went on after a pause. */
  resumedAt = -Infinity;

  constructor(
    { time, server, name, index }: {
      readonly time: VirtualTime;
      readonly server: ApiServer;
      readonly name: string;
      readonly index: number;
    },
  ) {
    this.#time = time;
    this.name = name;
    this.ip = `172.18.18.${10 + index}`;
    this.ip6 = `2001:db8::${10 + index}`;
    this.mac = `02:00:00:00:00:${String(10 + index)}`;
    this.link = new Link({ time, server, identity: "agent" });
  }

  /** VIPs that are bound, whoever bound them. */
  get bound(): readonly string[] {
    return [...this.#addresses.keys()].sort();
  }

  /** Tells whether its agent's token is stolen, or what was said with it may still count. */
  get lies(): boolean {
    return this.liesUntil > this.#time.now;
  }

  /** Tells whether a node answers ARP requests for an address: bound, not held back by the gate, and heard. */
  maySpeak(ip: string): boolean {
    if (!this.runs || !this.plugged || !this.#addresses.has(ip)) return false;
    if (this.#owned?.has(ip) !== true) return true;
    return this.#isWithin(this.#speaking.get(ip)) && !this.#isWithin(this.#disputed.get(ip));
  }

  #isWithin(until = -Infinity): boolean {
    return until > this.#time.now;
  }

  /** A packet of another host says that it has an address. */
  hearClaim(ip: string, mac: string): void {
    const counts = this.runs && this.plugged && this.#owned?.has(ip) === true &&
      !this.#isWithin(this.#undisputed.get(ip)) && !this.#isWithin(this.#strangers.get(mac));
    if (counts) this.#disputed.set(ip, this.#time.now + TIMINGS.disputeMilliseconds);
  }

  /** Powered, and not a virtual machine that is paused. */
  get runs(): boolean {
    return this.powered && this.#pausedAt === undefined;
  }

  /** A virtual machine stops with its clocks: what its kernel may say expires as much later. */
  pause(): void {
    if (this.powered) this.#pausedAt ??= this.#time.now;
  }

  resume(): void {
    if (this.#pausedAt === undefined) return;
    const paused = this.#time.now - this.#pausedAt;
    this.#pausedAt = undefined;
    this.resumedAt = this.#time.now;
    for (const timed of [this.#speaking, this.#undisputed, this.#disputed]) {
      for (const [ip, until] of timed) timed.set(ip, until + paused);
    }
  }

  /** When the address was last bound, or undefined: never since the node was started. */
  lastBound(ip: string): number | undefined {
    return this.#boundAt.get(ip);
  }

  /** Somebody binds an address by hand. */
  bindByHand(ip: string): void {
    this.#addresses.set(ip, { byAgent: false });
  }

  /** The interface is taken out, with its addresses, or put in again; what nftables was told stays. */
  setInterface(present: boolean): void {
    this.#hasInterface = present;
    if (present) return;
    this.#interfaceLostAt = this.#time.now;
    this.#addresses.clear();
  }

  /** Power off and on: what the kernel and the tmpfs held is gone. */
  setPower(on: boolean): void {
    this.powered = on;
    this.#hasInterface = true;
    this.#pausedAt = undefined;
    if (on) return;
    this.memory = [];
    this.#addresses.clear();
    this.#boundAt.clear();
    for (const timed of [this.#speaking, this.#undisputed, this.#disputed, this.#strangers]) {
      timed.clear();
    }
    this.#owned = undefined;
  }

  hands(
    process: Process,
    world: {
      readonly machines: readonly Machine[];
      readonly foreigners: ReadonlyMap<string, string>;
      readonly complain: Complaint;
    },
  ): Hands {
    const { machines, foreigners, complain } = world;
    const work = () => process.sleep(this.#time.between(1, 8));
    /** A program is started, does its work in one moment, and is seen to have ended. */
    const act = async <T>(what: () => T): Promise<T> => {
      await work();
      const result = what();
      await work();
      return result;
    };
    return {
      clocks: () =>
        Promise.resolve(
          this.hardwareClock
            ? [{
              name: "hardware",
              milliseconds: Math.floor(this.#time.now / 1_000) * 1_000,
              grainMilliseconds: 1_000,
            }]
            : [],
        ),
      interfaces: () => act(() => this.#interfaces()),
      defaultRouteInterface: () => act(() => this.#hasInterface ? INTERFACE : undefined),
      bind: ({ ip }) => act(() => this.#bind(ip)),
      unbind: ({ ip }) =>
        act(() => {
          if (this.#addresses.get(ip)?.byAgent === false) {
            complain(`${this.name} removes ${ip}, which it did not bind`);
          }
          this.#addresses.delete(ip);
        }),
      own: (ips) =>
        act(() => {
          this.#owned = ips.length === 0 ? undefined : new Set(ips);
          if (this.#owned === undefined) this.#speaking.clear();
        }),
      speak: (entries) =>
        act(() => {
          for (const permission of entries) this.#speak(permission, { complain, process });
        }),
      mute: (ips) =>
        act(() => {
          for (const timed of [this.#speaking, this.#undisputed]) {
            for (const ip of ips) timed.delete(ip);
          }
        }),
      speaking: () =>
        act(() =>
          [...this.#speaking].filter(([ip, until]) =>
            this.#isWithin(until) && !this.#isWithin(this.#disputed.get(ip))
          ).map(([ip, until]) => ({ ip, milliseconds: Math.floor(until - this.#time.now) }))
        ),
      announce: (ip) => {
        if (!this.#hasInterface) return Promise.reject(new Error(`There is no ${INTERFACE}`));
        if (!this.plugged) return work();
        // A program of its own once it was started: it is not stopped with the agent.
        if (!this.maySpeak(ip) && this.#mustKnow(process) && !this.#isJustDisputed(ip)) {
          complain(`${this.name} announces ${ip} while it must be silent`);
        }
        if (this.runs) this.#claim(ip, machines);
        return work();
      },
      probeUplinks: ({ onAnswer }, signal) => {
        let asked: readonly UplinkProbe[] = [];
        const ask = (probe: UplinkProbe): void => {
          if (signal.aborted || !asked.includes(probe)) return;
          if (this.runs && this.plugged && this.#hasInterface && this.uplinkWorks) {
            process.after(this.#time.between(0.2, 30), () => onAnswer(uplinkKey(probe), 0));
          }
          process.after(probe.intervalMilliseconds, () => ask(probe));
        };
        return {
          set: (probes) => {
            asked = probes;
            // Agents were started at different times.
            for (const probe of probes) {
              process.after(this.#time.between(0, probe.intervalMilliseconds), () => ask(probe));
            }
          },
        };
      },
      probe: async (ip, _, besides) => {
        await work();
        if (!this.#hasInterface) throw new Error(`Cannot probe ${ip}: there is no ${INTERFACE}`);
        // Without a cable, a look shows nobody.
        const owner = this.plugged
          ? [
            foreigners.get(ip),
            machines.find((other) => other !== this && other.maySpeak(ip))?.mac,
          ].filter((mac) => mac !== undefined)
            .sort((a, b) => Number(a === besides) - Number(b === besides))[0]
          : undefined;
        await process.sleep(owner === undefined ? PROBE_MILLISECONDS : this.#time.between(0.2, 3));
        return owner;
      },
    };
  }

  #interfaces(): readonly HostInterface[] {
    if (!this.#hasInterface) return [];
    const vips = [...this.#addresses].map(([ip, { byAgent }]) => ({
      ip,
      prefixLength: familyOf(ip) === 4 ? PREFIX_LENGTH : PREFIX_LENGTH_IPV6,
      ours: byAgent,
    }));
    return [{
      name: INTERFACE,
      up: this.plugged,
      state: this.plugged ? "up" : "lowerlayerdown",
      mac: this.mac,
      addresses: [
        { ip: this.ip, prefixLength: PREFIX_LENGTH, ours: false },
        { ip: this.ip6, prefixLength: PREFIX_LENGTH_IPV6, ours: false },
        ...vips,
      ],
    }];
  }

  /** The kernel has heard of a successor, and its agent not yet. */
  #isJustDisputed(ip: string): boolean {
    const began = (this.#disputed.get(ip) ?? -Infinity) - TIMINGS.disputeMilliseconds;
    return this.#time.now - began < COMMAND_MILLISECONDS;
  }

  /** Agents look at their interfaces each second; by then one that was not stopped meanwhile knows what it has lost. */
  #mustKnow({ frozenAt, thawedAt }: Process): boolean {
    const lostAt = this.#interfaceLostAt;
    const learns = lostAt > frozenAt - LOOK_MILLISECONDS ? Math.max(lostAt, thawedAt) : lostAt;
    return this.#time.now - learns > LOOK_MILLISECONDS;
  }

  #bind(ip: string): void {
    if (this.cannotBind || !this.#hasInterface) {
      throw new Error(`Cannot bind ${ip}: the simulated interface is broken`);
    }
    if (!this.#addresses.has(ip)) this.#addresses.set(ip, { byAgent: true });
    this.#boundAt.set(ip, this.#time.now);
  }

  /** Its packet reaches the other nodes, or is lost. */
  #claim(ip: string, machines: readonly Machine[]): void {
    for (const other of machines) {
      if (other === this || this.#time.between(0, 1) < LOST_PACKETS) continue;
      this.#time.after(this.#time.between(0.1, 3), () => other.hearClaim(ip, this.mac));
    }
  }

  #speak(
    { ip, milliseconds, undisputedMilliseconds, stranger }: Permission,
    { complain, process }: { readonly complain: Complaint; readonly process: Process },
  ): void {
    if (this.#owned?.has(ip) !== true) throw new Error(`Cannot speak for ${ip}: it is not owned`);
    if (milliseconds < 1) throw new RangeError(`Cannot speak for ${milliseconds} ms`);
    const begins = !this.maySpeak(ip);
    const until = this.#time.now + milliseconds;
    this.#speaking.set(ip, until);
    if (undisputedMilliseconds !== undefined) {
      this.#undisputed.set(ip, this.#time.now + undisputedMilliseconds);
      this.#disputed.delete(ip);
    }
    if (stranger !== undefined) {
      this.#strangers.set(stranger, this.#time.now + TIMINGS.strangerMilliseconds);
    }
    this.onPermission(ip, until);
    if (this.#addresses.has(ip)) {
      if (begins && this.plugged) this.onSpeech(ip);
    } else if (this.#mustKnow(process)) {
      complain(`${this.name} speaks for ${ip}, which is not bound`);
    }
  }
}
