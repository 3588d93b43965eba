import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { TLSSocket } from "node:tls";
import type { TlsSettings } from "../../src/kube/credentials.ts";
import { TransportError } from "../../src/kube/errors.ts";
import { createClient } from "../../src/kube/http.ts";
import { makeCertificates } from "../support/certificates.ts";
import { stub } from "../support/stub_server.ts";

const made = makeCertificates();
globalThis.addEventListener("unload", () => rmSync(made.directory, { recursive: true }));
const { ca, server, client: { cert, key } } = made;

/** A server that asks for a client certificate and tells its common name. */
function tlsStub() {
  return stub((_, request) => {
    const socket = request.socket as TLSSocket;
    return { body: { user: socket.authorized ? socket.getPeerCertificate().subject?.CN : null } };
  }, { tls: { ...server, ca, requestCert: true, rejectUnauthorized: false } });
}

async function whoAmI(tls: TlsSettings): Promise<unknown> {
  await using it = await tlsStub();
  const client = createClient({
    ...it.cluster,
    credentials: () => Promise.resolve({ headers: {}, tls }),
  });
  try {
    return (await client.request({ method: "GET", path: "/" })).body;
  } catch (error) {
    return error;
  } finally {
    await client.close();
  }
}

Deno.test("a server of the named authority is trusted", async () => {
  assert.deepEqual(await whoAmI({ ca }), { user: null });
});

Deno.test("a client certificate is sent", async () => {
  assert.deepEqual(await whoAmI({ ca, cert, key }), { user: "client" });
});

Deno.test("a server of another authority is refused, once", async () => {
  const error = await whoAmI({ ca: makeOther() });
  assert.ok(error instanceof TransportError, String(error));
  assert.equal(error.kind, "certificate");
  assert.match(
    error.message,
    /^Cannot GET \/ at https:\/\/127\.0\.0\.1:\d+: .*: check the certificate authority/,
  );
  assert.ok(error.cause instanceof Error);
});

Deno.test("any server will do where verification is switched off", async () => {
  assert.deepEqual(await whoAmI({ ca: makeOther(), rejectUnauthorized: false }), { user: null });
});

Deno.test("the server's name may differ from its address", async () => {
  assert.deepEqual(await whoAmI({ ca, servername: "api.test" }), { user: null });
  const error = await whoAmI({ ca, servername: "other.test" });
  assert.ok(error instanceof TransportError, String(error));
  assert.equal(error.kind, "certificate");
});

Deno.test("ten requests use one TLS connection, another certificate opens another", async () => {
  await using it = await tlsStub();
  let tls: TlsSettings = { ca };
  const client = createClient({
    ...it.cluster,
    credentials: () => Promise.resolve({ headers: {}, tls }),
  });
  for (let n = 0; n < 10; n++) await client.request({ method: "GET", path: "/" });
  assert.equal(it.sockets(), 1);
  tls = { ca, cert, key };
  const { body } = await client.request({ method: "GET", path: "/" });
  assert.deepEqual(body, { user: "client" });
  assert.equal(it.sockets(), 2);
  await client.close();
});

Deno.test("a proxy is used for all connections", async () => {
  await using it = await tlsStub();
  const targets: (string | undefined)[] = [];
  const proxy = createServer();
  proxy.on("connect", (request, socket) => {
    targets.push(request.url);
    const upstream = connect(Number(new URL(it.url).port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const client = createClient({
    ...it.cluster,
    proxyUrl: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    credentials: () => Promise.resolve({ headers: {}, tls: { ca, cert, key } }),
  });
  for (let n = 0; n < 3; n++) {
    const { body } = await client.request({ method: "GET", path: "/" });
    assert.deepEqual(body, { user: "client" });
  }
  await client.close();
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
  assert.deepEqual(targets, [new URL(it.url).host]);
});

function makeOther(): string {
  const other = makeCertificates();
  rmSync(other.directory, { recursive: true });
  return other.ca;
}
