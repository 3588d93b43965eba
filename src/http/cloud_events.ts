/** Ticks on CloudEvents over HTTP, as Knative's sources send them. */
import { CloudEvent, HTTP } from "cloudevents";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
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

export interface CloudEventsDeps {
  /** Resolves true once the cluster is settled; false, or a rejection, makes the source send its event again. */
  readonly ticker: Pick<Ticker<boolean>, "trigger">;
}

/**
 * Receives events one at a time, in binary and in structured JSON mode. An event is a hint: its type says that something
 * changed or that it is time, and nothing else in it is looked at. It is answered when its tick has ended, since a source
 * repeats what failed, and a Knative service has no processor time between requests.
 */
export function createCloudEventsApp({ ticker }: CloudEventsDeps): Hono {
  const app = new Hono();
  app.get("/healthz", (c) => c.text("ok\n"));
  app.post(
    "/",
    bodyLimit({
      maxSize: BODY_LIMIT_BYTES,
      onError: (c) => c.json({ error: `Body is larger than ${BODY_LIMIT_BYTES} bytes` }, 413),
    }),
    async (c) => {
      const event = await readEvent(c);
      if (!HINTS.test(event.type)) return c.body(null, 204);
      if (await ticker.trigger()) return c.body(null, 200);
      return c.json({ error: "The tick did not settle the cluster, see the log" }, FAILED);
    },
  );
  app.all("/healthz", (c) => refuseMethod(c, "GET, HEAD"));
  app.all("/", (c) => refuseMethod(c, "POST"));
  app.notFound((c) => c.json({ error: `No such path: ${c.req.path}` }, 404));
  app.onError(function answerError(error, c) {
    if (error instanceof HTTPException) return c.json({ error: error.message }, error.status);
    if (error instanceof TooManyTriggersError) {
      c.header("Retry-After", "1");
      return c.json({ error: error.message }, 429);
    }
    return c.json({ error: messageOf(error) }, FAILED);
  });
  return app;
}

/** @throws HTTPException 400 for what is no valid event of CloudEvents 1.0, 415 for other formats */
async function readEvent(c: Context): Promise<CloudEvent<unknown>> {
  const headers = c.req.header();
  const mediaType = headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (mediaType.startsWith("application/cloudevents") && mediaType !== STRUCTURED) {
    throw new HTTPException(415, {
      message: `Events must come one by one, in binary mode or as ${STRUCTURED}: ` +
        `Content-Type is '${mediaType}'`,
    });
  }
  const body = await c.req.text();
  try {
    // The package knows media types without parameters only.
    const message = { headers: { ...headers, "content-type": mediaType }, body };
    if (mediaType === STRUCTURED) assertIdentified(JSON.parse(body));
    const event = HTTP.toEvent<unknown>(message);
    if (!(event instanceof CloudEvent)) throw new TypeError("more than one event");
    // The package validates no other version than this.
    if (event.specversion !== "1.0") throw new TypeError("specversion must be 1.0");
    event.validate();
    return event;
  } catch (cause) {
    throw new HTTPException(400, { message: `No valid CloudEvent: ${messageOf(cause)}`, cause });
  }
}

/** The package makes up an `id` where there is none. */
function assertIdentified(event: unknown): void {
  if (typeof event === "object" && event !== null && "id" in event && event.id) return;
  throw new TypeError("id is missing");
}

function refuseMethod(c: Context, allow: string): Response {
  c.header("Allow", allow);
  return c.json({ error: `${c.req.method} is not allowed on ${c.req.path}` }, 405);
}
