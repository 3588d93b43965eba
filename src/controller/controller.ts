/**
 * The resident controller: ticks each second, faster while a move is under way, and at once when an agent reports news.
 * Told to tick on triggers alone, it goes on by itself only while what a trigger began is not done.
 *
 * It keeps nothing that a tick needs. What it remembers (how long Leases were seen unchanged, the server's clock to the
 * millisecond, the last result for the status page) only makes it faster or better to look at.
 */
import type { TickRequest } from "./ticker.ts";
import { Ticker } from "./ticker.ts";
import type { Lease } from "../core/types.ts";
import { hasMissedRenewal, untilMissed } from "../core/heartbeat.ts";
import type { KubeClient } from "../kube/client.ts";
import { sleep } from "../kube/deadline.ts";
import { decodeLease } from "../cluster/decoders/kinds.ts";
import { LeaseWitness } from "../cluster/lease_witness.ts";
import type { Known, ObserveOptions } from "../cluster/observe.ts";
import { Reflector } from "../kube/reflector.ts";
import { PATHS } from "../cluster/resources.ts";
import { ServerClock } from "../cluster/server_clock.ts";
import { tick } from "./tick.ts";
import type { TickResult } from "./tick.ts";

export interface ControllerOptions {
  readonly cilium?: ObserveOptions["cilium"];
  /** Between ticks while nothing happens; Infinity: none, after a first one. Default 1 s. */
  readonly everyMilliseconds?: number;
  /** Between ticks while a move is under way or a holder has missed a heartbeat. Default 100 ms. */
  readonly hurryMilliseconds?: number;
  /** Watch the agents' Leases for news. Default true, unless ticks are left to triggers. */
  readonly hints?: boolean;
  readonly onTick?: (result: TickResult) => void;
  /** A tick that threw, and how long it took; or a watch that broke. Milliseconds. */
  readonly onError?: (error: Error, durationMilliseconds?: number) => void;
  /** Ends the loop and breaks off what is under way. */
  readonly signal: AbortSignal;
}

/** A holder that has been silent for longer is one whose heartbeat does not count. */
const WORRY_MILLISECONDS = 60_000;

/** After a tick that failed, the next one does not wait longer. */
const RETRY_MILLISECONDS = 1_000;

export class Controller {
  readonly ticker: Ticker<TickResult>;
  readonly #client: KubeClient;
  readonly #options: ControllerOptions;
  readonly #pace: Pace;
  readonly #witness = new LeaseWitness();
  readonly #clock = new ServerClock();
  readonly #known: Known = {};
  readonly #news = new Map<string, string>();
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
    const { signal, hints = everyMilliseconds !== Infinity } = this.#options;
    const watching = hints ? this.#watchLeases() : undefined;
    while (!signal.aborted) {
      const hinted = new Promise<void>((resolve) => this.#hint = resolve);
      let rest = Math.min(everyMilliseconds, RETRY_MILLISECONDS);
      try {
        rest = restAfter(await this.ticker.trigger(), this.#pace);
      } catch {
        // Told to onError by the tick itself; the next one tries again.
      }
      this.#resting = true;
      await Promise.race([hinted, sleep(rest, signal)]).catch(() => {});
      this.#resting = false;
    }
    await watching;
  }

  async #tick({ dryRun }: TickRequest): Promise<TickResult> {
    const { cilium, signal, onTick, onError } = this.#options;
    const begun = performance.now();
    try {
      const result = await tick(this.#client, {
        dryRun,
        witness: this.#witness,
        clock: this.#clock,
        known: this.#known,
        signal,
        ...(cilium === undefined ? {} : { cilium }),
      });
      if (!dryRun) {
        this.#last = result;
        onTick?.(result);
        const unfinished = restAfter(result, this.#pace) < this.#pace.everyMilliseconds;
        if (unfinished && this.#resting) this.#hint();
      }
      return result;
    } catch (error) {
      if (!signal.aborted) onError?.(asError(error), performance.now() - begun);
      // A pod that is not ready gets no more triggers, so it has to get over this by itself.
      if (!dryRun && this.#resting) this.#hint();
      throw error;
    }
  }

  /** Renewals say how old a heartbeat is; a changed report is a reason to tick now. */
  async #watchLeases(): Promise<void> {
    const { signal, onError } = this.#options;
    await new Reflector<Lease>(this.#client, PATHS.Lease, {
      decode: (item) => {
        const decoded = decodeLease(item);
        if (!("object" in decoded)) return undefined;
        this.#note(decoded.object);
        return decoded.object;
      },
      keyOf: ({ name }) => name,
      onChange: () => {},
      signal,
      ...(onError === undefined ? {} : { onError }),
    }).run();
  }

  #note(lease: Lease): void {
    this.#witness.note(lease, performance.now());
    const news = JSON.stringify(lease.report);
    if (this.#news.get(lease.name) === news) return;
    this.#news.set(lease.name, news);
    this.#hint();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
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
    snapshot.now - (lease.renewedAt ?? -Infinity) < WORRY_MILLISECONDS
  );
  if (worrying) return hurryMilliseconds;
  // Standbys that miss a holder's pings are believed once it misses a renewal as well, so look again right then.
  const missed = new Set(snapshot.leases.flatMap(({ report }) => report?.unreachable ?? []));
  const suspects = held.filter(({ name }) => missed.has(name));
  return Math.min(everyMilliseconds, ...suspects.map(untilMissed));
}
