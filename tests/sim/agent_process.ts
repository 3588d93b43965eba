/** The real agent on a simulated node: its loop, its watch of the gateways and its renewals, as `startAgent` joins them. */
import { Agent } from "../../src/agent/agent.ts";
import { renew } from "../../src/agent/renewal.ts";
import type { Gateway } from "../../src/core/types.ts";
import { decodeGateway } from "../../src/cluster/decoders/kinds.ts";
import { Reflector } from "../../src/kube/reflector.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import type { ApiServer } from "./api_server.ts";
import { simulatedClient } from "./client.ts";
import type { Stream } from "./client.ts";
import type { Complaint, Machine } from "./machine.ts";
import { Process } from "./virtual_time.ts";
import type { VirtualTime } from "./virtual_time.ts";

export interface AgentWorld {
  readonly time: VirtualTime;
  readonly server: ApiServer;
  readonly machines: readonly Machine[];
  /** VIP -> MAC address of a host that is none of the cluster's and answers for it. */
  readonly foreigners: ReadonlyMap<string, string>;
  readonly streams: Set<Stream>;
  readonly complain: Complaint;
  readonly log: (line: string) => void;
}

/** A command to the kernel takes no longer. */
const COMMAND_MILLISECONDS = 30;

/** Gateways as an agent had read them, and when it read others. */
interface Earlier {
  readonly gateways: readonly Gateway[];
  readonly until: number;
}

/** From a node's silence to the third missed ping. */
const MISSED_PINGS = [580, 780] as const;

export class AgentProcess {
  readonly process: Process;
  readonly machine: Machine;
  readonly #world: AgentWorld;
  readonly #agent: Agent;
  readonly #stop = new AbortController();
  readonly #answered = new Set<string>();
  #targets: readonly string[] = [];
  #gateways: readonly Gateway[] = [];
  #before: readonly Earlier[] = [];
  #hasRead = false;
  readonly startedAt: number;
  ended = false;

  constructor(machine: Machine, world: AgentWorld) {
    const { time } = world;
    this.machine = machine;
    this.startedAt = time.now;
    this.#world = world;
    this.process = new Process(time, `agent ${machine.name}`);
    const client = simulatedClient({ ...world, link: machine.link, process: this.process });
    const disk = () => this.process.sleep(time.between(0.5, 3));
    this.#agent = new Agent({
      nodeName: machine.name,
      hands: machine.hands(this.process, world),
      renew: (report, context) => renew(client, { nodeName: machine.name, report, ...context }),
      recall: () => disk().then(() => machine.memory),
      remember: (bindings) => disk().then(() => void (machine.memory = bindings)),
      relist: () => duties.relist(),
      setPingTargets: (targets) => this.#ping([...new Set(Object.values(targets).flat())]),
      now: () => this.process.now,
      onEvent: ({ event, ip = "", message = "" }) =>
        world.log(`${machine.name}: ${event} ${ip} ${message}`.trim()),
    });
    const duties = new Reflector<Gateway>(client, PATHS.EgressGateway, {
      decode: (item) => {
        const decoded = decodeGateway(item);
        return "object" in decoded ? decoded.object : undefined;
      },
      keyOf: ({ uid }) => uid,
      onChange: (gateways) => {
        this.#before = [...this.#recent(), { gateways: this.#gateways, until: time.now }];
        this.#gateways = gateways;
        this.#hasRead = true;
        this.#agent.setGateways(gateways);
      },
      onError: () => this.#agent.noteUnreadable(),
      listMilliseconds: 3_000,
      signal: this.#stop.signal,
    });
    this.process.after(0, () => {
      void duties.run();
      this.#agent.run().then(() => this.#end("has left"), (error) => this.#end(`died: ${error}`));
    });
  }

  /** Gateways as the agent last read them, and as it had read them when it began what it is doing. */
  get gateways(): readonly Gateway[] {
    return [...this.#gateways, ...this.#recent().flatMap(({ gateways }) => gateways)];
  }

  #recent(): readonly Earlier[] {
    return this.#before.filter(({ until }) => until > this.#world.time.now - COMMAND_MILLISECONDS);
  }

  /** Milliseconds since it sent the last renewal that was answered. */
  get renewedAgo(): number | undefined {
    return this.#agent.status().renewedAgoMilliseconds;
  }

  /** How often it has announced a VIP. */
  get announcements(): number {
    return this.#agent.status().announcements;
  }

  /** Just started, it has read no gateways yet. */
  get isBlind(): boolean {
    return !this.#hasRead;
  }

  /** SIGTERM. */
  leave(): void {
    this.process.after(0, () => this.#agent.leave());
  }

  /** Some node was switched on or off, or targets were changed: three pings later the agent knows. */
  noteReachability(): void {
    const { time } = this.#world;
    this.process.after(time.between(...MISSED_PINGS), () => {
      const unreachable = this.#targets.filter((ip) => {
        if (this.#isUp(ip)) this.#answered.add(ip);
        return !this.#isUp(ip) && this.#answered.has(ip);
      });
      this.#agent.setUnreachable(new Set(unreachable));
    });
  }

  #ping(targets: readonly string[]): void {
    if (targets.join() === this.#targets.join()) return;
    this.#targets = targets;
    for (const ip of targets) if (this.#isUp(ip)) this.#answered.add(ip);
    this.noteReachability();
  }

  #isUp(ip: string): boolean {
    return this.#world.machines.some((machine) =>
      machine.ip === ip && machine.runs && machine.plugged
    );
  }

  #end(how: string): void {
    this.#world.log(`${this.machine.name}: agent ${how}`);
    this.ended = true;
    this.#stop.abort();
    this.process.kill();
  }
}
