/** What can go wrong between us and a cluster. Aborts are not here: a signal's reason is thrown as it is. */

/** The configuration names no usable cluster or credentials; trying again does not help. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** What every failed exchange knows. `path` is without its query. */
interface Exchange {
  readonly method: string;
  readonly path: string;
  /** How often the request was sent; default 1. */
  readonly attempts?: number | undefined;
}

/** What to do about a status, in words that complete an error text. */
const ADVICE: Readonly<Record<number, string>> = {
  400: "correct what is sent",
  401: "renew the token or client certificate",
  403: "grant this permission by a Role or ClusterRole",
  404: "check that the object exists and that its CRD is installed",
  409: "read the object again and decide anew",
  410: "list again from the beginning",
  413: "send less",
  415: "use a content type that the resource supports",
  422: "correct what is sent",
  429: "try again later, the API server asks for fewer requests",
};

/** The API server answered with another status than 2xx. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** `Status.reason`, as `Conflict` or `AlreadyExists`; empty where the answer was no Status. */
  readonly reason: string;
  /** `Status.details`, undecoded. */
  readonly details: unknown;
  readonly retryAfterMilliseconds?: number;

  constructor(
    exchange: Exchange & {
      readonly status: number;
      readonly reason?: string | undefined;
      readonly details?: unknown;
      readonly retryAfterMilliseconds?: number | undefined;
    },
    serverMessage: string,
  ) {
    const { method, path, status, reason = "" } = exchange;
    const advice = ADVICE[status] ??
      (status >= 500 ? "see the API server's log" : "see its documentation");
    const said = [`${status} ${reason}`.trim(), serverMessage.trim()].filter((part) => part !== "");
    super(`Cannot ${method} ${path}${times(exchange)}: ${said.join(": ")}: ${advice}`);
    this.method = method;
    this.path = path;
    this.status = status;
    this.reason = reason;
    this.details = exchange.details;
    if (exchange.retryAfterMilliseconds !== undefined) {
      this.retryAfterMilliseconds = exchange.retryAfterMilliseconds;
    }
  }
}

/**
 * - `network`: no or a broken connection
 * - `timeout`: no answer in time
 * - `certificate`: one side's certificate does not convince the other
 * - `answer`: an answer that is too long or no JSON
 */
export type TransportErrorKind = "network" | "timeout" | "certificate" | "answer";

const TRANSPORT_ADVICE: Readonly<Record<TransportErrorKind, string>> = {
  network: "check that the API server runs and can be reached from here",
  timeout: "check that the API server can be reached from here and is not overloaded",
  certificate: "check the certificate authority, server name and client certificate",
  answer: "check that this address is a Kubernetes API server",
};

/** No usable answer. Whether the API server acted on the request is unknown. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly method: string;
  readonly path: string;
  readonly kind: TransportErrorKind;

  constructor(
    exchange: Exchange & {
      readonly kind: TransportErrorKind;
      readonly server: string;
      readonly cause?: unknown;
    },
    problem: string,
  ) {
    const { method, path, kind, server, cause } = exchange;
    super(
      `Cannot ${method} ${path} at ${server}${times(exchange)}: ${problem}: ${
        TRANSPORT_ADVICE[kind]
      }`,
      cause === undefined ? undefined : { cause },
    );
    this.method = method;
    this.path = path;
    this.kind = kind;
  }
}

/** A listing that did not get to its end. Nothing may be decided from what was read. */
export class PartialListError extends Error {
  override readonly name = "PartialListError";
  readonly path: string;

  constructor(options: { readonly path: string; readonly cause?: unknown }, problem: string) {
    super(
      `Cannot list ${options.path} completely: ${problem}: what was read is left unused`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.path = options.path;
  }
}

/**
 * A listing of before what was read already: etcd was restored from a backup meanwhile. Nothing may be decided from both.
 */
export class RestoredError extends Error {
  override readonly name = "RestoredError";
  readonly path: string;

  constructor(
    { path, version, notBefore }: {
      readonly path: string;
      readonly version: string;
      readonly notBefore: string;
    },
  ) {
    super(
      `Cannot list ${path} as of now: its resourceVersion ${version} is of before ${notBefore}, which was read already, so that ` +
        `etcd has been restored from a backup: what was read is left unused`,
    );
    this.path = path;
  }
}

function times({ attempts = 1 }: Exchange): string {
  return attempts > 1 ? ` after ${attempts} attempts` : "";
}

/** What a reading gives; undefined where the API server answers with one of these statuses: it may not be read. Default 403. */
export async function unlessRefused<T>(
  reading: Promise<T>,
  statuses: readonly number[] = [403],
): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiError && statuses.includes(error.status)) return undefined;
    throw error;
  }
}
