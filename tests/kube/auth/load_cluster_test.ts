import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCluster } from "../../../src/kube/auth/load_cluster.ts";
import { keepCredentials } from "../../../src/kube/credentials.ts";
import { ApiError, ConfigError } from "../../../src/kube/errors.ts";
import { createClient } from "../../../src/kube/http.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { status, type Stub, stub } from "../../support/stub_server.ts";

const get = { method: "GET", path: "/api" } as const;

/** A directory with files, removed afterwards. */
function files(contents: Readonly<Record<string, string>>) {
  const directory = mkdtempSync(join(tmpdir(), "sallyport-config-"));
  const path = (name: string) => join(directory, name);
  for (const [name, content] of Object.entries(contents)) writeFileSync(path(name), content);
  return { path, directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

/** A kubeconfig with one context. */
function kubeconfig(
  user: unknown,
  { server = "http://127.0.0.1:1", cluster = {}, name = "one" } = {},
) {
  return JSON.stringify({
    "current-context": name,
    contexts: [{ name, context: { cluster: name, user: name, namespace: "here" } }],
    clusters: [{ name, cluster: { server, ...cluster } }],
    users: [{ name, user }],
  });
}

function rejection(work: Promise<unknown>): Promise<Error> {
  return work.then(() => assert.fail("did not throw"), (error) => error);
}

/** What a stub was sent as Authorization. */
const authorizations = ({ seen }: Stub) => seen.map(({ headers }) => headers.authorization);

Deno.test("no cluster is used that was not named", async () => {
  const environment = { KUBECONFIG: "somewhere", HOME: "/" };
  const error = await rejection(loadCluster({ environment }));
  assert.ok(error instanceof ConfigError);
  assert.match(
    error.message,
    /none is named .*: name one with --kubeconfig FILE or --context NAME$/,
  );
});

Deno.test("a pod uses the cluster around it", async () => {
  using directory = files({ token: "first\n", "ca.crt": "CA", namespace: "sallyport-system" });
  const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  const cluster = await loadCluster({ environment, serviceAccountDirectory: directory.directory });
  assert.equal(cluster.server, "https://[fd00::1]:443");
  assert.equal(cluster.namespace, "sallyport-system");
  const before = await cluster.credentials();
  assert.deepEqual(before, { headers: { authorization: "Bearer first" }, tls: { ca: "CA" } });
  writeFileSync(directory.path("token"), "second");
  assert.equal(await cluster.credentials(), before);
  assert.equal((await cluster.credentials(before)).headers.authorization, "Bearer second");
});

Deno.test("a pod without a token says what is missing", async () => {
  using directory = files({ "ca.crt": "CA" });
  const environment = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" };
  const error = await rejection(
    loadCluster({ environment, serviceAccountDirectory: directory.directory }),
  );
  assert.ok(error instanceof ConfigError);
  assert.match(
    error.message,
    /^Cannot read the service account's 'token' in .*: mount a service account token/,
  );
  assert.ok(error.cause instanceof Error);
});

Deno.test("a rotated token is used when the old one is refused, for creating too", async () => {
  using directory = files({ token: "first", "ca.crt": "CA", namespace: "a" });
  await using server = await stub(({ headers }) =>
    headers.authorization === "Bearer second" ? { body: {} } : status(401, "Unauthorized")
  );
  const environment = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" };
  const pod = await loadCluster({ environment, serviceAccountDirectory: directory.directory });
  const client = createClient({ ...pod, server: server.url });
  const refused = await rejection(client.request(get));
  assert.ok(refused instanceof ApiError);
  assert.equal(refused.status, 401);
  assert.match(refused.message, /renew the token or client certificate$/);
  assert.equal(server.seen.length, 1);
  writeFileSync(directory.path("token"), "second");
  await client.request({ method: "POST", path: "/api", body: {} });
  await client.request(get);
  assert.deepEqual(authorizations(server).slice(1), [
    "Bearer first",
    "Bearer second",
    "Bearer second",
  ]);
  await client.close();
});

Deno.test("credentials are read again each minute, and once for any number of refusals", async () => {
  let now = 0;
  const readings: boolean[] = [];
  const source = keepCredentials((rejected) => {
    readings.push(rejected);
    return Promise.resolve({ headers: { n: String(readings.length) }, tls: {} });
  }, { now: () => now });
  const first = await source();
  now = 59_999;
  assert.equal(await source(), first);
  now = 60_000;
  const second = await source();
  assert.notEqual(second, first);
  const third = await Promise.all([source(second), source(second), source(second)]);
  assert.deepEqual(readings, [false, false, true]);
  assert.equal(await source(second), third[0]);
});

Deno.test("credentials that cannot be read are asked for again next time", async () => {
  let readings = 0;
  const source = keepCredentials(() =>
    readings++ === 0 ? Promise.reject(new Error("no")) : Promise.resolve({ headers: {}, tls: {} })
  );
  assert.equal((await rejection(source())).message, "no");
  assert.deepEqual(await source(), { headers: {}, tls: {} });
});

Deno.test("a kubeconfig's user authenticates", async (test) => {
  const table: Readonly<Record<string, readonly [unknown, Readonly<Record<string, string>>]>> = {
    token: [{ token: "abc" }, { authorization: "Bearer abc" }],
    tokenFile: [{ tokenFile: "token" }, { authorization: "Bearer from-file" }],
    password: [{ username: "me", password: "pw" }, { authorization: `Basic ${btoa("me:pw")}` }],
    impersonation: [{ token: "abc", as: "you" }, {
      authorization: "Bearer abc",
      "impersonate-user": "you",
    }],
    nobody: [{}, {}],
  };
  for (const [name, [user, headers]] of Object.entries(table)) {
    await test.step(name, async () => {
      using directory = files({ config: kubeconfig(user), token: "from-file\n" });
      const cluster = await loadCluster({ kubeconfig: directory.path("config"), environment: {} });
      assert.equal(cluster.name, "one");
      assert.equal(cluster.namespace, "here");
      assert.deepEqual((await cluster.credentials()).headers, headers);
    });
  }
});

Deno.test("a kubeconfig's certificates are used, by file or in place", async () => {
  const { directory, ca, server: pair, client: { cert, key } } = makeCertificates();
  await using server = await stub([{ body: {} }], {
    tls: { ...pair, ca, requestCert: true, rejectUnauthorized: true },
  });
  const encode = (name: string) => readFileSync(join(directory, name)).toString("base64");
  const byFile = kubeconfig(
    { "client-certificate": "client.crt", "client-key": "client.key" },
    { server: server.url, cluster: { "certificate-authority": "ca.crt" } },
  );
  const inPlace = kubeconfig(
    { "client-certificate-data": encode("client.crt"), "client-key-data": encode("client.key") },
    {
      server: server.url,
      cluster: { "certificate-authority-data": encode("ca.crt"), "tls-server-name": "api.test" },
    },
  );
  for (const content of [byFile, inPlace]) {
    writeFileSync(join(directory, "config"), content);
    const cluster = await loadCluster({ kubeconfig: join(directory, "config") });
    const client = createClient(cluster);
    assert.equal((await client.request(get)).status, 200);
    const { tls } = await cluster.credentials();
    assert.deepEqual([tls.ca, tls.cert, tls.key], [ca, cert, key]);
    await client.close();
  }
  rmSync(directory, { recursive: true });
});

Deno.test("a credential command runs once, and again when its token is refused", async () => {
  await using server = await stub(({ headers }) =>
    headers.authorization === "Bearer 2" ? { body: {} } : status(401, "Unauthorized")
  );
  const user = { exec: { apiVersion: "client.authentication.k8s.io/v1", command: "./login" } };
  using directory = files({
    config: kubeconfig(user, { server: server.url }),
    login: `#!/bin/sh
cd "$(dirname "$0")"
echo "$KUBERNETES_EXEC_INFO" >> runs
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%d"}}' "$(wc -l < runs)"
`,
  });
  chmodSync(directory.path("login"), 0o755);
  const cluster = await loadCluster({ kubeconfig: directory.path("config") });
  const client = createClient(cluster);
  await client.request(get);
  await client.request(get);
  await client.close();
  assert.deepEqual(authorizations(server), ["Bearer 1", "Bearer 2", "Bearer 2"]);
  const runs = readFileSync(directory.path("runs"), "utf8").trim().split("\n");
  assert.equal(runs.length, 2);
  assert.deepEqual(JSON.parse(runs[0] ?? ""), {
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: { interactive: false },
  });
});

Deno.test("a credential command that fails is a configuration error with its words", async () => {
  const exec = { command: "sh", args: ["-c", "echo please log in >&2; exit 1"] };
  using directory = files({ config: kubeconfig({ exec }) });
  const client = createClient(await loadCluster({ kubeconfig: directory.path("config") }));
  const error = await rejection(client.request(get));
  await client.close();
  assert.ok(error instanceof ConfigError, String(error));
  assert.match(error.message, /user 'one' of context 'one': please log in: log in again/);
});

Deno.test("a credential command that hangs runs into the request's time limit", async () => {
  using directory = files({ config: kubeconfig({ exec: { command: "sleep", args: ["1"] } }) });
  const client = createClient(await loadCluster({ kubeconfig: directory.path("config") }));
  const started = performance.now();
  const error = await rejection(client.request({ ...get, timeoutMilliseconds: 200 }));
  assert.ok(performance.now() - started < 600);
  assert.match(error.message, /no answer within/);
  await client.close();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
});

Deno.test("a context is chosen by name, over several files", async () => {
  using directory = files({
    a: kubeconfig({ token: "a" }, { name: "a", server: "https://a.test/" }),
    b: kubeconfig({ token: "b" }, { name: "b", cluster: { "proxy-url": "http://proxy.test" } }),
  });
  const both = `${directory.path("a")}:${directory.path("b")}`;
  assert.equal((await loadCluster({ kubeconfig: both })).server, "https://a.test");
  const b = await loadCluster({ kubeconfig: both, context: "b" });
  assert.equal(b.name, "b");
  assert.equal(b.proxyUrl, "http://proxy.test");
  const named = await loadCluster({ context: "b", environment: { KUBECONFIG: both } });
  assert.equal(named.name, "b");
});

Deno.test("of several files the first definition of a name counts, and missing ones are passed over", async () => {
  using directory = files({
    a: JSON.stringify({
      contexts: [{ name: "one", context: { cluster: "shared", user: "me" } }],
      clusters: [{ name: "shared", cluster: { server: "https://first.test" } }],
      users: [{ name: "me", user: { token: "first" } }],
    }),
    b: JSON.stringify({
      "current-context": "one",
      contexts: [{ name: "one", context: { cluster: "other", user: "you" } }],
      clusters: [
        { name: "shared", cluster: { server: "https://second.test", "tls-server-name": "x" } },
        { name: "other", cluster: { server: "https://other.test" } },
      ],
      users: [{ name: "me", user: { token: "second", as: "admin" } }],
    }),
  });
  const [a, b, missing] = ["a", "b", "missing"].map(directory.path);
  const KUBECONFIG = `${missing}:${a}::${b}`;
  const options = { environment: { KUBECONFIG }, unnamed: "KUBECONFIG" } as const;
  for (const load of [options, { kubeconfig: KUBECONFIG }]) {
    const cluster = await loadCluster(load);
    assert.deepEqual([cluster.name, cluster.server], ["one", "https://first.test"]);
    assert.deepEqual(await cluster.credentials(), {
      headers: { authorization: "Bearer first" },
      tls: {},
    });
  }
  const none = await rejection(
    loadCluster({ environment: { KUBECONFIG: missing }, unnamed: "KUBECONFIG" }),
  );
  assert.ok(none instanceof ConfigError);
  assert.match(none.message, /^Cannot find a kubeconfig as none of these is there: .*missing/);
});

Deno.test("a context without a user is anonymous, and its server is verified by its CA", async () => {
  for (const context of [{ cluster: "one" }, { cluster: "one", user: "" }]) {
    using directory = files({
      config: JSON.stringify({
        "current-context": "one",
        contexts: [{ name: "one", context }],
        clusters: [{
          name: "one",
          cluster: { server: "https://a.test", "certificate-authority": "ca.crt" },
        }],
      }),
      "ca.crt": "CA",
    });
    const cluster = await loadCluster({ kubeconfig: directory.path("config") });
    assert.deepEqual(await cluster.credentials(), { headers: {}, tls: { ca: "CA" } });
  }
});

Deno.test("a credential command that asks for it is told its cluster, with paths of the file that names them", async () => {
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "./login",
    provideClusterInfo: true,
  };
  using logins = files({
    users: JSON.stringify({ users: [{ name: "one", user: { exec } }] }),
    login: `#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" > "$(dirname "$0")/info"
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'
`,
  });
  chmodSync(logins.path("login"), 0o755);
  using directory = files({
    config: JSON.stringify({
      "current-context": "one",
      contexts: [{ name: "one", context: { cluster: "one", user: "one" } }],
      clusters: [{
        name: "one",
        cluster: {
          server: "https://a.test",
          "certificate-authority": "ca.crt",
          "tls-server-name": "b.test",
          "proxy-url": "http://proxy.test",
          extensions: [{
            name: "client.authentication.k8s.io/exec",
            extension: { audience: "here" },
          }],
        },
      }],
    }),
    "ca.crt": "CA",
  });
  const kubeconfig = `${directory.path("config")}:${logins.path("users")}`;
  const { headers } = await (await loadCluster({ kubeconfig })).credentials();
  assert.deepEqual(headers, { authorization: "Bearer t" });
  assert.deepEqual(JSON.parse(readFileSync(logins.path("info"), "utf8")), {
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: {
      interactive: false,
      cluster: {
        server: "https://a.test",
        "tls-server-name": "b.test",
        "certificate-authority-data": btoa("CA"),
        "proxy-url": "http://proxy.test",
        config: { audience: "here" },
      },
    },
  });
});

Deno.test("what may stand for a name depends on the command", async () => {
  using home = files({});
  mkdirSync(home.path(".kube"));
  writeFileSync(home.path(".kube/config"), kubeconfig({}, { server: "https://home.test" }));
  using directory = files({ config: kubeconfig({}, { server: "https://variable.test" }) });
  const variable = { HOME: home.directory, KUBECONFIG: directory.path("config") };
  const serverOf = async (options: Parameters<typeof loadCluster>[0]) =>
    (await loadCluster(options).catch((error) => ({ server: String(error.name) }))).server;
  const environment = { HOME: home.directory };
  assert.deepEqual(
    await Promise.all([
      serverOf({ environment }),
      serverOf({ environment: variable }),
      serverOf({ environment, unnamed: "KUBECONFIG" }),
      serverOf({ environment: variable, unnamed: "KUBECONFIG" }),
      serverOf({ environment, unnamed: "CurrentContext" }),
      serverOf({ environment: variable, unnamed: "CurrentContext" }),
    ]),
    [
      "ConfigError",
      "ConfigError",
      "ConfigError",
      "https://variable.test",
      "https://home.test",
      "https://variable.test",
    ],
  );
});

Deno.test("a kubeconfig that cannot be used says why", async (test) => {
  const table: Readonly<Record<string, readonly [string, string | undefined, RegExp]>> = {
    "no such context": [
      kubeconfig({}),
      "two",
      /Cannot find context 'two' in .*: its contexts are 'one'$/,
    ],
    "no current context": [
      "{}",
      undefined,
      /Cannot choose a context .*: name one with --context, its contexts are none$/,
    ],
    "no YAML": ["a: [", undefined, /^Cannot use kubeconfig .*config: /],
    "no object": ["text", undefined, /^Cannot use kubeconfig .*: the file: /],
    "a token that is no text": [kubeconfig({ token: 5 }), undefined, /users\.0\.user\.token/],
    "impersonated groups": [
      kubeconfig({ "as-groups": ["a"] }),
      undefined,
      /user 'one' has as-groups, which is not supported/,
    ],
    "no server": [kubeconfig({}, { server: "" }), undefined, /server is missing/],
    "no http": [kubeconfig({}, { server: "ftp://a" }), undefined, /write an http: or https: URL/],
  };
  for (const [name, [content, context, message]] of Object.entries(table)) {
    await test.step(name, async () => {
      using directory = files({ config: content });
      const error = await rejection(loadCluster({ kubeconfig: directory.path("config"), context }));
      assert.ok(error instanceof ConfigError, String(error));
      assert.match(error.message, message);
    });
  }
  const missing = await rejection(loadCluster({ kubeconfig: join(tmpdir(), "no-such-file") }));
  assert.ok(missing instanceof ConfigError);
  assert.match(missing.message, /no-such-file/);
});
