/**
 * API servers before one etcd: objects with resourceVersions, times of whole seconds, watches that replay.
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

/** Who asks, and which of the API servers. */
export interface Caller {
  /** Default: the controller. */
  readonly identity?: "agent" | "controller";
  /** Default: 0. */
  readonly replica?: number;
}

/** What etcd held at a moment. */
export interface Backup {
  readonly version: number;
  readonly collections: ReadonlyMap<string, ReadonlyMap<string, JsonObject>>;
}

/** What is wrong with an object, as an API server that validates says it; empty: it is stored. */
export type Validate = (
  collection: string,
  object: JsonObject,
  subresource: string | undefined,
) => readonly string[];

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
  /** Agents may write as field manager `agent` only, and controllers as `controller`. */
  admission = true;
  /** When clocks of the API servers last differed, or were last set. */
  clocksDoubtfulAt = -Infinity;
  restoredAt = -Infinity;
  readonly #time: VirtualTime;
  readonly #validate: Validate;
  /** Of each server: no clock is the world's; whole seconds begin anywhere. */
  readonly #clockErrors: number[];
  #collections = new Map<string, Map<string, JsonObject>>();
  #log: StoredEvent[] = [];
  #version = 100;

  constructor(
    time: VirtualTime,
    { replicas = 1, validate = () => [] }: {
      readonly replicas?: number;
      readonly validate?: Validate;
    } = {},
  ) {
    this.#time = time;
    this.#validate = validate;
    const clockError = time.between(0, 1_000);
    this.#clockErrors = Array.from({ length: replicas }, () => clockError);
  }

  get replicas(): number {
    return this.#clockErrors.length;
  }

  /** Whole seconds, as in `Date` headers and managedFields. */
  clock(replica = 0): number {
    const error = this.#clockErrors[replica % this.replicas] ?? 0;
    return Math.floor((EPOCH + this.#time.now + error) / 1_000) * 1_000;
  }

  /** A server's clock as RFC 3339. */
  timestamp(replica = 0): string {
    return new Date(this.clock(replica)).toISOString().replace(".000Z", "Z");
  }

  /** Sets the clock of one server, or of all. */
  stepClock(milliseconds: number, replica?: number): void {
    this.clocksDoubtfulAt = this.#time.now;
    for (const index of this.#clockErrors.keys()) {
      if (replica === undefined || replica % this.replicas === index) {
        this.#clockErrors[index] = (this.#clockErrors[index] ?? 0) + milliseconds;
      }
    }
  }

  /** All servers have the time of the first. */
  alignClocks(): void {
    if (this.#clockErrors.every((error) => error === this.#clockErrors[0])) return;
    this.clocksDoubtfulAt = this.#time.now;
    this.#clockErrors.fill(this.#clockErrors[0] ?? 0);
  }

  /** Tells whether the servers disagree on the time, or one was set within so many milliseconds. */
  areClocksDoubtful(milliseconds: number): boolean {
    return this.#clockErrors.some((error) => error !== this.#clockErrors[0]) ||
      this.#time.now - this.clocksDoubtfulAt < milliseconds;
  }

  backup(): Backup {
    const copies = [...this.#collections].map(([path, objects]) =>
      [path, new Map(objects)] as const
    );
    return { version: this.#version, collections: new Map(copies) };
  }

  /** etcd is what it was, resourceVersions too; who watches from a later version hears of nothing until that is reached. */
  restore({ version, collections }: Backup): void {
    this.restoredAt = this.#time.now;
    this.#version = version;
    this.#log = this.#log.filter((event) => event.version <= version);
    this.#collections = new Map(
      [...collections].map(([path, objects]) => [path, new Map(objects)] as const),
    );
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

  handle(request: KubeRequest, { identity = "controller", replica = 0 }: Caller = {}): Answer {
    return { ...this.#answerTo(request, { identity, replica }), serverTime: this.clock(replica) };
  }

  #answerTo(request: KubeRequest, { identity, replica }: Required<Caller>): Reply {
    const { method, path } = request;
    const by = String(request.query?.["fieldManager"] ?? "controller");
    if (method === "GET") return this.#list(path);
    const body = object_(request.body);
    if (path === PATHS.Event) return reply(201, body);
    if (this.admission && method !== "DELETE" && by !== identity) return reply(403);
    const writer = { by, time: this.timestamp(replica) };
    if (method === "POST") return this.#create(path, { body, ...writer });
    const { collection, name, subresource } = parsed(path);
    const before = this.get(collection, name);
    if (method === "DELETE") return this.#delete({ collection, name, before, body });
    if (request.contentType === "application/apply-patch+yaml") {
      return this.#apply({ collection, name, before, body, ...writer });
    }
    if (before === undefined) return reply(404);
    const given = meta(body)["resourceVersion"];
    if (given !== undefined && given !== meta(before)["resourceVersion"]) return reply(409);
    const part = subresource === undefined ? body : { [subresource]: body[subresource] ?? {} };
    const wanted = patched(before, part);
    if (equal(wanted, before)) return reply(200, before);
    const object = withManager(wanted, { ...writer, subresource });
    return this.#stored(collection, name, { object, by, subresource });
  }

  #list(path: string): Reply {
    const items = this.list(path);
    return reply(200, { metadata: { resourceVersion: String(this.#version) }, items });
  }

  #create(collection: string, { body, ...writer }: Writer & { readonly body: JsonObject }): Reply {
    const name = String(meta(body)["name"]);
    if (this.get(collection, name) !== undefined) return reply(409);
    return this.#stored(collection, name, { object: withManager(body, writer), by: writer.by });
  }

  #delete({ collection, name, before, body }: {
    collection: string;
    name: string;
    before: JsonObject | undefined;
    body: JsonObject;
  }): Reply {
    if (before === undefined) return reply(404);
    const wanted = object_(body["preconditions"] ?? {});
    const met = Object.entries(wanted).every(([key, value]) => meta(before)[key] === value);
    if (!met) return reply(409);
    this.#store(collection, name, { object: undefined, by: "controller" });
    return reply(200);
  }

  /** Server-side apply of an object whose fields no other manager owns. */
  #apply({ collection, name, before, body, ...writer }: Writer & {
    readonly collection: string;
    readonly name: string;
    readonly before: JsonObject | undefined;
    readonly body: JsonObject;
  }): Reply {
    const object = withManager(patched(before ?? {}, body), writer);
    return this.#stored(collection, name, { object, by: writer.by });
  }

  /** Stores what is valid. */
  #stored(
    collection: string,
    name: string,
    { object, by, subresource }: {
      readonly object: JsonObject;
      readonly by: string;
      readonly subresource?: string | undefined;
    },
  ): Reply {
    const problems = this.#validate(collection, object, subresource);
    if (problems.length > 0) return reply(422, { message: problems.join("; ") });
    return reply(200, this.#store(collection, name, { object, by }));
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
}

type Reply = Omit<Answer, "serverTime">;

interface Writer {
  /** Field manager. */
  readonly by: string;
  /** RFC 3339. */
  readonly time: string;
  readonly subresource?: string | undefined;
}

function reply(status: number, body: JsonObject = {}): Reply {
  return { status, body };
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

function withManager(object: JsonObject, { by: manager, time, subresource }: Writer): JsonObject {
  const fields = meta(object)["managedFields"];
  const others = (Array.isArray(fields) ? fields : []).map(object_).filter((entry) =>
    entry["manager"] !== manager || entry["subresource"] !== subresource
  );
  const entry = { manager, time, ...(subresource === undefined ? {} : { subresource }) };
  return patched(object, { metadata: { managedFields: [...others, entry] } });
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
