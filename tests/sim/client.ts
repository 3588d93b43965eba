/** A `KubeClient` of one process in the simulated world: limits, retries and watches as the real one has them. */
import { ApiError, TransportError } from "../../src/kube/errors.ts";
import type { KubeClient, KubeRequest, KubeResponse } from "../../src/kube/client.ts";
import { backoff, isIdempotent, isPassing, MAX_ATTEMPTS } from "../../src/kube/retry.ts";
import type { Answer, ApiServer, StoredEvent } from "./api_server.ts";
import type { Link } from "./link.ts";
import type { Process, VirtualTime } from "./virtual_time.ts";

const SERVER = "https://simulated";

export interface ClientParts {
  readonly time: VirtualTime;
  readonly server: ApiServer;
  readonly link: Link;
  readonly process: Process;
  readonly streams: Set<Stream>;
}

export function simulatedClient(parts: ClientParts): KubeClient {
  return {
    cluster: {
      name: "simulated",
      server: SERVER,
      credentials: () => Promise.reject(new Error("Cannot give credentials: there are none")),
    },
    request: (request) => send(request, parts),
    stream: (request) => Promise.resolve(new Stream(request, parts).chunks()),
    close: () => Promise.resolve(),
  };
}

/** As `createClient` does: half of the time for each attempt where the request may be sent again. */
async function send(request: KubeRequest, parts: ClientParts): Promise<KubeResponse> {
  const { time, process } = parts;
  const { timeoutMilliseconds = 10_000, method, contentType, path } = request;
  const idempotent = isIdempotent(method, contentType);
  const end = process.now + timeoutMilliseconds;
  for (let attempt = 1;; attempt++) {
    const left = end - process.now;
    const outcome = await sendOnce(request, {
      ...parts,
      milliseconds: idempotent ? Math.min(left, timeoutMilliseconds / 2) : left,
    });
    if (!(outcome instanceof Error)) {
      const { status, body, serverTime } = outcome;
      if (status < 300) return { status, body, serverTime, headers: {}, bytes: 0 };
      throw new ApiError({ method, path, status }, String(body["message"] ?? ""));
    }
    const wait = backoff(outcome, { attempt, random: () => time.random() });
    const again = idempotent && isPassing(outcome) && attempt < MAX_ATTEMPTS &&
      process.now + wait < end;
    if (!again) throw outcome;
    await process.sleep(wait);
  }
}

function sendOnce(
  request: KubeRequest,
  { link, process, milliseconds }: ClientParts & { readonly milliseconds: number },
): Promise<Answer | TransportError> {
  const { method, path } = request;
  const failure = (kind: "timeout" | "network") =>
    new TransportError({ method, path, kind, server: SERVER }, kind);
  return new Promise((resolve, reject) => {
    const timer = process.after(milliseconds, () => {
      link.noteFailure();
      resolve(failure("timeout"));
    });
    link.exchange(request, (answer) => {
      process.after(0, () => {
        timer.cancelled = true;
        resolve(answer === "refused" ? failure("network") : answer);
      });
    });
    request.signal?.addEventListener("abort", () => {
      timer.cancelled = true;
      reject(request.signal?.reason);
    }, { once: true });
  });
}

/** One watch: events in order, each after its own delay, silence where the link is half-open. */
export class Stream {
  readonly collection: string;
  /** Half-open: the connection stands, and nothing comes through it any more. */
  deaf = false;
  readonly #parts: ClientParts;
  readonly #signal: AbortSignal | undefined;
  readonly #received: Uint8Array[] = [];
  /** What was sent and is under way; the oldest first, as TCP delivers. */
  readonly #sent: StoredEvent[] = [];
  #broken: Error | undefined;
  #wake: () => void = () => {};

  constructor({ path, query, signal }: KubeRequest, parts: ClientParts) {
    this.collection = path;
    this.#parts = parts;
    this.#signal = signal;
    signal?.addEventListener("abort", () => this.#end(signal.reason), { once: true });
    const version = Number(query?.["resourceVersion"] ?? 0);
    parts.link.exchange({ method: "GET", path }, (answer) => {
      if (answer === "refused") return this.break();
      if (this.#broken !== undefined) return;
      for (const event of parts.server.since(path, version)) this.send(event);
      parts.streams.add(this);
    });
    parts.process.after(10_000, () => {
      if (!parts.streams.has(this)) this.break();
    });
  }

  /** The server sends an event. */
  send(event: StoredEvent): void {
    const { link, process } = this.#parts;
    if (this.deaf) return;
    this.#sent.push(event);
    link.deliver(() => {
      const next = this.#sent.shift();
      if (next === undefined || this.deaf) return;
      const { type, object } = next;
      process.after(0, () => {
        this.#received.push(new TextEncoder().encode(`${JSON.stringify({ type, object })}\n`));
        this.#wake();
      });
    });
  }

  /** Tells whether this watch uses a link. */
  uses(link: Link): boolean {
    return this.#parts.link === link;
  }

  /** The connection breaks. */
  break(): void {
    const { process } = this.#parts;
    const where = {
      method: "GET",
      path: this.collection,
      kind: "network",
      server: SERVER,
    } as const;
    process.after(0, () => this.#end(new TransportError(where, "the connection broke")));
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      while (true) {
        const chunk = this.#received.shift();
        if (chunk !== undefined) yield chunk;
        else if (this.#broken !== undefined) throw this.#broken;
        else await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      this.#end(this.#signal?.reason);
    }
  }

  #end(reason: Error): void {
    this.#broken ??= reason ?? new Error("The watch ended");
    this.#parts.streams.delete(this);
    this.#wake();
  }
}
