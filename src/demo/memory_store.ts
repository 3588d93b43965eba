/** Objects with versions and a short history, as an API server keeps them in etcd. */
import { randomUUID } from "node:crypto";
import * as v from "valibot";
import { applyMergePatch, equal } from "../core/merge_patch.ts";
import type { Json, JsonObject, Labels } from "../core/types.ts";
import { isObject } from "../cluster/decoders/common.ts";
import { apiVersionOf, KINDS } from "./memory_kinds.ts";
import type { Kind } from "./memory_kinds.ts";

/** What a request is refused with; becomes a Status. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: number;
  readonly reason: string;

  constructor(status: { readonly code: number; readonly reason: string }, message: string) {
    super(message);
    this.code = status.code;
    this.reason = status.reason;
  }
}

export interface Reference {
  /** Empty for what is in no namespace. */
  readonly namespace: string;
  readonly name: string;
}

export interface Stored extends Reference {
  readonly kind: Kind;
  readonly uid: string;
  readonly version: number;
  readonly labels: Labels;
  /** Uids of its owners. */
  readonly owners: readonly string[];
  readonly object: JsonObject;
}

export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly stored: Stored;
  /** What a MODIFIED object was before. */
  readonly previous?: Stored;
}

/** Who writes, for `managedFields`. */
export interface Writer {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly subresource?: "status";
}

export interface Preconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/** Events that are kept for watches that start late; older versions are gone (410). */
const HISTORY = 5_000;

const Metadata = v.object({
  uid: v.optional(v.string()),
  generation: v.optional(v.number(), 1),
  creationTimestamp: v.nullish(v.string()),
  labels: v.optional(v.record(v.string(), v.string()), {}),
  ownerReferences: v.optional(v.array(v.object({ uid: v.string() })), []),
  managedFields: v.optional(
    v.array(v.looseObject({
      manager: v.string(),
      operation: v.string(),
      subresource: v.optional(v.string()),
    })),
    [],
  ),
});

export class MemoryStore {
  readonly #objects = new Map<string, Stored>();
  readonly #listeners = new Set<(event: StoreEvent) => void>();
  readonly #now: () => Date;
  #history: StoreEvent[] = [];
  #version = 1;
  #forgotten = 0;

  constructor({ now = () => new Date() }: { readonly now?: () => Date } = {}) {
    this.#now = now;
  }

  /** The version of the last write. */
  get version(): number {
    return this.#version;
  }

