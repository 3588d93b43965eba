/** Certificates for tests, made by openssl. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Pair {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

/**
 * A new authority that signs a server certificate for 127.0.0.1 and api.test, and a client certificate.
 *
 * @returns PEM texts, and the directory with `ca.crt`, `server.crt`, `server.key`, `client.crt`, `client.key`
 */
export function makeCertificates(): {
  readonly directory: string;
  readonly ca: string;
  readonly server: Pair;
  readonly client: Pair;
} {
  const directory = mkdtempSync(join(tmpdir(), "sallyport-certificates-"));
  const file = (name: string) => join(directory, name);
  const openssl = (...words: string[]) => execFileSync("openssl", words, { stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const authority = ["-CA", file("ca.crt"), "-CAkey", file("ca.key")];
  const make = (name: string, ...words: string[]): Pair => {
    const out = ["-keyout", file(`${name}.key`), "-out", file(`${name}.crt`)];
    openssl("req", "-x509", ...key, ...out, "-days", "2", "-subj", `/CN=${name}`, ...words);
    return { cert: read(`${name}.crt`), key: read(`${name}.key`) };
  };
  const read = (name: string) => readFileSync(file(name), "utf8");
  const { cert: ca } = make("ca");
  const noAuthority = ["-addext", "basicConstraints=critical,CA:FALSE"];
  const names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:api.test"];
  const server = make("server", ...authority, ...noAuthority, ...names);
  const client = make(
    "client",
    ...authority,
    ...noAuthority,
    "-addext",
    "extendedKeyUsage=clientAuth",
  );
  return { directory, ca, server, client };
}
