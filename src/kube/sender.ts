/** Requests with our credentials on them, by whatever sends them. */
import type { Cluster } from "./connection.ts";
import { type Credentials, sameCredentials } from "./credentials.ts";
import { type Answer, readAll } from "./exchange.ts";
import type { Message } from "./message.ts";

export interface Sender {
  /**
   * Sends with current credentials; once more when they were refused and there are newer ones, which is safe for every
   * method since a 401 did nothing.
   */
  send(message: Message, signal: AbortSignal): Promise<Answer>;
  /** Breaks all connections. */
  destroy(): Promise<void>;
}

/** What sends messages on one runtime. */
export interface Transport {
  /**
   * Sends a message once and waits for the head of the answer.
   *
   * @param options.signal also breaks off reading the body
   * @throws an Error with a `code` when the exchange was broken from outside
   */
  exchange(
    message: Message,
    options: { readonly credentials: Credentials; readonly signal: AbortSignal },
  ): Promise<Answer>;
  /** Breaks all connections. */
  destroy(): Promise<void>;
}

/** A 401's Status is a few hundred bytes. */
const MAX_REFUSAL_BYTES = 64 * 1024;

export function createSender(cluster: Cluster, transport: Transport): Sender {
  let closed = false;

  async function sendAs(
    credentials: Credentials,
    { message, signal }: { readonly message: Message; readonly signal: AbortSignal },
  ): Promise<Answer> {
    if (closed) throw new Error(`Cannot ${message.method} ${message.path} as the client is closed`);
    return await transport.exchange(message, { credentials, signal });
  }

  return {
    async send(message, signal) {
      const credentials = await cluster.credentials();
      const answer = await sendAs(credentials, { message, signal });
      if (answer.status !== 401) return answer;
      const renewed = await cluster.credentials(credentials);
      if (sameCredentials(renewed, credentials)) return answer;
      // Read, so that its connection is free again.
      await readAll(answer.body, { most: MAX_REFUSAL_BYTES, count: () => {} });
      return await sendAs(renewed, { message, signal });
    },
    async destroy() {
      closed = true;
      await transport.destroy();
    },
  };
}
