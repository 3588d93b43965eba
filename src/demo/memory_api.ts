/**
 * A Kubernetes API in memory, for the demo: real HTTP, as far as the controller, the agents, the command line and kubectl
 * need it. It validates nothing and keeps no promise beyond that.
 */
import { Hono } from "hono";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { Json, JsonObject } from "../core/types.ts";
import { apiVersionOf, KINDS, rootOf } from "./memory_kinds.ts";
import type { Kind } from "./memory_kinds.ts";
import { asObject, patched, StatusError } from "./memory_store.ts";
import type { MemoryStore, Reference, Stored, Writer } from "./memory_store.ts";
import { discovery } from "./memory_discovery.ts";
import { watchStream } from "./memory_watch.ts";
import { messageOf } from "../core/message.ts";
import { parseLabelSelector } from "../kube/label_selector.ts";
import type { MatchLabels } from "../kube/label_selector.ts";

export interface MemoryApiOptions {
  readonly store: MemoryStore;
  /**
   * First segment of every path. Loopback alone does not keep the pages of a browser out, and kubectl sends no token
   * over plain HTTP.
   */
  readonly secret: string;
  /** Ends all watches. */
  readonly signal: AbortSignal;
}

const APPLY = "application/apply-patch+yaml";
/** A strategic merge differs for lists only, and nobody patches lists here. */
const MERGES = ["application/merge-patch+json", "application/strategic-merge-patch+json"];

const WATCH_SECONDS = 290;

export function createMemoryApi(options: MemoryApiOptions): Hono {
  const { store, secret, signal } = options;
  const app = new Hono().basePath(secret);
  app.use(async function tellTime(c, next) {
    await next();
    // Heartbeats are judged by this clock.
    c.header("Date", new Date().toUTCString());
  });
  app.route("/", discovery());
  for (const kind of KINDS) serveKind(app, kind, { store, signal });
  app.notFound(() =>
    answer(new StatusError({ code: 404, reason: "NotFound" }, "the server could not find this"))
  );
  app.onError((error) => {
    if (error instanceof StatusError) return answer(error);
    const code = error instanceof HTTPException ? error.status : 500;
    return answer(new StatusError({ code, reason: "InternalError" }, error.message));
  });
  return app;
}

function serveKind(
  app: Hono,
  kind: Kind,
  { store, signal }: Pick<MemoryApiOptions, "store" | "signal">,
): void {
  const root = rootOf(kind);
  const inNamespace = kind.namespaced ? `${root}/namespaces/:namespace` : root;
  const all = `${root}/${kind.plural}`;
  const items = `${inNamespace}/${kind.plural}`;

  const list = (c: Context): Response => {
    const namespace = c.req.param("namespace");
    const selects = selector(c.req.query("labelSelector"), c.req.query("fieldSelector"));
    if (["1", "true"].includes(c.req.query("watch") ?? "")) {
      const stream = watchStream(store, {
        kind,
        selects: (stored) =>
          (namespace === undefined || stored.namespace === namespace) && selects(stored),
        version: Number(c.req.query("resourceVersion") || store.version),
        bookmarks: c.req.query("allowWatchBookmarks") === "true",
        timeoutMilliseconds: 1_000 * Number(c.req.query("timeoutSeconds") ?? WATCH_SECONDS),
        signal,
      });
      return c.body(stream, 200, { "Content-Type": "application/json" });
    }
    return c.json({
      apiVersion: apiVersionOf(kind),
      kind: `${kind.kind}List`,
      metadata: { resourceVersion: String(store.version) },
      items: store.list(kind, namespace).filter(selects).map(({ object }) => object),
    });
  };
  app.get(all, list);
  if (items !== all) app.get(items, list);

  app.post(items, async (c) => {
    const { status: _, ...object } = await bodyOf(c);
    const reference = { namespace: c.req.param("namespace") ?? "", name: nameFor(object) };
    if (isDryRun(c) && store.find(kind, reference) === undefined) return c.json(object, 201);
    const stored = store.create(kind, reference, { object, ...writerOf(c) });
    return c.json(stored.object, 201);
  });
  app.get(`${items}/:name`, (c) => c.json(store.get(kind, referenceOf(c)).object));
  app.delete(`${items}/:name`, async (c) => {
    const { uid, resourceVersion } = asObject((await bodyOf(c))["preconditions"]);
    if (isDryRun(c)) return c.json(store.get(kind, referenceOf(c)).object);
    const stored = store.remove(kind, referenceOf(c), {
      ...(typeof uid === "string" ? { uid } : {}),
      ...(typeof resourceVersion === "string" ? { resourceVersion } : {}),
    });
    return c.json(stored.object);
  });
  for (const path of kind.status ? ["", "/status"] : [""]) {
    const write = async (c: Context): Promise<Response> => {
      const { stored, created } = await change(c, { kind, store, status: path !== "" });
      return c.json(stored.object, created ? 201 : 200);
    };
    app.patch(`${items}/:name${path}`, write);
    app.put(`${items}/:name${path}`, write);
  }
}

