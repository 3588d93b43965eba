import { ConfigError } from "../kube/errors.ts";

/** Where a server listens and what guards it. */
export interface ListenOptions {
  readonly hostname: string;
  /** File with the bearer token of `POST /tick`. */
  readonly tokenFile?: string | undefined;
}

/** @throws ConfigError when anyone on the network could trigger ticks: a public address without a token */
export function assertSafeToListen({ hostname, tokenFile }: ListenOptions): void {
  if (isLoopback(hostname) || tokenFile) return;
  throw new ConfigError(
    `Cannot listen on ${hostname}: refuses to start on a public address without a token, ` +
      "give a token file or listen on 127.0.0.1",
  );
}

/** An address that only this machine reaches: `localhost`, `127.0.0.0/8`, `::1`. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || host === "::1" || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host);
}
