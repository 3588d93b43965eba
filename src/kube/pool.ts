/** The one connection pool. */
import type { Dispatcher, ProxyAgent } from "undici";
import type { Cluster } from "./connection.ts";
import type { Credentials } from "./credentials.ts";
// @ts-types="./undici.d.ts"
import { Agent } from "./undici.js";

/** A TCP and TLS handshake takes two round trips; a dead address takes for ever. Milliseconds. */
const CONNECT_MILLISECONDS = 3_000;
/** Longer than our longest interval between requests, shorter than what load balancers allow. Milliseconds. */
const KEEP_ALIVE_MILLISECONDS = 30_000;

export interface Pool {
  /** The dispatcher for these credentials. Connections that were made with other TLS settings end with their requests. */
  dispatcher(credentials: Credentials): Promise<Dispatcher>;
  /** Breaks all connections. */
  destroy(): Promise<void>;
}

/** @param connections most connections at once, watches included */
export function createPool(
  cluster: Cluster,
  { connections }: { readonly connections: number },
): Pool {
  const open = new Set<Dispatcher>();
  let current: { readonly tls: string; readonly dispatcher: Promise<Dispatcher> } | undefined;

  async function connect({ tls }: Credentials): Promise<Dispatcher> {
    const options = {
      connections,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MILLISECONDS,
      // Deadlines are set per request, by its signal.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    const connect = {
      ...tls,
      timeout: CONNECT_MILLISECONDS,
      keepAliveInitialDelay: KEEP_ALIVE_MILLISECONDS,
    };
    const { proxyUrl } = cluster;
    const dispatcher = proxyUrl === undefined
      ? new Agent({ ...options, connect })
      : await makeProxyAgent({ ...options, uri: proxyUrl, requestTls: connect });
    open.add(dispatcher);
    return dispatcher;
  }

  async function retire(former: Promise<Dispatcher>): Promise<void> {
    const dispatcher = await former;
    await dispatcher.close();
    open.delete(dispatcher);
  }

  return {
    dispatcher(credentials) {
      const tls = JSON.stringify(credentials.tls);
      if (current?.tls !== tls) {
        const former = current?.dispatcher;
        current = { tls, dispatcher: connect(credentials) };
        // Its failure is the failure of the requests that it still carries.
        if (former !== undefined) retire(former).catch(() => {});
      }
      return current.dispatcher;
    },
    async destroy() {
      await Promise.all([...open].map((dispatcher) => dispatcher.destroy()));
    },
  };
}

/** Proxies need all of undici; it is loaded for them only. */
async function makeProxyAgent(options: ProxyAgent.Options): Promise<Dispatcher> {
  const undici = await import("undici");
  return new undici.ProxyAgent(options);
}
