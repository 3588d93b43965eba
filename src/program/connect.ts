/** A client of the cluster that the settings name. */
import { loadCluster } from "../kube/auth/load_cluster.ts";
import type { LoadClusterOptions } from "../kube/auth/load_cluster.ts";
import type { ClientOptions, KubeClient } from "../kube/client.ts";
import type { Cluster } from "../kube/connection.ts";
import { createClient } from "../kube/http.ts";
import type { CLUSTER_SETTINGS, Settings } from "./settings.ts";

/**
 * Runs work with a client and closes it.
 *
 * @throws ConfigError when there is no such cluster, and what the work throws
 */
export async function withClient<T>(
  { kubeconfig, context, unnamed, onCluster, ...options }:
    & Pick<Settings, typeof CLUSTER_SETTINGS[number]>
    & Pick<ClientOptions, "onRequest">
    & Pick<LoadClusterOptions, "unnamed">
    & { readonly onCluster?: (cluster: Cluster) => void },
  work: (client: KubeClient) => Promise<T>,
): Promise<T> {
  const cluster = await loadCluster({ kubeconfig, context, unnamed });
  onCluster?.(cluster);
  const client = createClient(cluster, options);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
