/**
 * Sends the requests of the file REQUESTS and drops what is answered: what a tick's requests cost without a tick. By the client
 * that the argument names: `undici`, as a tick sends them, or the runtime's own `fetch`.
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import type { Cluster } from "../../src/kube/connection.ts";
import type { Credentials } from "../../src/kube/credentials.ts";
import type { Transport } from "../../src/kube/sender.ts";
import type { Asked, Script } from "./scale_requests.ts";

const script: Script = JSON.parse(await readFile(process.env["REQUESTS"] ?? "", "utf8"));
const server = new URL(script.server);
const credentials: Credentials = {
  headers: { authorization: `Bearer ${script.token}` },
  tls: { ca: script.ca },
};
const { signal } = new AbortController();
const transport = process.argv[2] === "undici" ? await byUndici() : await byFetch();
const answers: Promise<void>[] = [];
for (const asked of script.requests) answers.push(send(asked));
await Promise.all(answers);
// Connections are kept alive.
process.exit(0);

async function send({ after, ...asked }: Asked): Promise<void> {
  if (after !== undefined) await answers[after];
  const message = { server, method: "GET", ...asked } as const;
  const { status, body } = await transport.exchange(message, { credentials, signal });
  for await (const _ of body);
  if (status !== 200) throw new Error(`Cannot get ${asked.path}: ${status}`);
}

async function byUndici(): Promise<Transport> {
  const { undiciTransport } = await import("../../src/kube/undici_transport.ts");
  const cluster: Cluster = {
    name: "bench",
    server: script.server,
    credentials: () => Promise.resolve(credentials),
  };
  return undiciTransport(cluster, script);
}

async function byFetch(): Promise<Transport> {
  const { fetchTransport } = await import("../../src/kube/fetch_transport.ts");
  // HTTP/1.1 without compression, as a tick.
  const client = Deno.createHttpClient({ caCerts: [script.ca], http2: false });
  return fetchTransport({
    fetch: (url, { headers, ...init } = {}) =>
      fetch(url, {
        ...init,
        headers: { ...headers as Record<string, string>, "accept-encoding": "identity" },
        client,
      }),
  });
}
