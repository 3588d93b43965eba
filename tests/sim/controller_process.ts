/** The real controller: a resident one that follows the cluster by watches, or tick by tick with the pauses of any other. */
import { LeaseWitness } from "../../src/cluster/lease_witness.ts";
import { ServerClock } from "../../src/cluster/server_clock.ts";
import { Controller } from "../../src/controller/controller.ts";
import { tick } from "../../src/controller/tick.ts";
import type { KubeClient, KubeRequest, KubeResponse } from "../../src/kube/client.ts";
import type { ApiServer } from "./api_server.ts";
import { simulatedClient } from "./client.ts";
import type { Stream } from "./client.ts";
import { Link } from "./link.ts";
import { Process } from "./virtual_time.ts";
import type { VirtualTime } from "./virtual_time.ts";

export interface ControllerOptions {
  readonly name: string;
  /** Between ticks while nothing happens, Infinity: on triggers alone; and while a move is under way. */
  readonly everyMilliseconds: number;
  readonly hurryMilliseconds?: number;
  /** Remembers how long Leases were seen unchanged. Default true. */
  readonly resident?: boolean;
  /** The resident controller as it is: it ticks when its watches tell of something. */
  readonly watches?: boolean;
  /** What another version of the program writes after each of its sentences. Default: nothing. */
  readonly wording?: string;
  /** Ends after so many writes were sent. */
  readonly writes?: number;
}

/** Members of a status that each version words anew; why a gateway last moved is carried over as it stands. */
const SENTENCES = new Set(["message"]);

/** A client whose program writes other sentences: its own look to it like ours. */
async function inWords(
  client: KubeClient,
  { request, wording }: { readonly request: KubeRequest; readonly wording: string },
): Promise<KubeResponse> {
  const isOurs = request.path.includes("egressgateway");
  const write = (text: string) => text.includes(" ") ? `${text}${wording}` : text;
  const read = (text: string) =>
    text.endsWith(wording) ? text.slice(0, -wording.length) : `${text} (old)`;
  if (!isOurs) return client.request(request);
  const { body, ...answer } = await client.request({
    ...request,
    ...(request.body === undefined ? {} : { body: said(request.body, write) }),
  });
  return { ...answer, body: said(body, (text) => text.includes(" ") ? read(text) : text) };
}

function said(value: unknown, change: (text: string) => string, key = ""): unknown {
  if (typeof value === "string") return SENTENCES.has(key) ? change(value) : value;
  if (Array.isArray(value)) return value.map((item) => said(item, change, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, said(member, change, name)]),
  );
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
  #controller: Controller | undefined;

  constructor(options: ControllerOptions, world: ControllerWorld) {
    this.#options = options;
    this.#world = world;
    this.process = new Process(world.time, options.name);
    this.link = new Link(world);
    this.process.after(0, () => void this.#run());
  }

  /** Asks the resident controller for a tick. */
  trigger(): void {
    this.process.after(0, () => void this.#controller?.ticker.trigger());
  }

  async #run(): Promise<void> {
    const { everyMilliseconds, hurryMilliseconds = 100, resident = true } = this.#options;
    const tell = (error: unknown) =>
      this.#world.log(`${this.#options.name}: ${String(error).slice(0, 150)}`);
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
        const { wording = "" } = this.#options;
        return wording === "" ? client.request(request) : inWords(client, { request, wording });
      },
    };
    // What watches tell is not put in other words.
    const isReal = this.#options.watches || everyMilliseconds === Infinity;
    if (isReal && !this.#options.wording) {
      this.#controller = new Controller(counted, {
        everyMilliseconds,
        hurryMilliseconds,
        onTick: () => void this.ticks++,
        onError: tell,
        signal: new AbortController().signal,
      });
      return this.#controller.run();
    }
    while (true) {
      let settled = false;
      try {
        settled = (await tick(counted, memory)).settled;
      } catch (error) {
        tell(error);
      }
      this.ticks++;
      await this.process.sleep(settled ? everyMilliseconds : hurryMilliseconds);
    }
  }
}
