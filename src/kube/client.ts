/** What the rest of the program sees of an API server. Made by `createClient` of http.ts, or by a test. */
import type { Cluster } from "./connection.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A query's values; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface KubeRequest {
  readonly method: Method;
  /** From the API server's root, names in it encoded: `/api/v1/nodes/a`. */
  readonly path: string;
  readonly query?: Query | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For the whole call, retries included; one attempt gets half, so that a stalled one can be made up for. Default 10 s. */
  readonly timeoutMilliseconds?: number | undefined;
  /** Whether it may be sent again when it is unknown what became of it; default by method and content type. */
  readonly idempotent?: boolean | undefined;
}

/** Response headers, names in lower case. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

export interface KubeResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; undefined for an empty answer. */
  readonly body: unknown;
  /** The API server's clock by the Date header, milliseconds since the epoch, whole seconds; NaN without the header. */
  readonly serverTime: number;
  /** Length of the body. */
  readonly bytes: number;
}

/** What a call cost; given once for each call, when it has ended. */
export interface Traffic {
  readonly method: Method;
  readonly path: string;
  /** 0: no answer. */
  readonly status: number;
  readonly milliseconds: number;
  /** Bodies only, over all attempts. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly retries: number;
}

export interface ClientOptions {
  readonly onRequest?: (traffic: Traffic) => void;
  /** Most connections at once, watches included; further requests wait. Default 16. */
  readonly connections?: number;
  /** Longest answer that is read. Default 64 MiB, twenty times a page of large nodes. */
  readonly maxResponseBytes?: number;
  readonly userAgent?: string;
  /** 0 up to 1. */
  readonly random?: () => number;
  readonly sleep?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
}

export interface KubeClient {
  readonly cluster: Cluster;
  /**
   * Sends a request, again where that is safe and may help, within its time.
   *
   * @throws ApiError for a status other than 2xx, TransportError without a usable answer, ConfigError when there are no
   * credentials, and the signal's reason when it aborts
   */
  request(request: KubeRequest): Promise<KubeResponse>;
  /**
   * Sends a request once and gives the body as it comes; for watches. The time limit ends with the answer's head.
   * Whoever stops reading frees the connection.
   *
   * @throws as `request` does, also while the body is read
   */
  stream(request: KubeRequest): Promise<AsyncIterable<Uint8Array>>;
  /** Breaks off what is under way, so that the process can end. */
  close(): Promise<void>;
}
