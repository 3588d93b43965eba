/** Who we are to an API server, and who it must be to us. */

/** TLS settings in the words of `node:tls`; PEM texts. */
export interface TlsSettings {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name that the server's certificate must hold instead of the URL's host. */
  readonly servername?: string;
  /** False: any certificate will do. */
  readonly rejectUnauthorized?: boolean;
}

/** A snapshot; a new object is made when they are read again. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsSettings;
}

/** Gives the current credentials; `rejected` are those that the API server has just refused. */
export type CredentialSource = (rejected?: Credentials) => Promise<Credentials>;

/** Tokens are rotated well before they expire; client-go reads them again after the same time. Milliseconds. */
const LIFETIME_MILLISECONDS = 60_000;

/**
 * Keeps what `read` gives for a minute, or until it is rejected. Any number of requests that are rejected at once cause
 * one reading. `read` is told whether the former credentials were rejected, so it drops what it keeps itself.
 */
export function keepCredentials(
  read: (rejected: boolean) => Promise<Credentials>,
  { now = () => performance.now() }: { readonly now?: () => number } = {},
): CredentialSource {
  let kept: { readonly credentials: Credentials; readonly readAt: number } | undefined;
  let reading: Promise<Credentials> | undefined;

  async function readAgain(rejected: boolean): Promise<Credentials> {
    try {
      const credentials = await read(rejected);
      kept = { credentials, readAt: now() };
      return credentials;
    } finally {
      reading = undefined;
    }
  }

  return async (rejected) => {
    if (
      kept !== undefined && kept.credentials !== rejected &&
      now() - kept.readAt < LIFETIME_MILLISECONDS
    ) {
      return kept.credentials;
    }
    reading ??= readAgain(kept !== undefined && kept.credentials === rejected);
    return await reading;
  };
}

/** Whether the API server would see any difference. */
export function sameCredentials(a: Credentials, b: Credentials): boolean {
  return JSON.stringify([a.headers, a.tls]) === JSON.stringify([b.headers, b.tls]);
}
