/** Requests by undici's connection pool: for Deno, Node and Bun as a process. */
import { setImmediate } from "node:timers/promises";
import type { Cluster } from "./connection.ts";
import { createPool } from "./pool.ts";
import type { Transport } from "./sender.ts";
// @ts-types="./undici.d.ts"
import { request } from "./undici.js";

/** @param options.connections most connections at once, watches included */
export function undiciTransport(
  cluster: Cluster,
  options: { readonly connections: number },
): Transport {
  const pool = createPool(cluster, options);
  return {
    async exchange({ server, method, path, search, body, headers }, { credentials, signal }) {
      const answer = await request.call(await pool.dispatcher(credentials), {
        origin: server.origin,
        path: `${server.pathname.replace(/\/$/, "")}${path}${search}`,
        method,
        headers: { ...headers, ...credentials.headers },
        body: body ?? null,
        signal,
      });
      return { status: answer.statusCode, headers: answer.headers, body: toItsEnd(answer.body) };
    },
    destroy: () => pool.destroy(),
  };
}

/** undici frees the connection one event loop turn after the body's end; a request sent before that opens another. */
async function* toItsEnd(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* body;
  await setImmediate();
}
