/**
 * An API server: objects with resourceVersions, times of whole seconds, watches that replay.
 *
 * Knows the requests that Sallyport sends and refuses all others.
 */
import { applyMergePatch, equal } from "../../src/core/merge_patch.ts";
import type { JsonObject } from "../../src/core/types.ts";
import type { KubeRequest } from "../../src/kube/client.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { EPOCH } from "./virtual_time.ts";
import type { VirtualTime } from "./virtual_time.ts";

export interface Answer {
  readonly status: number;
  readonly body: JsonObject;
  /** The `Date` header, milliseconds since the epoch. */
  readonly serverTime: number;
}

/** One change of one object, as watches tell it. */
export interface StoredEvent {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly collection: string;
  readonly object: JsonObject;
}

/** A write that was carried out. */
export interface Commit {
  readonly collection: string;
  readonly name: string;
  readonly before: JsonObject | undefined;
  readonly after: JsonObject | undefined;
  /** Field manager, or `operator`. */
  readonly by: string;
}

export class ApiServer {
  /** False: connections are refused. */
  up = true;
  onCommit: (commit: Commit) => void = () => {};
  onStored: (event: StoredEvent) => void = () => {};
  readonly #time: VirtualTime;
  /** Its clock is not the world's; whole seconds begin anywhere. */
  readonly #clockError: number;
  readonly #collections = new Map<string, Map<string, JsonObject>>();
  readonly #log: StoredEvent[] = [];
  #version = 100;

  constructor(time: VirtualTime) {
    this.#time = time;
    this.#clockError = time.between(0, 1_000);
  }

  /** Whole seconds, as in `Date` headers and managedFields. */
  get clock(): number {
    return Math.floor((EPOCH + this.#time.now + this.#clockError) / 1_000) * 1_000;
  }

  /** Its clock as RFC 3339. */
  get timestamp(): string {
    return new Date(this.clock).toISOString().replace(".000Z", "Z");
  }

  list(collection: string): readonly JsonObject[] {
    return [...this.#collections.get(collection)?.values() ?? []];
  }

  get(collection: string, name: string): JsonObject | undefined {
    return this.#collections.get(collection)?.get(name);
  }

  /** What happened in a collection after a version. */
  since(collection: string, version: number): readonly StoredEvent[] {
    return this.#log.filter((event) => event.collection === collection && event.version > version);
  }

  /** Writes as a person does, without conditions; undefined deletes. */
  put(collection: string, name: string, object: JsonObject | undefined): void {
    this.#store(collection, name, { object, by: "operator" });
  }

  /** Patches as a person does. */
  edit(collection: string, name: string, patch: JsonObject): void {
    const before = this.get(collection, name);
    if (before !== undefined) this.put(collection, name, patched(before, patch));
  }

  handle(request: KubeRequest): Answer {
    const { method, path } = request;
    const by = String(request.query?.["fieldManager"] ?? "controller");
    if (method === "GET") return this.#list(path);
    const body = object_(request.body);
    if (path === PATHS.Event) return this.#answer(201, body);
    if (method === "POST") return this.#create(path, { body, by });
    const { collection, name, subresource } = parsed(path);
    const before = this.get(collection, name);
    if (method === "DELETE") return this.#delete({ collection, name, before, body });
    if (request.contentType === "application/apply-patch+yaml") {
      return this.#apply({ collection, name, before, body, by });
    }
    if (before === undefined) return this.#answer(404);
    const given = meta(body)["resourceVersion"];
    if (given !== undefined && given !== meta(before)["resourceVersion"]) return this.#answer(409);
    const part = subresource === undefined ? body : { [subresource]: body[subresource] ?? {} };
    const wanted = patched(before, part);
    if (equal(wanted, before)) return this.#answer(200, before);
    const after = withManager(wanted, by, this.timestamp);
    return this.#answer(200, this.#store(collection, name, { object: after, by }));
  }

  #list(path: string): Answer {
    const items = this.list(path);
    return this.#answer(200, { metadata: { resourceVersion: String(this.#version) }, items });
  }

  #create(collection: string, { body, by }: { body: JsonObject; by: string }): Answer {
    const name = String(meta(body)["name"]);
    if (this.get(collection, name) !== undefined) return this.#answer(409);
    const object = withManager(body, by, this.timestamp);
    return this.#answer(201, this.#store(collection, name, { object, by }));
  }

  #delete({ collection, name, before, body }: {
    collection: string;
    name: string;
    before: JsonObject | undefined;
    body: JsonObject;
  }): Answer {
    if (before === undefined) return this.#answer(404);
    const wanted = object_(body["preconditions"] ?? {});
    const met = Object.entries(wanted).every(([key, value]) => meta(before)[key] === value);
    if (!met) return this.#answer(409);
    this.#store(collection, name, { object: undefined, by: "controller" });
    return this.#answer(200);
  }

  /** Server-side apply of an object whose fields no other manager owns. */
  #apply({ collection, name, before, body, by }: {
    collection: string;
    name: string;
    before: JsonObject | undefined;
    body: JsonObject;
    by: string;
  }): Answer {
    const after = withManager(patched(before ?? {}, body), by, this.timestamp);
    return this.#answer(200, this.#store(collection, name, { object: after, by }));
  }

  #store(
    collection: string,
    name: string,
    { object, by }: { object: JsonObject | undefined; by: string },
  ): JsonObject {
    const objects = this.#collections.get(collection) ?? new Map<string, JsonObject>();
    this.#collections.set(collection, objects);
    const before = objects.get(name);
    if (object === undefined) objects.delete(name);
    const version = ++this.#version;
    const after = object === undefined ? undefined : withIdentity(object, { version, before });
    if (after !== undefined) objects.set(name, after);
    const event: StoredEvent = {
      version,
      type: after === undefined ? "DELETED" : before === undefined ? "ADDED" : "MODIFIED",
      collection,
      object: patched(after ?? before ?? {}, { metadata: { resourceVersion: String(version) } }),
    };
    this.#log.push(event);
    this.onCommit({ collection, name, before, after, by });
    this.onStored(event);
    return after ?? {};
  }

  #answer(status: number, body: JsonObject = {}): Answer {
    return { status, body, serverTime: this.clock };
  }
}

