/** The status page of a cluster that stands still until a test says otherwise, served as a controller serves it. */
import { decide } from "../../src/core/decide.ts";
import type { Milliseconds, Snapshot } from "../../src/core/types.ts";
import type { LastTick } from "../../src/controller/ticker.ts";
import { createApp } from "../../src/http/app.ts";
import { StatusRenderer } from "../../src/http/rendered_status.ts";
import { serve } from "../../src/http/server.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { VirtualTime } from "../support/virtual_time.ts";

/** A last good tick that is older is late. */
const LATE_MILLISECONDS = 5_000;

type Ticked = Parameters<StatusRenderer["render"]>[0];

export class PageWorld implements AsyncDisposable {
  /** The controller's clock, which is the API server's. */
  now: Milliseconds;
  url = "";
  #snapshot: Snapshot;
  #ticked: Ticked | undefined;
  #last: LastTick | undefined;
  readonly #renderer = new StatusRenderer();
  /** By which the page's streams wait. */
  readonly time = new VirtualTime();
  readonly #stop = new AbortController();
  #closed = Promise.resolve();

  private constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.now = snapshot.now;
  }

  /** Serves the page on loopback; no tick has ended yet. */
  static async start(snapshot: Snapshot): Promise<PageWorld> {
    const world = new PageWorld(snapshot);
    const app = createApp({
      ticker: {
        get last() {
          return world.#last;
        },
        trigger: () => Promise.reject(new Error("Nobody triggers here")),
      },
      status: () => world.#ticked && world.#renderer.render(world.#ticked),
      metrics: () => Promise.resolve(""),
      loopback: true,
      lateMilliseconds: LATE_MILLISECONDS,
      signal: world.#stop.signal,
      sleep: world.time.sleep,
      now: () => world.now,
    });
    const { signal } = world.#stop;
    const server = await serve({ app, hostname: "127.0.0.1", port: 0, signal });
    world.url = `http://127.0.0.1:${server.port}/`;
    world.#closed = server.closed;
    return world;
  }

  /** A tick of the cluster as it is, or as `change` makes it. */
  tick(change: (before: Snapshot) => Snapshot = (same) => same): void {
    const snapshot = change(this.#snapshot);
    const plan = decide(snapshot);
    this.#ticked = { plan, snapshot };
    this.#snapshot = applyPlan(snapshot, plan);
    this.now = Math.max(this.now, snapshot.now);
    this.#last = { finishedAt: this.now };
  }

  /** Time goes by without a tick. */
  async pass(milliseconds: Milliseconds): Promise<void> {
    this.now += milliseconds;
    await this.time.pass(milliseconds);
  }

  /** Ends the server, which closes all streams. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
