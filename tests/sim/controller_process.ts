/** The real controller, tick by tick, with the pauses of a resident one or of a CronJob. */
import { LeaseWitness } from "../../src/cluster/lease_witness.ts";
import { ServerClock } from "../../src/cluster/server_clock.ts";
import { tick } from "../../src/controller/tick.ts";
import type { ApiServer } from "./api_server.ts";
import { simulatedClient } from "./client.ts";
import type { Stream } from "./client.ts";
import { Link } from "./link.ts";
import { Process } from "./virtual_time.ts";
import type { VirtualTime } from "./virtual_time.ts";

export interface ControllerOptions {
  readonly name: string;
  /** Between ticks while nothing happens, and while a move is under way. */
  readonly everyMilliseconds: number;
  readonly hurryMilliseconds?: number;
  /** Remembers how long Leases were seen unchanged. */
  readonly resident?: boolean;
  /** Ends after so many writes were sent. */
  readonly writes?: number;
}

export interface ControllerWorld {
  readonly time: VirtualTime;
  readonly server: ApiServer;
  readonly streams: Set<Stream>;
  readonly log: (line: string) => void;
}

export class ControllerProcess {
  readonly process: Process;
  readonly link: Link;
  readonly #options: ControllerOptions;
  readonly #world: ControllerWorld;
  ticks = 0;
  #writes = 0;

  constructor(options: ControllerOptions, world: ControllerWorld) {
    this.#options = options;
    this.#world = world;
    this.process = new Process(world.time, options.name);
    this.link = new Link(world.time, world.server);
    this.process.after(0, () => void this.#run());
  }

  async #run(): Promise<void> {
    const { everyMilliseconds, hurryMilliseconds = 100, resident = true } = this.#options;
    const client = simulatedClient({ ...this.#world, link: this.link, process: this.process });
    const memory = resident ? { witness: new LeaseWitness(), clock: new ServerClock() } : {};
    const counted: typeof client = {
      ...client,
      request: (request) => {
        const { writes = Infinity } = this.#options;
        const isWrite = request.method !== "GET" && !request.path.endsWith("/events");
        if (isWrite && ++this.#writes > writes) {
          this.#world.log(`${this.#options.name} dies before write ${this.#writes}`);
          this.process.kill();
          return new Promise(() => {});
        }
        return client.request(request);
      },
    };
    while (true) {
      let settled = false;
      try {
        settled = (await tick(counted, memory)).settled;
      } catch (error) {
        this.#world.log(`${this.#options.name}: ${String(error).slice(0, 150)}`);
      }
      this.ticks++;
      await this.process.sleep(settled ? everyMilliseconds : hurryMilliseconds);
    }
  }
}
