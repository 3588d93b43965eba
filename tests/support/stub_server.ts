/** A server that answers as the test says, and clusters that point at it. */
import { Buffer } from "node:buffer";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TlsOptions } from "node:tls";
import type { Cluster } from "../../src/kube/connection.ts";
import type { Credentials } from "../../src/kube/credentials.ts";

/** `Date` of every answer of a stub. */
export const SERVER_TIME = Date.parse("2026-11-23T10:00:00Z");

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
  /** Parts of the body, written one by one. */
  readonly chunks?: readonly (string | Uint8Array)[];
  readonly millisecondsBetweenChunks?: number;
  /** `hang`: no head; `stall`: no end of the body; `reset`: the connection breaks after head and chunks. */
  readonly fault?: "hang" | "stall" | "reset";
}

export interface Seen {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface Stub {
  readonly url: string;
  readonly seen: readonly Seen[];
  readonly sockets: () => number;
  readonly cluster: Cluster;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/** Answers request number n with the n-th reply, all further ones with the last; or as a function says. */
export async function stub(
  replies: readonly Reply[] | ((seen: Seen, request: IncomingMessage) => Reply),
  options: { readonly tls?: TlsOptions; readonly credentials?: Credentials } = {},
): Promise<Stub> {
  const seen: Seen[] = [];
  let sockets = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const parts: Uint8Array[] = [];
    for await (const part of request) parts.push(part);
    const { method = "", headers } = request;
    const one = {
      method,
      url: new URL(request.url ?? "/", "http://stub"),
      headers,
      body: Buffer.concat(parts).toString(),
    };
    seen.push(one);
    const reply = typeof replies === "function"
      ? replies(one, request)
      : replies[Math.min(seen.length, replies.length) - 1] ?? {};
    if (reply.fault === "hang") return;
    response.writeHead(reply.status ?? 200, {
      date: new Date(SERVER_TIME).toUTCString(),
      "content-type": "application/json",
      ...reply.headers,
    });
    response.flushHeaders();
    for (const chunk of reply.chunks ?? []) {
      response.write(chunk);
      await new Promise((resolve) => setTimeout(resolve, reply.millisecondsBetweenChunks ?? 5));
    }
    if (reply.fault === "reset") return void request.socket.destroy();
    if (reply.fault === "stall") return;
    const { body } = reply;
    response.end(body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body));
  };
  const listener: RequestListener = (request, response) => void answer(request, response);
  const server: Server = options.tls === undefined
    ? createServer(listener)
    : createTlsServer(options.tls, listener);
  server.on(options.tls === undefined ? "connection" : "secureConnection", () => sockets++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const url = `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  const credentials = options.credentials ?? { headers: {}, tls: {} };
  return {
    url,
    seen,
    sockets: () => sockets,
    cluster: { name: "stub", server: url, credentials: () => Promise.resolve(credentials) },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The Status object that API servers send with an error. */
export function status(code: number, reason: string, message = ""): Reply {
  return {
    status: code,
    body: { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message },
  };
}
