/** The requests of a tick by themselves: noted as they are sent, and sent again by a process that does nothing else. */
import type { KubeClient } from "../../src/kube/client.ts";
import { createClientOn } from "../../src/kube/client_on.ts";
import type { Cluster } from "../../src/kube/connection.ts";
import type { Message } from "../../src/kube/message.ts";
import { undiciTransport } from "../../src/kube/undici_transport.ts";
import type { ControlPlane } from "../support/control_plane.ts";
import { oneShot } from "../support/one_shot.ts";

/** As many as a tick has. */
const CONNECTIONS = 16;

/** A request that only reads. */
export interface Asked extends Pick<Message, "path" | "search" | "headers"> {
  /** Which of those before it had been answered last when it was sent; undefined: none. */
  readonly after: number | undefined;
}

/** What `scale_requests_program.ts` reads. */
export interface Script {
  readonly server: string;
  readonly token: string;
  readonly ca: string;
  /** Most at once. */
  readonly connections: number;
  /** In the order in which they were sent. */
  readonly requests: readonly Asked[];
}

/**
 * Writes down what a tick asks that finds nothing to write.
 *
 * @throws Error where it writes something
 */
export async function writeScript(
  file: string,
  { plane, client }: { readonly plane: ControlPlane; readonly client: KubeClient },
): Promise<void> {
  const script: Script = {
    server: plane.server,
    token: plane.adminToken,
    ca: await Deno.readTextFile(plane.caPath),
    connections: CONNECTIONS,
    requests: await requestsOfTick(client.cluster),
  };
  await Deno.writeTextFile(file, JSON.stringify(script));
}

async function requestsOfTick(cluster: Cluster): Promise<readonly Asked[]> {
  const sent: (Omit<Asked, "after"> & { readonly answeredBefore: number })[] = [];
  const answered: number[] = [];
  const transport = undiciTransport(cluster, { connections: CONNECTIONS });
  const client = createClientOn(cluster, {
    transport: {
      ...transport,
      async exchange(message, options) {
        const { method, path, search, headers } = message;
        if (method !== "GET") throw new Error(`Cannot send ${method} ${path} again: it writes`);
        const answeredBefore = answered.length;
        const index = sent.push({ path, search, headers, answeredBefore }) - 1;
        const { body, ...answer } = await transport.exchange(message, options);
        const toItsEnd = async function* () {
          yield* body;
          answered.push(index);
        };
        return { ...answer, body: toItsEnd() };
      },
    },
  });
  await oneShot(client);
  await client.close();
  return sent.map(({ answeredBefore, ...asked }, index) => ({
    ...asked,
    // Those for which there was no connection waited for one.
    after: answered[Math.max(answeredBefore, index + 1 - CONNECTIONS) - 1],
  }));
}
