import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { readCiliumHealth } from "../../src/agent/cilium_health.ts";

Deno.test("Cilium is ready when its healthz says so in time, else the reason is told", async () => {
  const asked: unknown[] = [];
  const server = createServer(({ url, headers }, response) => {
    asked.push(headers["brief"]);
    if (url === "/hangs") return;
    response.writeHead(url === "/healthz" ? 200 : 503).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const url = `http://127.0.0.1:${address.port}`;
  try {
    assert.deepEqual(await readCiliumHealth(`${url}/healthz`), { ready: true });
    const ill = { ready: false, message: "healthz answers 503" };
    assert.deepEqual(await readCiliumHealth(`${url}/ill`), ill);
    const hangs = { ready: false, message: "no answer" };
    assert.deepEqual(await readCiliumHealth(`${url}/hangs`), hangs);
    assert.deepEqual(asked, ["true", "true", "true"]);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
  const gone = { ready: false, message: "no connection" };
  assert.deepEqual(await readCiliumHealth(`${url}/healthz`), gone);
});
