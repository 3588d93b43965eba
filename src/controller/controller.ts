/**
 * The resident controller: looks each second, and at once when something is news; ticks when there is something to do,
 * and faster while a move is under way. Told to tick on triggers alone, it goes on by itself only while what a trigger
 * began is not done.
 *
 * It keeps nothing that a tick needs. What it remembers (the cluster as its watches tell it, how long Leases were seen
 * unchanged, the server's clock to the millisecond, the last result for the status page) only makes it faster, cheaper
 * or better to look at: every write is decided from listings, or from copies that the API server has just confirmed.
 */
import { TIMINGS } from "../core/timings.ts";
import type { TickRequest } from "./ticker.ts";
import { Ticker } from "./ticker.ts";
import { hasMissedRenewal, untilMissed } from "../core/heartbeat.ts";
import type { KubeClient } from "../kube/client.ts";
import { asError } from "../core/message.ts";
import { sleep } from "../kube/deadline.ts";
import { RestoredError } from "../kube/errors.ts";
import { list } from "../kube/list.ts";
import { ClusterCache } from "../cluster/cache.ts";
import { CiliumNodeMemory } from "../cluster/cilium_nodes.ts";
import { LeaseWitness } from "../cluster/lease_witness.ts";
import type { Known, ObserveOptions } from "../cluster/observe.ts";
import { PREFIX } from "../core/names.ts";
import type { Snapshot } from "../core/types.ts";
import { PATHS } from "../cluster/resources.ts";
import { ServerClock } from "../cluster/server_clock.ts";
import { look, tick, urgentTick } from "./tick.ts";
import type { Look, TickResult } from "./tick.ts";

export interface ControllerOptions {
  readonly cilium?: ObserveOptions["cilium"];
  /** What Events name as their reporter. */
  readonly instance?: string | undefined;
  /** Between ticks while nothing happens; Infinity: none, after a first one. Default 1 s. */
  readonly everyMilliseconds?: number;
  /** Between ticks while a move is under way or a holder has missed a heartbeat. Default 100 ms. */
  readonly hurryMilliseconds?: number;
  /** Follow the cluster by watches, and tick on news only. Default true, unless ticks are left to triggers. */
  readonly watches?: boolean;
  readonly onTick?: (result: TickResult) => void;
  /** A tick that threw, and how long it took; or a watch that broke. Milliseconds. */
  readonly onError?: (error: Error, durationMilliseconds?: number) => void;
  /** Ends the loop and breaks off what is under way. */
  readonly signal: AbortSignal;
}

/**
 * However quiet it is, the cluster is listed this often: a watch may have missed something. A watch that hears nothing for
 * 90 s, not even that it ends, is broken (`watch.ts`), and then each tick lists.
 */
const RELIST_MILLISECONDS = 300_000;

/** While nothing is to be done, the API server is asked for a sign of life this often. */
const PROOF_MILLISECONDS = 2_000;

/** Once a move was begun without listings, it may go on so for so long. */
const WITHOUT_LISTING_MILLISECONDS = 3_000;

/** A label that nothing has. */
const NO_OBJECT = `${PREFIX}none`;

/** After a tick that failed, the next one does not wait longer. */
const RETRY_MILLISECONDS = 1_000;

export class Controller {
  readonly ticker: Ticker<TickResult>;
  readonly #client: KubeClient;
  readonly #options: ControllerOptions;
  readonly #pace: Pace;
  readonly #witness = new LeaseWitness();
  readonly #clock = new ServerClock();
  readonly #ciliumNodes = new CiliumNodeMemory();
  readonly #known: Known = { ciliumNodes: this.#ciliumNodes };
  #cache: ClusterCache | undefined;
  #listedAt = -Infinity;
  #answeredAt = -Infinity;
  /** When something was first written without listings, since the last whole tick. */
  #urgentSince: number | undefined;
  #last: TickResult | undefined;
  #hint: () => void = () => {};
  /** Between its own ticks; one that ends meanwhile was triggered. */
  #resting = false;

