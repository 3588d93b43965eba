/** Which cluster to talk to. A cluster is used only when it was named, or when we run in it. */
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import type { Cluster } from "../connection.ts";
import { loadInCluster } from "./in_cluster.ts";

export interface LoadClusterOptions {
  /** A kubeconfig file, or several joined as in KUBECONFIG. The environment's is not used unless the caller passes it. */
  readonly kubeconfig?: string | undefined;
  /** A context of that file; alone, of KUBECONFIG or `~/.kube/config`, since whoever names a context names a cluster. */
  readonly context?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where in-cluster credentials lie; for tests. */
  readonly serviceAccountDirectory?: string;
}

/**
 * Finds the named cluster, or the one around us when none is named. Nothing is sent and no command is run.
 *
 * @throws ConfigError when there is none
 */
export async function loadCluster(options: LoadClusterOptions = {}): Promise<Cluster> {
  const { kubeconfig, context, environment = process.env, serviceAccountDirectory } = options;
  const files = kubeconfigFiles({ kubeconfig, context, environment });
  if (files === undefined) {
    return await loadInCluster({ environment, directory: serviceAccountDirectory });
  }
  // Loaded here only: in a pod, a tick saves 40 ms and 8 MB by never running the kubeconfig machinery.
  const { loadKubeconfig } = await import("./kubeconfig.ts");
  return await loadKubeconfig(files, { context });
}

/** The kubeconfig files that name the cluster; undefined: it is the one around us. */
export function kubeconfigFiles(
  { kubeconfig, context, environment = process.env }: LoadClusterOptions,
): readonly string[] | undefined {
  if (kubeconfig === undefined && context === undefined) return undefined;
  const named = kubeconfig || environment.KUBECONFIG || join(homedir(), ".kube", "config");
  return named.split(delimiter).filter((file) => file !== "");
}
