/** `fetch` with a certificate authority of one's own, where the runtime has that. */
import { ConfigError } from "../errors.ts";

type Fetch = typeof globalThis.fetch;

/** What Deno adds to `fetch`, and Bun. */
interface Runtime {
  readonly Deno?: {
    createHttpClient?(options: { readonly caCerts: readonly string[] }): unknown;
  };
  readonly Bun?: unknown;
}

/**
 * @param ca PEM; undefined: what the runtime trusts anyway
 * @throws ConfigError on a runtime that trusts public authorities alone
 */
export function trustingFetch(ca: string | undefined): Fetch {
  if (ca === undefined) return (input, init) => fetch(input, init);
  const { Deno, Bun } = globalThis as Runtime;
  if (Bun !== undefined) return extended({ tls: { ca } });
  if (Deno?.createHttpClient !== undefined) {
    return extended({ client: Deno.createHttpClient({ caCerts: [ca] }) });
  }
  throw new ConfigError(
    "Cannot trust SALLYPORT_API_CA as this runtime trusts public certificate authorities alone: " +
      "reach the API server by a public certificate; Node takes the authority by NODE_EXTRA_CA_CERTS",
  );
}

function extended(options: object): Fetch {
  return (input, init) => fetch(input, { ...init, ...options });
}
