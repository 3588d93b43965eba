/** Whole listings: all pages or an error. */
import * as v from "valibot";
import type { KubeClient, KubeResponse } from "./client.ts";
import { ApiError, PartialListError, RestoredError, TransportError } from "./errors.ts";
import { isOlder } from "./resource_version.ts";

export interface ListOptions {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Items per page. Default 100, and after the first page so many of those as make about half a megabyte, 500 at most. */
  readonly limit?: number;
  /** A narrower representation, as `application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`. */
  readonly accept?: string | undefined;
  /**
   * A resourceVersion that was read before from the same etcd; a listing of before it is an error. Custom resources share one etcd;
   * others, as Leases, may have another (`--etcd-servers-overrides`).
   */
  readonly notBefore?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For each page. Default 30 s. */
  readonly timeoutMilliseconds?: number;
}

/** How an item becomes what is kept of it. */
export interface Decoding<T> {
  /** Called as pages arrive, so that no more than one page of whole objects is in memory. */
  readonly decode: (item: unknown) => T;
}

export interface Listing<T> {
  readonly items: readonly T[];
  /** Where a watch goes on. */
  readonly resourceVersion: string;
  /** The API server's clock at the first page, milliseconds since the epoch: the items are as of then or newer. */
  readonly serverTime: number;
  /** Length of all pages. */
  readonly bytes: number;
}

/** A page of nodes is then 1 to 3 MB: at 1,000 nodes a tick takes 40 MB less than with 500, and no longer. */
const LIMIT = 100;
/** Of small objects there may be more: each page is a round trip, and costs the API server more than its items do. */
const LARGEST_LIMIT = 500;
const PAGE_BYTES = 500_000;
const PAGE_MILLISECONDS = 30_000;
/** A continue token lives five minutes in the API server; a listing that outlives three of them never ends. */
const MAX_RESTARTS = 3;

const PageSchema = v.object({
  metadata: v.object({
    resourceVersion: v.pipe(v.string(), v.nonEmpty()),
    continue: v.optional(v.string()),
  }),
  items: v.array(v.unknown()),
});

/**
 * Lists a collection. When the API server has forgotten where the listing stood (410), it starts again.
 *
 * @throws PartialListError when it did not get to its end, with the reason as cause; RestoredError when it is of before
 * `notBefore`; what `KubeClient.request` throws when it did not even start; what `decode` throws
 */
export function list<T>(
  client: KubeClient,
  path: string,
  options: ListOptions & Decoding<T>,
): Promise<Listing<T>>;
export function list(
  client: KubeClient,
  path: string,
  options?: ListOptions,
): Promise<Listing<unknown>>;
export async function list(
  client: KubeClient,
  path: string,
  options: ListOptions & Partial<Decoding<unknown>> = {},
): Promise<Listing<unknown>> {
  const { decode = (item) => item } = options;
  for (let restarts = 0;; restarts++) {
    try {
      return await listOnce(client, path, { ...options, decode });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 410) throw error;
      if (restarts === MAX_RESTARTS) {
        throw new PartialListError({ path, cause: error }, `it expired ${restarts + 1} times`);
      }
    }
  }
}

const CountSchema = v.object({
  metadata: v.object({
    continue: v.optional(v.string()),
    remainingItemCount: v.optional(v.number()),
  }),
  items: v.array(v.unknown()),
});

/**
 * About how many items a collection has, by one item of it; Infinity where the API server does not tell.
 *
 * @throws what `KubeClient.request` throws, PartialListError for an answer that is no list
 */
export async function countItems(
  client: KubeClient,
  path: string,
  { labelSelector, signal }: Pick<ListOptions, "labelSelector" | "signal"> = {},
): Promise<number> {
  const query = { labelSelector, limit: 1 };
  const { body } = await client.request({ method: "GET", path, query, signal });
  const page = v.safeParse(CountSchema, body);
  if (!page.success) throw new PartialListError({ path }, "the answer is no list");
  const { metadata, items } = page.output;
  return items.length + (metadata.remainingItemCount ?? (metadata.continue ? Infinity : 0));
}

async function listOnce<T>(
  client: KubeClient,
  path: string,
  options: ListOptions & Decoding<T>,
): Promise<Listing<T>> {
  const items: T[] = [];
  let first: { readonly resourceVersion: string; readonly serverTime: number } | undefined;
  let bytes = 0;
  let token: string | undefined;
  let { limit = LIMIT } = options;
  for (let number = 1;; number++) {
    const response = await readPage(client, path, { ...options, limit, number, token });
    const page = parsePage(response, { path, number });
    const version = page.metadata.resourceVersion;
    first ??= { resourceVersion: version, serverTime: response.serverTime };
    const { notBefore } = options;
    if (notBefore !== undefined && isOlder(version, notBefore)) {
      throw new RestoredError({ path, version, notBefore });
    }
    bytes += response.bytes;
    for (const item of page.items) items.push(options.decode(item));
    const next = page.metadata.continue;
    if (!next) return { items, ...first, bytes };
    if (next === token) throw new PartialListError({ path }, `page ${number} leads to itself`);
    token = next;
    limit = options.limit ?? limitFor(bytes / Math.max(1, items.length));
  }
}

/** @param itemBytes length of an item, on average */
function limitFor(itemBytes: number): number {
  return Math.min(LARGEST_LIMIT, Math.max(LIMIT, Math.floor(PAGE_BYTES / Math.max(1, itemBytes))));
}

async function readPage(
  client: KubeClient,
  path: string,
  options: ListOptions & {
    readonly limit: number;
    readonly number: number;
    readonly token: string | undefined;
  },
): Promise<KubeResponse> {
  const { labelSelector, fieldSelector, limit, accept, signal, number, token } = options;
  try {
    return await client.request({
      method: "GET",
      path,
      query: { labelSelector, fieldSelector, limit, continue: token },
      headers: accept === undefined ? {} : { accept },
      signal,
      timeoutMilliseconds: options.timeoutMilliseconds ?? PAGE_MILLISECONDS,
    });
  } catch (cause) {
    const broken = cause instanceof TransportError ||
      (cause instanceof ApiError && cause.status !== 410);
    if (number === 1 || !broken) throw cause;
    throw new PartialListError({ path, cause }, `page ${number} is missing: ${cause.message}`);
  }
}

function parsePage(
  { body, serverTime }: KubeResponse,
  { path, number }: { readonly path: string; readonly number: number },
) {
  const page = v.safeParse(PageSchema, body);
  if (!page.success) {
    const [issue] = page.issues;
    throw new PartialListError(
      { path },
      `page ${number} has no usable ${v.getDotPath(issue) ?? "body"}: ${issue.message}`,
    );
  }
  if (Number.isNaN(serverTime)) {
    throw new PartialListError(
      { path },
      `page ${number} has no Date header, and staleness is judged by it`,
    );
  }
  return page.output;
}
