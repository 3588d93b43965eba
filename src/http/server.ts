import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import { once } from "node:events";
import { Server } from "node:http";
import { messageOf } from "../core/message.ts";
import type { Milliseconds } from "../core/types.ts";
import { ConfigError } from "../kube/errors.ts";

export interface ServeOptions {
  readonly app: Hono;
  readonly hostname: string;
  /** 0: any free port. */
  readonly port: number;
  /** Ends the server: no new connections, answers under way are finished, then everything is closed. */
  readonly signal: AbortSignal;
  /** How long answers under way may take once the server is told to stop; default 5 s. */
  readonly graceMilliseconds?: Milliseconds;
  /** How long a client may take to send its request's head, and twice that for the body; default 5 s. */
  readonly requestMilliseconds?: Milliseconds;
}

export interface RunningServer {
  readonly hostname: string;
  readonly port: number;
  /** Resolves when every connection is closed. */
  readonly closed: Promise<void>;
}

/** Resolves once the server listens. Throws ConfigError when the address is taken or not ours, and when the signal is aborted already. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { app, hostname, port, signal, graceMilliseconds = 5_000, requestMilliseconds = 5_000 } =
    options;
  signal.throwIfAborted();
  const server = createAdaptorServer({
    fetch: app.fetch,
    // A client that is slow on purpose must not hold a connection for long.
    serverOptions: {
      headersTimeout: requestMilliseconds,
      requestTimeout: 2 * requestMilliseconds,
      keepAliveTimeout: 5_000,
      // How often these are enforced; Node's default is 30 s.
      connectionsCheckingInterval: requestMilliseconds / 5,
    },
  });
  if (!(server instanceof Server)) {
    throw new TypeError("Cannot serve HTTP: not a server of node:http");
  }
  server.listen(port, hostname);
  await once(server, "listening").catch((cause: unknown) => {
    throw new ConfigError(`Cannot listen on ${hostname}:${port}: ${whyNot(cause)}`, { cause });
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("Cannot tell the port");

  const closed = once(server, "close").then(() => {});
  signal.addEventListener("abort", () => {
    const force = setTimeout(() => server.closeAllConnections(), graceMilliseconds);
    server.close(() => clearTimeout(force));
    server.closeIdleConnections();
  }, { once: true });
  return { hostname: address.address, port: address.port, closed };
}

function whyNot(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return "another program listens there: end it, or listen on another port";
    case "EACCES":
      return "this user may not: listen on a port from 1024 on";
    case "EADDRNOTAVAIL":
    case "EINVAL":
    case "ENOTFOUND":
      return "that is no address of this machine: listen on one of its own, such as 127.0.0.1";
    default:
      return messageOf(error);
  }
}
