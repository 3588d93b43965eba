/** A client of the cluster that the settings name. */
import { loadCluster } from "../kube/auth/load_cluster.ts";
import type { ClientOptions, KubeClient } from "../kube/client.ts";
import { createClient } from "../kube/http.ts";
import type { CLUSTER_SETTINGS, Settings } from "./settings.ts";

/**
 * Runs work with a client and closes it.
 *
 * @throws ConfigError when there is no such cluster, and what the work throws
 */
export async function withClient<T>(
  { kubeconfig, context, ...options }:
    & Pick<Settings, typeof CLUSTER_SETTINGS[number]>
    & Pick<ClientOptions, "onRequest">,
  work: (client: KubeClient) => Promise<T>,
): Promise<T> {
  const client = createClient(await loadCluster({ kubeconfig, context }), options);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