  constructor(client: KubeClient, options: ControllerOptions) {
    this.#client = client;
    this.#options = options;
    const { everyMilliseconds = 1_000, hurryMilliseconds = 100 } = options;
    this.#pace = { everyMilliseconds, hurryMilliseconds };
    this.ticker = new Ticker((request) => this.#tick(request));
  }

  /** The last tick that was carried out; undefined before the first. */
  get last(): TickResult | undefined {
    return this.#last;
  }

  /** Ticks until the signal aborts. */
  async run(): Promise<void> {
    const { everyMilliseconds } = this.#pace;
    const { signal, watches = everyMilliseconds !== Infinity } = this.#options;
    if (watches) this.#cache = this.#followCluster();
    while (!signal.aborted) {
      const hinted = new Promise<void>((resolve) => this.#hint = resolve);
      let rest = Math.min(everyMilliseconds, RETRY_MILLISECONDS);
      try {
        rest = restAfter(await this.#look() ?? await this.ticker.trigger(), this.#pace);
      } catch {
        // Told to onError by the tick itself; the next one tries again.
      }
      this.#resting = true;
      await Promise.race([hinted, sleep(rest, signal)]).catch(() => {});
      this.#resting = false;
    }
    await this.#cache?.ended();
  }

  #followCluster(): ClusterCache {
    const { cilium, signal, onError } = this.#options;
    return new ClusterCache(this.#client, {
      witness: this.#witness,
      onNews: () => this.#hint(),
      onError,
      signal,
      ...(cilium === undefined ? {} : { cilium }),
    });
  }

  /** The outcome of a tick without listings; undefined where it takes them. */
  async #look(): Promise<TickResult | undefined> {
    const doubtful = performance.now() - this.#listedAt >= RELIST_MILLISECONDS;
    if (this.#cache === undefined || doubtful) return undefined;
    const local = performance.now();
    if (local - (this.#urgentSince ?? local) >= WITHOUT_LISTING_MILLISECONDS) return undefined;
    const followed = this.#cache.snapshot({ serverTime: this.#clock.at(local), local });
    if (followed === undefined) return undefined;
    const snapshot = { ...followed, ciliumNodes: this.#ciliumNodes.known };
    void this.#lookAtCiliumNodes(snapshot);
    const seen = look(snapshot);
    // What is urgent is read anew, which proves as much.
    if (seen.urgent === undefined && !await this.#isAnswered()) return undefined;
    const result = await this.#writeUrgent(seen);
    if (result === undefined) return undefined;
    this.ticker.noteQuiet();
    this.#last = result;
    this.#options.onTick?.(result);
    return result;
  }

  /** Beside the loop, which must not wait for it. */
  async #lookAtCiliumNodes(snapshot: Snapshot): Promise<void> {
    const { known } = this.#ciliumNodes;
    const now = await this.#ciliumNodes.look(this.#client, snapshot, this.#options.signal);
    if (now !== known) this.#hint();
  }

  /** Writes what traffic waits for; undefined where that, or what else there is to do, takes a whole tick. */
  async #writeUrgent({ urgent, ...seen }: Look): Promise<TickResult | undefined> {
    if (urgent === undefined) {
      const isMoving = this.#urgentSince !== undefined && !seen.settled;
      // What is still to be written can wait until the move is done.
      if (isMoving) return { ...seen, plan: { ...seen.plan, changes: [], events: [] } };
      return seen.settled && seen.plan.changes.length === 0 ? seen : undefined;
    }
    this.#urgentSince ??= performance.now();
    const result = await urgentTick(this.#client, { ...seen, urgent }, {
      ...this.#options,
      witness: this.#witness,
      clock: this.#clock,
      resourceVersion: this.#known.resourceVersion,
    }).catch((error) => this.#noteRestore(error));
    // Who was faster than the watches is known once all is listed.
    const isWritten = result?.results.every(({ result }) => result === "written");
    return isWritten ? result : undefined;
  }

  /** Whether the API server answers: a watch that is silent may be one that nobody serves any more. */
  async #isAnswered(): Promise<boolean> {
    const sent = performance.now();
    if (sent - this.#answeredAt < PROOF_MILLISECONDS) return true;
    try {
      // An answer without objects: it only has to come, and to bring the time and the version.
      const { serverTime, resourceVersion } = await list(this.#client, PATHS.EgressGateway, {
        limit: 1,
        labelSelector: NO_OBJECT,
        notBefore: this.#known.resourceVersion,
        signal: this.#options.signal,
        timeoutMilliseconds: PROOF_MILLISECONDS,
      });
      this.#known.resourceVersion = resourceVersion;
      this.#clock.observe(serverTime, { sent, received: performance.now() });
      this.#answeredAt = sent;
      return true;
    } catch (error) {
      this.#noteRestore(error);
      // Where nobody answers, the tick that follows fails as well, and says why.
      return false;
    }
  }

  /** What watches told of an etcd that was set back is of no use, and they may tell nothing more. */
  #noteRestore(error: unknown): undefined {
    if (!(error instanceof RestoredError)) return;
    this.#known.resourceVersion = undefined;
    this.#cache?.relist();
  }

  async #tick({ dryRun }: TickRequest): Promise<TickResult> {
    const { cilium, instance, signal, onTick, onError } = this.#options;
    const begun = performance.now();
    try {
      const result = await tick(this.#client, {
        dryRun,
        witness: this.#witness,
        clock: this.#clock,
        known: this.#known,
        instance,
        signal,
        ...(cilium === undefined ? {} : { cilium }),
      });
      [this.#listedAt, this.#answeredAt] = [begun, begun];
      this.#urgentSince = undefined;
      if (!dryRun) {
        this.#last = result;
        onTick?.(result);
        const unfinished = restAfter(result, this.#pace) < this.#pace.everyMilliseconds;
        if (unfinished && this.#resting) this.#hint();
      }
      return result;
    } catch (error) {
      this.#noteRestore(error);
      if (!signal.aborted) onError?.(asError(error), performance.now() - begun);
      // A pod that is not ready gets no more triggers, so it has to get over this by itself.
      if (!dryRun && this.#resting) this.#hint();
      throw error;
    }
  }
}

interface Pace {
  readonly everyMilliseconds: number;
  readonly hurryMilliseconds: number;
}

/** How long to wait for the next tick. */
function restAfter(
  { settled, snapshot, plan }: TickResult,
  { everyMilliseconds, hurryMilliseconds }: Pace,
): number {
  if (!settled) return hurryMilliseconds;
  const holders = new Set(
    plan.gateways.filter(({ activeNodeName, candidates }) =>
      candidates.some(({ node, eligible }) => node === activeNodeName && eligible)
    ).map(({ activeNodeName }) => activeNodeName),
  );
  const held = snapshot.leases.filter(({ name }) => holders.has(name));
  const worrying = held.some((lease) =>
    hasMissedRenewal(lease, snapshot.now) &&
    snapshot.now - (lease.renewedAt ?? -Infinity) < TIMINGS.worryMilliseconds
  );
  if (worrying) return hurryMilliseconds;
  // Standbys that miss a holder's pings are believed once it misses a renewal as well, so look again right then.
  const missed = new Set(snapshot.leases.flatMap(({ report }) => report?.unreachable ?? []));
  const suspects = held.filter(({ name }) => missed.has(name));
  return Math.min(everyMilliseconds, ...suspects.map(untilMissed));
}
