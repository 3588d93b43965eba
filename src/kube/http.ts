/** The client that programs use: requests by undici. */
import { createClientOn } from "./client_on.ts";
import type { ClientOptions, KubeClient } from "./client.ts";
import type { Cluster } from "./connection.ts";
import { undiciTransport } from "./undici_transport.ts";

export type * from "./client.ts";

const CONNECTIONS = 16;

export function createClient(
  cluster: Cluster,
  { connections = CONNECTIONS, ...options }: ClientOptions = {},
): KubeClient {
  return createClientOn(cluster, {
    ...options,
    transport: undiciTransport(cluster, { connections }),
  });
}
