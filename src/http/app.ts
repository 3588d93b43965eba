import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { secureHeaders } from "hono/secure-headers";
import { timeout } from "hono/timeout";
import type { Milliseconds } from "../core/types.ts";
import { type Ticker, TooManyTriggersError } from "../controller/ticker.ts";
import { messageOf } from "../core/message.ts";
import { contentSecurityPolicy, statusPage } from "./status_page.ts";
import type { StatusView } from "./status_view.ts";
import { hasFailed, type TickOutcome, tickSummary } from "../controller/tick_summary.ts";
import type { VerifyAuthorization } from "./token.ts";

const BODY_LIMIT_BYTES = 64 * 1024;
const TICK_TIMEOUT_MILLISECONDS = 30_000;

export interface AppDeps {
  readonly ticker: Pick<Ticker<TickOutcome>, "trigger" | "last">;
  /** What the status page shows; a rejection becomes 503. */
  status(): Promise<StatusView>;
  /** Prometheus text format; absent: there is no `/metrics`. */
  readonly metrics?: () => Promise<string>;
  /** Guards `POST /tick`; absent: only for a server that listens on loopback, which `loopback` then says. */
  readonly verifyAuthorization?: VerifyAuthorization | undefined;
  readonly loopback: boolean;
  /** `/readyz` fails when the last tick ended longer ago; default 15 s. */
  readonly freshMilliseconds?: Milliseconds;
  /** The ticker's clock; default `Date.now`. */
  readonly now?: () => Milliseconds;
}

/** The controller's HTTP side. Requests are hints: nothing that a request contains decides anything. */
export function createApp(deps: AppDeps): Hono {
  const app = new Hono();
  app.use(secureHeaders({ contentSecurityPolicy }));
  app.use(async function noStore(c, next) {
    await next();
    c.header("Cache-Control", "no-store");
  });
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
  app.get("/", async (c) => c.html(statusPage(await statusOf(deps))));
  app.get("/status.json", async (c) => c.json(await statusOf(deps)));
  app.post(
    "/tick",
    authorized(deps),
    timeout(TICK_TIMEOUT_MILLISECONDS),
    bodyLimit({
      maxSize: BODY_LIMIT_BYTES,
      onError: (c) => c.json({ error: `Body is larger than ${BODY_LIMIT_BYTES} bytes` }, 413),
    }),
    jsonBody(),
    async (c) => {
      const dryRun = parseDryRun(c.req.query("dryRun"));
      const outcome = await deps.ticker.trigger({ dryRun });
      return c.json(tickSummary(outcome, dryRun), hasFailed(outcome) ? 500 : 200);
    },
  );
  for (const path of ["/healthz", "/readyz", "/metrics", "/", "/status.json"]) {
    app.all(path, methodNotAllowed("GET, HEAD"));
  }
  app.all("/tick", methodNotAllowed("POST"));
  app.notFound((c) => c.json({ error: `No such path: ${c.req.path}` }, 404));
  app.onError(function answerError(error, c) {
    if (error instanceof HTTPException) {
      const response = error.getResponse();
      for (const [name, value] of response.headers) {
        if (name !== "content-type") c.header(name, value);
      }
      return c.json({ error: error.message }, error.status);
    }
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

async function statusOf(deps: AppDeps): Promise<StatusView> {
  try {
    return await deps.status();
  } catch (cause) {
    throw new HTTPException(503, { message: `Cannot tell the status: ${messageOf(cause)}`, cause });
  }
}

function authorized({ verifyAuthorization, loopback }: AppDeps): MiddlewareHandler {
  return async function authorize(c, next) {
    if (verifyAuthorization === undefined) {
      if (loopback) return await next();
      return c.json(
        { error: "Ticks can be triggered only with a token, and none is configured" },
        403,
      );
    }
    if (await verifyAuthorization(c.req.header("Authorization"))) return await next();
    c.header("WWW-Authenticate", 'Bearer realm="sallyport"');
    return c.json({ error: "Needs the bearer token" }, 401);
  };
}

/** Refuses a body that is not JSON. What it says is not looked at. */
function jsonBody(): MiddlewareHandler {
  return async function requireJson(c, next) {
    const body = await c.req.text();
    if (body === "") return await next();
    const type = c.req.header("Content-Type")?.split(";")[0]?.trim().toLowerCase() ?? "";
    if (!/^application\/([\w.-]+\+)?json$/.test(type)) {
      return c.json({ error: `Body must be JSON: Content-Type is '${type}'` }, 415);
    }
    if (!isJson(body)) return c.json({ error: "Body is not valid JSON" }, 400);
    await next();
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function parseDryRun(value: string | undefined): boolean {
  if (value === undefined || value === "false") return false;
  // `?dryRun` alone is meant as yes; a typo must not write.
  if (value === "" || value === "true") return true;
  throw new HTTPException(400, { message: `dryRun must be true or false: '${value}'` });
}

function methodNotAllowed(allow: string): MiddlewareHandler {
  return function refuseMethod(c) {
    c.header("Allow", allow);
    return Promise.resolve(
      c.json({ error: `${c.req.method} is not allowed on ${c.req.path}` }, 405),
    );
  };
}
