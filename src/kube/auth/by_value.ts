/** An API server that is named by values, where there are no files: an edge runtime's secrets. */
import type { Cluster } from "../connection.ts";
import { ConfigError } from "../errors.ts";

export interface ClusterValues {
  /** URL of the API server. */
  readonly server: string | undefined;
  /** Bearer token. */
  readonly token: string | undefined;
  /** PEM of a private certificate authority. */
  readonly ca: string | undefined;
}

/** @throws ConfigError when no API server is named */
export function clusterByValue({ server, token, ca }: ClusterValues): Cluster {
  if (server === undefined) {
    throw new ConfigError(
      "Cannot tell which cluster to use as none is named: set SALLYPORT_API_SERVER, and SALLYPORT_API_TOKEN as a secret",
    );
  }
  const credentials = {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    tls: ca === undefined ? {} : { ca },
  };
  return {
    name: new URL(server).host,
    server: server.replace(/\/$/, ""),
    credentials: () => Promise.resolve(credentials),
  };
}
