/**
 * The controller on an edge runtime: what `functions/edge.ts` answers requests and schedules with.
 *
 * Nothing runs between requests, so each trigger ticks until the cluster is settled, as a CronJob's tick does. There are
 * no files: the cluster and the trigger's token come by value. The same functions as everywhere else, on `fetch`.
 */
import { Hono } from "hono";
import { runTicks } from "../controller/run_ticks.ts";
import { hasFailed } from "../controller/tick_summary.ts";
import { Ticker } from "../controller/ticker.ts";
import type { TickResult } from "../controller/tick.ts";
import { messageOf } from "../core/message.ts";
import { createApp } from "../http/app.ts";
import { createCloudEventsApp } from "../http/cloud_events.ts";
import { StatusRenderer } from "../http/rendered_status.ts";
import { tokenOfValue } from "../http/token_value.ts";
import { withToken } from "../http/verify_token.ts";
import { clusterByValue } from "../kube/auth/by_value.ts";
import { trustingFetch } from "../kube/auth/trusting_fetch.ts";
import { createClientOn } from "../kube/client_on.ts";
import { fetchTransport } from "../kube/fetch_transport.ts";
import { createLogger } from "./log.ts";
import { CILIUM_SETTINGS, ciliumPods, LOG_SETTINGS, readSettings } from "./settings.ts";
import { createTickLog } from "./tick_log.ts";

/** The environment: a runtime's bindings, of which only our own variables are looked at. */
export type Variables = Readonly<Record<string, string | undefined>>;

export interface Edge {
  /** Health, status page, `POST /tick`, and CloudEvents at `POST /`. */
  readonly fetch: (request: Request) => Promise<Response>;
  /**
   * Ticks until the cluster is settled.
   *
   * @throws Error when that failed, so that the runtime's schedule shows it
   */
  readonly scheduled: () => Promise<void>;
}

const SETTINGS = [
  ...CILIUM_SETTINGS,
  ...LOG_SETTINGS,
  "apiServer",
  "apiToken",
  "apiCA",
  "token",
] as const;

/** An isolate lives as long as its runtime likes; what it knows of its last tick says nothing of another's. */
const FRESH_MILLISECONDS = 120_000;

/** @throws ConfigError for settings that are wrong or missing */
export function createEdge(variables: Variables): Edge {
  const settings = readSettings(SETTINGS, { variables });
  const { apiServer: server, apiToken, apiCA: ca, token } = settings;
  const logger = createLogger({
    format: settings.logFormat,
    level: settings.logLevel,
    // deno-lint-ignore no-console -- where an edge runtime collects its logs
    write: (line) => console.error(line.trimEnd()),
  });
  const log = createTickLog(logger);
  const cluster = clusterByValue({ server, token: apiToken, ca });
  const client = createClientOn(cluster, {
    transport: fetchTransport({ fetch: trustingFetch(ca) }),
  });
  let last: TickResult | undefined;
  const ticker = new Ticker(async ({ dryRun }) => {
    let outcome: TickResult | undefined;
    let failure: Error | undefined;
    await runTicks(client, {
      forMilliseconds: 0,
      everyMilliseconds: 0,
      cilium: ciliumPods(settings),
      dryRun,
      instance: "sallyport-edge",
      onTick: (result) => {
        [outcome, failure] = [result, undefined];
        if (!dryRun) log.tick(result);
      },
      onError: (error) => {
        failure = error;
        log.error(error);
      },
    });
    if (outcome === undefined || failure !== undefined) {
      throw failure ?? new Error("Cannot tick: nothing came of it");
    }
    if (!dryRun) last = outcome;
    return outcome;
  });
  const settled = {
    trigger: async () => {
      const { settled, results } = await ticker.trigger();
      return settled && !hasFailed({ results });
    },
  };
  const verifyToken = token === undefined ? undefined : tokenOfValue(token);
  const renderer = new StatusRenderer();
  const events = createCloudEventsApp({ ticker: settled });
  const app = new Hono();
  // An event is a trigger like any other, and an edge is public.
  app.post("/", withToken(verifyToken), (c) => events.fetch(c.req.raw));
  app.route(
    "/",
    createApp({
      ticker,
      status: () => last && renderer.render(last),
      // Whoever can reach it is not known, so without a token nobody triggers.
      loopback: false,
      freshMilliseconds: FRESH_MILLISECONDS,
      verifyToken,
    }),
  );
  return {
    fetch: async (request) => await app.fetch(request),
    async scheduled() {
      if (await settled.trigger()) return;
      throw new Error("Cannot settle the cluster: the log says what is wrong");
    },
  };
}

/** Answers that say what is wrong with the settings, as long as something is. */
export function misconfigured(error: unknown): Edge {
  const message = messageOf(error);
  return {
    fetch: () => Promise.resolve(Response.json({ error: message }, { status: 500 })),
    scheduled: () => Promise.reject(error),
  };
}