  /** Sorted by namespace and name; without a namespace those of all. */
  list(kind: Kind, namespace?: string): readonly Stored[] {
    return [...this.#objects.values()]
      .filter((stored) =>
        stored.kind === kind && (namespace === undefined || stored.namespace === namespace)
      )
      .sort((a, b) => keyOf(a.kind, a) < keyOf(b.kind, b) ? -1 : 1);
  }

  find(kind: Kind, reference: Reference): Stored | undefined {
    return this.#objects.get(keyOf(kind, reference));
  }

  /** @throws StatusError 404 */
  get(kind: Kind, reference: Reference): Stored {
    const stored = this.find(kind, reference);
    if (stored !== undefined) return stored;
    throw new StatusError(
      { code: 404, reason: "NotFound" },
      `${resourceName(kind)} "${reference.name}" not found`,
    );
  }

  /** @throws StatusError 409 when there is one of that name */
  create(kind: Kind, reference: Reference, options: Writer & { object: JsonObject }): Stored {
    const { object, ...writer } = options;
    if (this.find(kind, reference) !== undefined) {
      throw new StatusError(
        { code: 409, reason: "AlreadyExists" },
        `${resourceName(kind)} "${reference.name}" already exists`,
      );
    }
    return this.#put(kind, reference, { object, writer });
  }

  /** Replaces an object by what `change` makes of it; one that is equal to it keeps its version. */
  update(
    kind: Kind,
    reference: Reference,
    options: Writer & {
      readonly change: (current: JsonObject) => JsonObject;
      readonly preconditions?: Preconditions;
    },
  ): Stored {
    const { change, preconditions = {}, ...writer } = options;
    const current = this.get(kind, reference);
    assertMet(current, preconditions);
    const object = change(current.object);
    return equal(object, current.object)
      ? current
      : this.#put(kind, reference, { object, writer, current });
  }

  /** Deletes an object and all that it owns. */
  remove(kind: Kind, reference: Reference, preconditions: Preconditions = {}): Stored {
    const current = this.get(kind, reference);
    assertMet(current, preconditions);
    this.#objects.delete(keyOf(kind, reference));
    const version = ++this.#version;
    this.#tell({ type: "DELETED", stored: stamped(current, version) });
    for (const owned of [...this.#objects.values()]) {
      if (owned.owners.includes(current.uid)) this.remove(owned.kind, owned);
    }
    return current;
  }

  /**
   * Calls `listener` for all events after `version`, those of the past at once. Returns what ends that.
   *
   * @throws StatusError 410 when the history does not reach back that far
   */
  follow(version: number, listener: (event: StoreEvent) => void): () => void {
    if (version < this.#forgotten) {
      throw new StatusError(
        { code: 410, reason: "Expired" },
        `too old resource version: ${version} (${this.#forgotten})`,
      );
    }
    for (const event of this.#history) if (event.stored.version > version) listener(event);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #put(
    kind: Kind,
    { namespace, name }: Reference,
    { object, writer, current }: {
      readonly object: JsonObject;
      readonly writer: Writer;
      readonly current?: Stored;
    },
  ): Stored {
    const given = v.safeParse(Metadata, object["metadata"] ?? {});
    if (!given.success) {
      const [issue] = given.issues;
      throw new StatusError(
        { code: 422, reason: "Invalid" },
        `${resourceName(kind)} "${name}" is invalid: metadata.${
          v.getDotPath(issue)
        }: ${issue.message}`,
      );
    }
    const before = current && v.parse(Metadata, current.object["metadata"]);
    const time = this.#now().toISOString().replace(/\.\d+Z$/, "Z");
    const uid = current?.uid ?? randomUUID();
    const version = ++this.#version;
    const specChanged = current !== undefined && !equal(object["spec"], current.object["spec"]);
    const stored: Stored = {
      kind,
      namespace,
      name,
      uid,
      version,
      labels: given.output.labels,
      owners: given.output.ownerReferences.map((owner) => owner.uid),
      object: {
        ...object,
        apiVersion: apiVersionOf(kind),
        kind: kind.kind,
        metadata: {
          ...asObject(object["metadata"]),
          name,
          ...(namespace === "" ? {} : { namespace }),
          uid,
          resourceVersion: String(version),
          generation: (before?.generation ?? 1) + (specChanged ? 1 : 0),
          creationTimestamp: before?.creationTimestamp ?? time,
          managedFields: managedBy(writer, { kind, time, entries: before?.managedFields ?? [] }),
        },
      },
    };
    this.#objects.set(keyOf(kind, stored), stored);
    this.#tell(
      current === undefined
        ? { type: "ADDED", stored }
        : { type: "MODIFIED", stored, previous: current },
    );
    return stored;
  }

  #tell(event: StoreEvent): void {
    this.#history.push(event);
    if (this.#history.length > HISTORY) {
      const dropped = this.#history.splice(0, HISTORY / 2);
      this.#forgotten = dropped.at(-1)?.stored.version ?? this.#forgotten;
    }
    for (const listener of [...this.#listeners]) listener(event);
  }
}

/** Any JSON as an object; what is none counts as an empty one. */
export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value as JsonObject : {};
}

/** The object with some of its members changed by a merge patch. */
export function patched(object: JsonObject, patch: Json): JsonObject {
  return asObject(applyMergePatch(object, patch));
}

function assertMet(current: Stored, { uid, resourceVersion }: Preconditions): void {
  const name = `${resourceName(current.kind)} "${current.name}"`;
  if (uid !== undefined && uid !== current.uid) {
    throw new StatusError(
      { code: 409, reason: "Conflict" },
      `Precondition failed: UID in precondition: ${uid}, UID of ${name}: ${current.uid}`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== String(current.version)) {
    throw new StatusError(
      { code: 409, reason: "Conflict" },
      `Operation cannot be fulfilled on ${name}: the object has been modified; please apply your changes to the latest version and try again`,
    );
  }
}

/** One entry for each manager, operation and subresource, with the time of its last write. */
function managedBy(
  writer: Writer,
  { kind, time, entries }: {
    readonly kind: Kind;
    readonly time: string;
    readonly entries: readonly {
      manager: string;
      operation: string;
      subresource?: string | undefined;
    }[];
  },
): Json {
  const others = entries.filter((entry) =>
    entry.manager !== writer.manager || entry.operation !== writer.operation ||
    entry.subresource !== writer.subresource
  ).map(asObject);
  return [...others, { ...writer, apiVersion: apiVersionOf(kind), time, fieldsType: "FieldsV1" }];
}

/** A deletion has a version of its own. */
function stamped(stored: Stored, version: number): Stored {
  const object = patched(stored.object, { metadata: { resourceVersion: String(version) } });
  return { ...stored, version, object };
}

function keyOf(kind: Kind, { namespace, name }: Reference): string {
  return `${KINDS.indexOf(kind)}/${namespace}/${name}`;
}

function resourceName({ plural, group }: Kind): string {
  return group === "" ? plural : `${plural}.${group}`;
}
