import { type Context, Hono, type MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import { secureHeaders } from "hono/secure-headers";
import { timeout } from "hono/timeout";
import type { Milliseconds } from "../core/types.ts";
import { messageOf } from "../core/message.ts";
import type { sleep } from "../kube/deadline.ts";
import { type Ticker, TooManyTriggersError } from "../controller/ticker.ts";
import { hasFailed, type TickOutcome, tickSummary } from "../controller/tick_summary.ts";
import { loopbackHost, sameSite } from "./own_site.ts";
import { liveStatus } from "./live_status.ts";
import { contentSecurityPolicy, StatusPage } from "./status_page.ts";
import { type Strip, stripOf } from "./status_strip.ts";
import { goodAt } from "./verdict.ts";
import type { RenderedStatus } from "./rendered_status.ts";
import { TokenUnreadableError, type VerifyToken, withToken } from "./verify_token.ts";

const TICK_TIMEOUT_MILLISECONDS = 30_000;

export interface AppDeps {
  readonly ticker: Pick<Ticker<TickOutcome>, "trigger" | "last">;
  /** What the status page shows; undefined before the first tick has ended. */
  status(): RenderedStatus | undefined;
  /** Prometheus text format; absent: there is no `/metrics`. */
  readonly metrics?: () => Promise<string>;
  /** Guards `POST /tick`; absent: only for a server that listens on loopback, which `loopback` then says. */
  readonly verifyToken?: VerifyToken | undefined;
  readonly loopback: boolean;
  /** `/readyz` fails when the last tick ended longer ago; default 15 s. */
  readonly freshMilliseconds?: Milliseconds;
  /** The page calls ticks late when the last good one ended longer ago; default `freshMilliseconds`. */
  readonly lateMilliseconds?: Milliseconds;
  /** Ends the streams of the status page, which would keep a server from closing. */
  readonly signal?: AbortSignal;
  /** The ticker's clock; default `Date.now`. */
  readonly now?: () => Milliseconds;
  /** By which the streams of the status page wait. */
  readonly sleep?: typeof sleep;
}

/** The controller's HTTP side. Requests are hints: nothing that a request contains decides anything. */
export function createApp(deps: AppDeps): Hono {
  const app = new Hono();
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }));
  app.use(secureHeaders({ contentSecurityPolicy }));
  app.use(async function noStore(c, next) {
    await next();
    c.header("Cache-Control", "no-store");
  });
  if (deps.loopback) app.use(loopbackHost());
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/readyz", (c) => {
    const readiness = readinessOf(deps);
    return c.json(readiness, readiness.ready ? 200 : 503);
  });
  const { metrics } = deps;
  if (metrics !== undefined) {
    app.get("/metrics", async (c) => {
      // The media type of the text format, version included, as Prometheus negotiates it.
      c.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      return c.body(await metrics());
    });
  }
  const page = new StatusPage({ hasMetrics: metrics !== undefined });
  app.get("/", (c) => {
    const status = deps.status();
    return c.html(page.at(stripNow(deps), status), status === undefined ? 503 : 200);
  });
  const { status, signal, sleep } = deps;
  const stream = liveStatus({ status, strip: () => stripNow(deps), signal, sleep });
  app.get("/events", sameSite(), stream);
  app.get("/status.json", (c) => {
    const { json } = deps.status() ?? noStatus();
    c.header("Content-Type", "application/json");
    return c.body(json());
  });
  // Whatever body comes along is not read: a trigger says that it is time, and nothing else.
  app.post("/tick", admitted(deps), timeout(TICK_TIMEOUT_MILLISECONDS), async (c) => {
    const dryRun = parseDryRun(c.req.query("dryRun"));
    const outcome = await deps.ticker.trigger({ dryRun });
    return c.json(tickSummary(outcome, dryRun), hasFailed(outcome) ? 500 : 200);
  });
  app.notFound((c) => c.json({ error: `No such path: ${c.req.path}` }, 404));
  app.onError(function answerError(error, c) {
    if (error instanceof HTTPException) {
      return error.res === undefined
        ? c.json({ error: error.message }, error.status)
        : error.getResponse();
    }
    if (error instanceof TokenUnreadableError) return c.json({ error: error.message }, 403);
    if (error instanceof TooManyTriggersError) {
      c.header("Retry-After", "1");
      return c.json({ error: error.message }, 429);
    }
    return c.json({ error: messageOf(error) }, 500);
  });
  return app;
}

/** The answer of `/readyz`. */
export interface Readiness {
  readonly ready: boolean;
  /** Since the last tick ended; null before the first. */
  readonly ageMilliseconds: Milliseconds | null;
  /** Why not ready; null when ready. */
  readonly error: string | null;
}

function readinessOf(deps: AppDeps): Readiness {
  const last = deps.ticker.last;
  if (last === undefined) {
    return { ready: false, ageMilliseconds: null, error: "No tick has ended yet" };
  }
  const ageMilliseconds = (deps.now ?? Date.now)() - last.finishedAt;
  const limit = deps.freshMilliseconds ?? 15_000;
  const stale = ageMilliseconds > limit
    ? `Last tick ended ${ageMilliseconds} ms ago, more than ${limit} ms`
    : null;
  const error = last.error ?? stale;
  return { ready: error === null, ageMilliseconds, error };
}

function stripNow(deps: AppDeps): Strip {
  const { ticker: { last }, freshMilliseconds = 15_000 } = deps;
  const { lateMilliseconds = freshMilliseconds } = deps;
  const status = deps.status();
  const good = last && goodAt(last);
  return stripOf({
    last,
    now: (deps.now ?? Date.now)(),
    lateMilliseconds,
    findings: status?.findings() ?? [],
    aheadMilliseconds: status === undefined || good === undefined ? 0 : status.observedAt - good,
  });
}

function noStatus(): never {
  throw new HTTPException(503, { message: "Cannot tell the status: no tick has ended yet" });
}

/** Who may trigger a tick. */
function admitted({ verifyToken, loopback }: AppDeps): MiddlewareHandler {
  return verifyToken === undefined && loopback ? sameSite() : withToken(verifyToken);
}

function parseDryRun(value: string | undefined): boolean {
  if (value === undefined || value === "false") return false;
  // `?dryRun` alone is meant as yes; a typo must not write.
  if (value === "" || value === "true") return true;
  throw new HTTPException(400, { message: `dryRun must be true or false: '${value}'` });
}

function refuseMethod(c: Context, allowed: readonly string[]): Response {
  c.header("Allow", allowed.join(", "));
  return c.json({ error: `${c.req.method} is not allowed on ${c.req.path}` }, 405);
}
