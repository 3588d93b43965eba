import assert from "node:assert/strict";
import { Hono } from "hono";
import { connect } from "node:net";
import { serve } from "../../src/http/server.ts";
import { ConfigError } from "../../src/kube/errors.ts";
import { app } from "../support/http.ts";

Deno.test("a server answers on a free port of the address that it is given", async () => {
  const stop = new AbortController();
  const { hostname, port, closed } = await serve({
    app: app(),
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
  });
  const base = `http://${hostname}:${port}`;
  assert.equal(hostname, "127.0.0.1");
  assert.equal(await (await fetch(`${base}/healthz`)).text(), "ok\n");
  const tick = await fetch(`${base}/tick?dryRun=true`, { method: "POST" });
  assert.deepEqual([tick.status, (await tick.json()).dryRun], [200, true]);
  const large = await fetch(`${base}/tick`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: `"${"x".repeat(70_000)}"`,
  });
  assert.equal(large.status, 200);
  await large.text();
  stop.abort();
  await closed;
  await assert.rejects(fetch(`${base}/healthz`));
});

Deno.test("a server that is told to stop finishes the answer under way", async () => {
  const stop = new AbortController();
  const reached = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const slow = new Hono().get("/", async (c) => {
    reached.resolve();
    await release.promise;
    return c.text("done");
  });
  const { port, closed } = await serve({
    app: slow,
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
  });
  const answer = fetch(`http://127.0.0.1:${port}/`).then((response) => response.text());
  await reached.promise;
  stop.abort();
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`), "a new connection");
  release.resolve();
  assert.equal(await answer, "done");
  await closed;
});

Deno.test("a server whose signal is aborted already does not start", async () => {
  const signal = AbortSignal.abort(new Error("stopped"));
  await assert.rejects(
    serve({ app: app(), hostname: "127.0.0.1", port: 0, signal }),
    /stopped/,
  );
});

Deno.test("a client that never ends its request is cut off when the server stops", async () => {
  const stop = new AbortController();
  const { port, closed } = await serve({
    app: app(),
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    graceMilliseconds: 100,
  });
  const socket = connect(port, "127.0.0.1");
  const ended = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("error", () => {});
  await new Promise<void>((resolve) =>
    socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n", () => resolve())
  );
  const stopped = performance.now();
  stop.abort();
  await closed;
  await ended;
  assert.ok(performance.now() - stopped < 2000);
  socket.destroy();
});

for (
  const [what, head] of [
    ["head", "POST /tick HTTP/1.1\r\nHost: x\r\n"],
    ["body", "POST /tick HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"],
  ] as const
) {
  Deno.test(`a client that stalls in its request's ${what} is cut off`, async () => {
    const stop = new AbortController();
    const { port, closed } = await serve({
      app: app(),
      hostname: "127.0.0.1",
      port: 0,
      signal: stop.signal,
      requestMilliseconds: 100,
    });
    const started = performance.now();
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("data", () => {});
    const ended = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    socket.write(head);
    await ended;
    assert.ok(performance.now() - started < 3000);
    stop.abort();
    await closed;
  });
}

Deno.test("an address that is taken, or no address of this machine, is named with what to do", async () => {
  const stop = new AbortController();
  const { port, closed } = await serve({
    app: app(),
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
  });
  const refused = (options: { readonly hostname: string; readonly port: number }, why: RegExp) =>
    assert.rejects(serve({ app: app(), signal: stop.signal, ...options }), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, why);
      return true;
    });
  await refused(
    { hostname: "127.0.0.1", port },
    new RegExp(`^Cannot listen on 127.0.0.1:${port}: another program listens there: end it, or`),
  );
  await refused({ hostname: "192.0.2.1", port: 0 }, /192\.0\.2\.1:0: that is no address of this/);
  stop.abort();
  await closed;
});