/** PUT and PATCH of an object, or of its status. */
async function change(
  c: Context,
  { kind, store, status }: { kind: Kind; store: MemoryStore; status: boolean },
): Promise<{ readonly stored: Pick<Stored, "object">; readonly created: boolean }> {
  const type = c.req.header("Content-Type")?.split(";")[0] ?? "";
  const replace = c.req.method === "PUT";
  if (!replace && type !== APPLY && !MERGES.includes(type)) {
    throw new StatusError(
      { code: 415, reason: "UnsupportedMediaType" },
      `the body of the request was in an unknown format - accepted media types include: ${
        [...MERGES, APPLY].join(", ")
      }`,
    );
  }
  const body = await bodyOf(c);
  const reference = referenceOf(c);
  const writer: Writer = {
    ...writerOf(c),
    ...(type === APPLY ? { operation: "Apply" } : {}),
    ...(status ? { subresource: "status" } : {}),
  };
  const { resourceVersion, ...metadata } = asObject(body["metadata"]);
  const given: JsonObject = { ...body, metadata };
  if (type === APPLY && store.find(kind, reference) === undefined) {
    const { status: _, ...object } = given;
    if (isDryRun(c)) {
      return { stored: { object }, created: true };
    }
    return { stored: store.create(kind, reference, { object, ...writer }), created: true };
  }
  const changed = (current: JsonObject): JsonObject => {
    const wanted = replace ? replaced(current, given) : patched(current, given);
    return kind.status ? onlyPart(current, { wanted, status }) : wanted;
  };
  if (isDryRun(c)) {
    const current = store.get(kind, reference);
    return { stored: { ...current, object: changed(current.object) }, created: false };
  }
  const stored = store.update(kind, reference, {
    ...writer,
    preconditions: typeof resourceVersion === "string" ? { resourceVersion } : {},
    change: changed,
  });
  return { stored, created: false };
}

/** What a PUT makes of an object: the server's own fields stay. */
function replaced(current: JsonObject, given: JsonObject): JsonObject {
  const { uid, resourceVersion, generation, creationTimestamp, managedFields } = asObject(
    current["metadata"],
  );
  const own = { uid, resourceVersion, generation, creationTimestamp, managedFields };
  const kept = Object.entries(own).filter((entry): entry is [string, Json] =>
    entry[1] !== undefined
  );
  return {
    ...given,
    metadata: { ...asObject(given["metadata"]), ...Object.fromEntries(kept) },
  };
}

/** A status write changes the status alone, another one everything else. */
function onlyPart(
  current: JsonObject,
  { wanted, status }: { readonly wanted: JsonObject; readonly status: boolean },
): JsonObject {
  const [base, other] = status ? [current, wanted] : [wanted, current];
  const { status: _, ...rest } = base;
  return other["status"] === undefined ? rest : { ...rest, status: other["status"] };
}

async function bodyOf(c: Context): Promise<JsonObject> {
  const text = await c.req.text();
  if (text === "") return {};
  try {
    // A body of type YAML is JSON from every client of ours.
    return asObject(JSON.parse(text));
  } catch {
    throw new StatusError({ code: 400, reason: "BadRequest" }, "the body is no JSON");
  }
}

function referenceOf(c: Context): Reference {
  return { namespace: c.req.param("namespace") ?? "", name: c.req.param("name") ?? "" };
}

/** Answered as any other write, and not stored. */
function isDryRun(c: Context): boolean {
  return c.req.query("dryRun") === "All";
}

function writerOf(c: Context): Writer {
  const agent = c.req.header("User-Agent")?.split("/")[0];
  return { manager: c.req.query("fieldManager") || agent || "unknown", operation: "Update" };
}

function nameFor({ metadata }: JsonObject): string {
  const { name, generateName } = asObject(metadata);
  if (typeof name === "string" && name !== "") return name;
  if (typeof generateName === "string" && generateName !== "") {
    return `${generateName}${Math.random().toString(36).slice(2, 7).padEnd(5, "0")}`;
  }
  throw new StatusError({ code: 422, reason: "Invalid" }, "name or generateName is required");
}

/** Understands label selectors, and the fields that are asked for. */
function selector(
  labels: string | undefined,
  fields: string | undefined,
): (stored: Stored) => boolean {
  const matches = labelSelector(labels ?? "");
  const terms = parts(fields).map((term) => fieldTerm(term));
  return (stored) => matches(stored.labels) && terms.every((term) => term(stored));
}

function labelSelector(text: string): MatchLabels {
  try {
    return parseLabelSelector(text);
  } catch (error) {
    throw new StatusError({ code: 400, reason: "BadRequest" }, messageOf(error));
  }
}

function parts(text: string | undefined): readonly string[] {
  return (text ?? "").split(",").map((part) => part.trim()).filter((part) => part !== "");
}

function fieldTerm(term: string): (stored: Stored) => boolean {
  const [field, value] = term.split(/==?/);
  if (field === "metadata.name") return ({ name }) => name === value;
  if (field === "metadata.namespace") return ({ namespace }) => namespace === value;
  if (field === "status.podIP") {
    return ({ object }) => asObject(object["status"])["podIP"] === value;
  }
  if (field === "spec.nodeName") {
    return ({ object }) => asObject(object["spec"])["nodeName"] === value;
  }
  throw new StatusError(
    { code: 400, reason: "BadRequest" },
    `field label not supported: ${field}`,
  );
}

function answer({ code, reason, message }: StatusError): Response {
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure" };
  return new Response(JSON.stringify({ ...status, message, reason, code }), {
    status: code,
    headers: { "Content-Type": "application/json", Date: new Date().toUTCString() },
  });
}
