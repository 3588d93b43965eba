/** Which API server to talk to, and as whom. */
import type { CredentialSource } from "./credentials.ts";

export interface Cluster {
  /** What a person calls it: the kubeconfig context, or `in-cluster`. */
  readonly name: string;
  /** URL of the API server, no trailing slash; may have a path. */
  readonly server: string;
  /** Namespace of the context or of our pod. */
  readonly namespace?: string;
  /** `http:`, `https:` or `socks5:` URL. */
  readonly proxyUrl?: string;
  readonly credentials: CredentialSource;
}