function patched(object: JsonObject, patch: JsonObject): JsonObject {
  return object_(applyMergePatch(object, patch));
}

function withIdentity(
  object: JsonObject,
  { version, before }: { version: number; before: JsonObject | undefined },
): JsonObject {
  const isSpecNew = before !== undefined && !equal(before["spec"], object["spec"]);
  const generation = Number(meta(before ?? {})["generation"] ?? 1) + (isSpecNew ? 1 : 0);
  const uid = meta(before ?? {})["uid"] ?? meta(object)["uid"] ?? `uid-${version}`;
  return patched(object, { metadata: { resourceVersion: String(version), generation, uid } });
}

function withManager(object: JsonObject, manager: string, time: string): JsonObject {
  const fields = meta(object)["managedFields"];
  const others = (Array.isArray(fields) ? fields : []).map(object_).filter((entry) =>
    entry["manager"] !== manager
  );
  return patched(object, { metadata: { managedFields: [...others, { manager, time }] } });
}

function parsed(path: string): { collection: string; name: string; subresource?: string } {
  const isStatus = path.endsWith("/status");
  const whole = isStatus ? path.slice(0, -"/status".length) : path;
  const slash = whole.lastIndexOf("/");
  return {
    collection: whole.slice(0, slash),
    name: decodeURIComponent(whole.slice(slash + 1)),
    ...(isStatus ? { subresource: "status" } : {}),
  };
}

/** The metadata of an object. */
export function meta(object: JsonObject): JsonObject {
  return object_(object["metadata"] ?? {});
}

/** A JSON value that must be an object. */
export function object_(value: unknown): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`Expected an object, found ${JSON.stringify(value)}`);
  }
  return value as JsonObject;
}
