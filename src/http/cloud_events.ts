/** Ticks on CloudEvents over HTTP, as Knative's sources send them. */
import { CloudEvent, HTTP } from "cloudevents";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import { type Ticker, TooManyTriggersError } from "../controller/ticker.ts";
import { messageOf } from "../core/message.ts";

/**
 * ApiServerSource in its mode `Resource` sends whole objects, and etcd takes requests of up to 1.5 MiB; what nears that is
 * no Node or Pod.
 */
const BODY_LIMIT_BYTES = 1024 * 1024;

/** A source that is told nothing else repeats 502, 503 and 504 and takes 500 for final (cloudevents/sdk-go). */
const FAILED = 503;

/** What an event can mean; source: knative.dev/eventing, pkg/apis/sources. */
const HINTS =
  /^dev\.knative\.(apiserver\.(resource\.(add|update|delete)|ref\.(add|update|delete))|sources\.ping)$/;

const STRUCTURED = "application/cloudevents+json";

/** Events at once, as `containerConcurrency` of the manifest says; more are told to come again. */
const MOST_AT_ONCE = 32;

export interface CloudEventsDeps {
  /** Resolves true once the cluster is settled; false, or a rejection, makes the source send its event again. */
  readonly ticker: Pick<Ticker<boolean>, "trigger">;
}

/**
 * Receives events one at a time, in binary and in structured JSON mode. An event is a hint: its type says that something
 * changed or that it is time, and nothing else in it is kept. It is answered when its tick has ended, since a source
 * repeats what failed, and a Knative service has no processor time between requests.
 */
export function createCloudEventsApp({ ticker }: CloudEventsDeps): Hono {
  const app = new Hono();
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }));
  app.get("/healthz", (c) => c.text("ok\n"));
  app.post(
    "/",
    atMost(MOST_AT_ONCE),
    async (c) => {
      if (!HINTS.test(await readType(c))) return c.body(null, 204);
      // Data is taken in before the tick, else the connection would stall, and dropped.
      await readBody(c, () => {});
      if (await ticker.trigger()) return c.body(null, 200);
      return c.json({ error: "The tick did not settle the cluster, see the log" }, FAILED);
    },
  );
  app.notFound((c) => c.json({ error: `No such path: ${c.req.path}` }, 404));
  app.onError(function answerError(error, c) {
    if (error instanceof HTTPException) return c.json({ error: error.message }, error.status);
    if (error instanceof TooManyTriggersError) return tooMany(c, error.message);
    return c.json({ error: messageOf(error) }, FAILED);
  });
  return app;
}

/** Sends away what comes while so many requests are under way, before anything of it is read. */
function atMost(limit: number): MiddlewareHandler {
  let underWay = 0;
  return async function limitRequests(c, next) {
    if (underWay >= limit) return tooMany(c, `${limit} events wait for their tick already`);
    underWay++;
    try {
      await next();
    } finally {
      underWay--;
    }
  };
}

function tooMany(c: Context, error: string): Response {
  c.header("Retry-After", "1");
  return c.json({ error }, 429);
}

/**
 * The event's type. Nothing of its body outlives this: events wait for their tick, and each may be of a megabyte.
 *
 * @throws HTTPException 400 for what is no valid event of CloudEvents 1.0, 415 for other formats
 */
async function readType(c: Context): Promise<string> {
  const headers = c.req.header();
  const mediaType = headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (mediaType.startsWith("application/cloudevents") && mediaType !== STRUCTURED) {
    throw new HTTPException(415, {
      message: `Events must come one by one, in binary mode or as ${STRUCTURED}: ` +
        `Content-Type is '${mediaType}'`,
    });
  }
  if (mediaType === STRUCTURED) return typeOf({ "content-type": mediaType }, await textOf(c));
  // In binary mode the attributes are headers.
  return typeOf({ ...headers, "content-type": "text/plain" }, "");
}

/** @throws HTTPException 400 */
function typeOf(headers: Readonly<Record<string, string>>, body: string): string {
  try {
    if (headers["content-type"] === STRUCTURED) assertIdentified(JSON.parse(body));
    const event = HTTP.toEvent<unknown>({ headers, body });
    if (!(event instanceof CloudEvent)) throw new TypeError("more than one event");
    // The package validates no other version than this.
    if (event.specversion !== "1.0") throw new TypeError("specversion must be 1.0");
    event.validate();
    return event.type;
  } catch (cause) {
    throw new HTTPException(400, { message: `No valid CloudEvent: ${messageOf(cause)}` });
  }
}

async function textOf(c: Context): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  await readBody(c, (chunk) => text += decoder.decode(chunk, { stream: true }));
  return text + decoder.decode();
}

/**
 * Reads a body to its end and keeps nothing of it, unlike `c.req.text()` and hono's `bodyLimit`, which remember it for as long
 * as the request lasts. One that was read has no end any more.
 *
 * @throws HTTPException 413 as soon as it is too long
 */
async function readBody(c: Context, onChunk: (chunk: Uint8Array) => void): Promise<void> {
  const { body, bodyUsed } = c.req.raw;
  if (body === null || bodyUsed) return;
  const told = Number(c.req.header("Content-Length") ?? 0);
  if (told > BODY_LIMIT_BYTES) throw tooLong();
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > BODY_LIMIT_BYTES) throw tooLong();
    onChunk(chunk);
  }
}

function tooLong(): HTTPException {
  return new HTTPException(413, { message: `Body is larger than ${BODY_LIMIT_BYTES} bytes` });
}

/** The package makes up an `id` where there is none. */
function assertIdentified(event: unknown): void {
  if (typeof event === "object" && event !== null && "id" in event && event.id) return;
  throw new TypeError("id is missing");
}

function refuseMethod(c: Context, allowed: readonly string[]): Response {
  c.header("Allow", allowed.join(", "));
  return c.json({ error: `${c.req.method} is not allowed on ${c.req.path}` }, 405);
}
