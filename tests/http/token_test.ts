import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { assertSafeToListen, isLoopback } from "../../src/http/listen_address.ts";
import { bearerTokenFromFile } from "../../src/http/token.ts";

async function withFile(content: string, fn: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, content);
    await fn(path);
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}

const HEADERS = [
  ["Bearer sesame", true],
  ["bearer   sesame ", true],
  ["Bearer Sesame", false],
  ["Bearer sesame2", false],
  ["Bearer ", false],
  ["Basic sesame", false],
  ["sesame", false],
  ["", false],
  [undefined, false],
] as const;

for (const [header, right] of HEADERS) {
  Deno.test(`the header '${header}' is ${right ? "accepted" : "refused"}`, async () => {
    await withFile("sesame\n", async (path) => {
      assert.equal(await bearerTokenFromFile(path)(header), right);
    });
  });
}

Deno.test("a token that was rotated counts at once, and the old one no more", async () => {
  await withFile("old", async (path) => {
    const verify = bearerTokenFromFile(path);
    assert.equal(await verify("Bearer old"), true);
    // As a Secret's volume does it: a new file takes the place of the old one.
    await Deno.writeTextFile(`${path}.new`, "new");
    await Deno.rename(`${path}.new`, path);
    assert.equal(await verify("Bearer old"), false);
    assert.equal(await verify("Bearer new"), true);
  });
});

Deno.test("a file that changed without a trace is read again after 10 s", async () => {
  await withFile("one", async (path) => {
    let now = 0;
    const verify = bearerTokenFromFile(path, { now: () => now });
    const { mtime, atime } = await Deno.stat(path);
    assert.equal(await verify("Bearer one"), true);
    await Deno.writeTextFile(path, "two");
    await Deno.utime(path, atime ?? new Date(0), mtime ?? new Date(0));
    now = 10_000;
    assert.equal(await verify("Bearer two"), true);
    assert.equal(await verify("Bearer one"), false);
  });
});

Deno.test("an empty file admits nobody", async () => {
  await withFile(" \n", async (path) => {
    const verify = bearerTokenFromFile(path);
    assert.equal(await verify("Bearer "), false);
    assert.equal(await verify("Bearer  "), false);
    assert.equal(await verify(undefined), false);
  });
});

Deno.test("a file that is gone admits nobody, not even who was admitted before", async () => {
  await withFile("sesame", async (path) => {
    const verify = bearerTokenFromFile(path);
    assert.equal(await verify("Bearer sesame"), true);
    await Deno.remove(path);
    await assert.rejects(verify("Bearer sesame"), { code: "ENOENT" });
  });
});

const ADDRESSES = [
  ["127.0.0.1", true],
  ["127.8.9.10", true],
  ["::1", true],
  ["[::1]", true],
  ["::ffff:127.0.0.1", true],
  ["localhost", true],
  ["LOCALHOST", true],
  ["0.0.0.0", false],
  ["::", false],
  ["", false],
  ["10.0.0.1", false],
  ["127.0.0.1.example.com", false],
  ["localhost.example.com", false],
] as const;

for (const [hostname, loopback] of ADDRESSES) {
  Deno.test(`'${hostname}' is ${loopback ? "loopback" : "public"}`, () => {
    assert.equal(isLoopback(hostname), loopback);
    if (loopback) assertSafeToListen({ hostname });
    else {
      assert.throws(
        () => assertSafeToListen({ hostname }),
        /refuses to start on a public address without a token/,
      );
    }
    assertSafeToListen({ hostname, tokenFile: "/run/secrets/token" });
  });
}

Deno.test("an empty token file name is no token", () => {
  assert.throws(() => assertSafeToListen({ hostname: "0.0.0.0", tokenFile: "" }));
});

Deno.test("a server on a public address without a token ends at once, as badly configured", async () => {
  const kubeconfig = await Deno.makeTempFile();
  await Deno.writeTextFile(
    kubeconfig,
    JSON.stringify({
      "current-context": "none",
      contexts: [{ name: "none", context: { cluster: "none", user: "none" } }],
      clusters: [{ name: "none", cluster: { server: "http://127.0.0.1:9" } }],
      users: [{ name: "none", user: {} }],
    }),
  );
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      fileURLToPath(new URL("../../functions/server.ts", import.meta.url)),
    ],
    env: { SALLYPORT_KUBECONFIG: kubeconfig, SALLYPORT_HOSTNAME: "0.0.0.0", SALLYPORT_PORT: "0" },
  }).output();
  await Deno.remove(kubeconfig);
  assert.equal(code, 2);
  assert.match(new TextDecoder().decode(stderr), /refuses to start on a public address/);
});
