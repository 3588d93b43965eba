/** A local copy of a collection that follows the API server: list, then watch, and list again on doubt. */
import type { KubeClient } from "./client.ts";
import { ApiError } from "./errors.ts";
import { list } from "./list.ts";
import { sleep } from "./deadline.ts";
import { watch } from "./watch.ts";

export interface ReflectorOptions<T> {
  /** Undefined: the object cannot be read; the last version that could stays. */
  readonly decode: (object: unknown) => T | undefined;
  readonly keyOf: (object: T) => string;
  /** Called after each change of the copy, and once it is complete. */
  readonly onChange: (objects: readonly T[]) => void;
  /** Called when the API server could not be read; it is tried again. */
  readonly onError?: (error: Error) => void;
  readonly labelSelector?: string;
  /** Time for each page of a listing; default as in `list`. */
  readonly listMilliseconds?: number;
  readonly signal: AbortSignal;
}

/** Between attempts to read from an API server that cannot be read: half of it up to one and a half. */
const PAUSE_MILLISECONDS = 500;

export class Reflector<T> {
  readonly #client: KubeClient;
  readonly #path: string;
  readonly #options: ReflectorOptions<T>;
  #objects = new Map<string, T>();
  #round = new AbortController();

  constructor(client: KubeClient, path: string, options: ReflectorOptions<T>) {
    this.#client = client;
    this.#path = path;
    this.#options = options;
  }

  /** Breaks off the watch and lists again: what is known may be old. */
  relist(): void {
    this.#round.abort();
  }

  /** Follows the collection until the signal aborts. */
  async run(): Promise<void> {
    const { signal, onError } = this.#options;
    while (!signal.aborted) {
      this.#round = new AbortController();
      try {
        await this.#follow(AbortSignal.any([signal, this.#round.signal]));
      } catch (error) {
        if (signal.aborted) return;
        if (this.#round.signal.aborted || (error instanceof ApiError && error.status === 410)) {
          continue;
        }
        onError?.(error instanceof Error ? error : new Error(String(error)));
        await sleep(PAUSE_MILLISECONDS * (0.5 + Math.random()), signal).catch(() => {});
      }
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { decode, keyOf, labelSelector, onChange, listMilliseconds } = this.#options;
    // Without a resourceVersion a list is a consistent read: never older than what was read before.
    // Decoded page by page, so that no more than one page of whole objects is in memory.
    const previous = this.#objects;
    const listing = await list(this.#client, this.#path, {
      decode: (item) => decode(item) ?? previous.get(uidOf(item) ?? ""),
      labelSelector,
      signal,
      ...(listMilliseconds === undefined ? {} : { timeoutMilliseconds: listMilliseconds }),
    });
    signal.throwIfAborted();
    this.#objects = new Map();
    for (const object of listing.items) {
      if (object !== undefined) this.#objects.set(keyOf(object), object);
    }
    onChange([...this.#objects.values()]);
    let { resourceVersion } = listing;
    while (true) {
      const events = watch(this.#client, this.#path, {
        resourceVersion,
        labelSelector,
        signal,
      });
      for await (const { type, object } of events) {
        // What was received before somebody asked for a new list must not pass for it.
        signal.throwIfAborted();
        resourceVersion = resourceVersionOf(object) ?? resourceVersion;
        if (type === "BOOKMARK") continue;
        const decoded = decode(object);
        if (type === "DELETED") {
          this.#objects.delete(decoded === undefined ? uidOf(object) ?? "" : keyOf(decoded));
        } else if (decoded !== undefined) this.#objects.set(keyOf(decoded), decoded);
        onChange([...this.#objects.values()]);
      }
    }
  }
}

interface Identified {
  readonly metadata?: { readonly uid?: string; readonly resourceVersion?: string };
}

function uidOf(object: unknown): string | undefined {
  return (object as Identified | undefined)?.metadata?.uid;
}

function resourceVersionOf(object: unknown): string | undefined {
  return (object as Identified | undefined)?.metadata?.resourceVersion;
}
