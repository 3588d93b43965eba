import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { assertSafeToListen, isLoopback } from "../../src/http/listen_address.ts";
import { tokenFromFile } from "../../src/http/token.ts";
import { TokenUnreadableError } from "../../src/http/verify_token.ts";

async function withFile(content: string, fn: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, content);
    await fn(path);
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}

for (
  const [token, right] of [["sesame", true], ["Sesame", false], ["sesame2", false], [
    "",
    false,
  ]] as const
) {
  Deno.test(`the token '${token}' is ${right ? "accepted" : "refused"}`, async () => {
    await withFile("sesame\n", async (path) => {
      assert.equal(await tokenFromFile(path)(token), right);
    });
  });
}

Deno.test("a token that was rotated counts at once, and the old one no more", async () => {
  await withFile("old", async (path) => {
    const verify = tokenFromFile(path);
    assert.equal(await verify("old"), true);
    // As a Secret's volume does it: a new file takes the place of the old one.
    await Deno.writeTextFile(`${path}.new`, "new");
    await Deno.rename(`${path}.new`, path);
    assert.equal(await verify("old"), false);
    assert.equal(await verify("new"), true);
  });
});

Deno.test("a file that changed without a trace is read again after 10 s", async () => {
  await withFile("one", async (path) => {
    let now = 0;
    const verify = tokenFromFile(path, { now: () => now });
    const { mtime, atime } = await Deno.stat(path);
    assert.equal(await verify("one"), true);
    await Deno.writeTextFile(path, "two");
    await Deno.utime(path, atime ?? new Date(0), mtime ?? new Date(0));
    now = 10_000;
    assert.equal(await verify("two"), true);
    assert.equal(await verify("one"), false);
  });
});

Deno.test("an empty file admits nobody", async () => {
  await withFile(" \n", async (path) => {
    const verify = tokenFromFile(path);
    assert.equal(await verify(""), false);
    assert.equal(await verify(" "), false);
  });
});

Deno.test("a file that is gone admits nobody, not even who was admitted before", async () => {
  await withFile("sesame", async (path) => {
    const errors: Error[] = [];
    const verify = tokenFromFile(path, { onError: (error) => void errors.push(error) });
    assert.equal(await verify("sesame"), true);
    await Deno.remove(path);
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(verify("sesame"), (error: unknown) => {
        assert.ok(error instanceof TokenUnreadableError);
        assert.ok(!error.message.includes(path), error.message);
        return true;
      });
    }
    assert.equal(errors.length, 1, "told once");
    assert.ok(errors[0]?.message.includes(path));
    await Deno.writeTextFile(path, "sesame");
    assert.equal(await verify("sesame"), true);
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
