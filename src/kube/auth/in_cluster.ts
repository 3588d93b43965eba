/** The API server around a pod, by the service account files that the kubelet keeps fresh. */
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import type { Cluster } from "../connection.ts";
import { keepCredentials } from "../credentials.ts";
import { ConfigError } from "../errors.ts";

/** Where the kubelet puts them. */
export const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * The token and the CA are read again each minute and when the API server refuses the token.
 *
 * @throws ConfigError where we do not run in a cluster
 */
export async function loadInCluster(options: {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly directory?: string | undefined;
}): Promise<Cluster> {
  const { environment, directory = SERVICE_ACCOUNT_DIRECTORY } = options;
  const host = environment.KUBERNETES_SERVICE_HOST;
  const port = environment.KUBERNETES_SERVICE_PORT;
  if (!host || !port) {
    throw new ConfigError(
      "Cannot tell which cluster to use as none is named and this is no pod: name one with --kubeconfig FILE or --context NAME",
    );
  }
  async function read() {
    const [token, ca] = await Promise.all([
      readServiceAccountFile(directory, "token"),
      readServiceAccountFile(directory, "ca.crt"),
    ]);
    return { headers: { authorization: `Bearer ${token}` }, tls: { ca } };
  }
  const credentials = keepCredentials(read);
  await credentials();
  const namespace = await readServiceAccountFile(directory, "namespace").catch(() => undefined);
  return {
    name: "in-cluster",
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    ...(namespace === undefined ? {} : { namespace }),
    credentials,
  };
}

async function readServiceAccountFile(directory: string, name: string): Promise<string> {
  try {
    return (await readFile(join(directory, name), "utf8")).trim();
  } catch (cause) {
    throw new ConfigError(
      `Cannot read the service account's '${name}' in ${directory}: mount a service account token into the pod, or name a cluster with --kubeconfig FILE or --context NAME`,
      { cause },
    );
  }
}
