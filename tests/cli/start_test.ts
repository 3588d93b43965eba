/** `deno task tick` and its like, as a person runs them. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { PATHS } from "../../src/cluster/resources.ts";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

async function task(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", `--config=${ROOT}deno.json`, ...args],
    env: { NO_COLOR: "1", ...env },
  }).output();
  return { code, said: new TextDecoder().decode(stderr) };
}

Deno.test("a task runs its function on the cluster that is named, with flags of its own", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const { code, said } = await task(["tick", "--log-format", "text"], {
    SALLYPORT_KUBECONFIG: cluster.kubeconfig,
  });
  assert.equal(code, 0, said);
  assert.match(said, /^\S+Z info +Elect \S+ \S+ is the best-ranked eligible node/m);
  const { body } = await cluster.client.request({ method: "GET", path: PATHS.Event });
  assert.notEqual((body as { items: readonly unknown[] }).items.length, 0);
});

Deno.test("a task says what is wrong with its settings, and exits with 2", async () => {
  const { code, said } = await task(["tick", "--kubeconfig", "/nonexistent"]);
  assert.equal(code, 2);
  assert.match(said, /\/nonexistent/);
  const { code: other, said: wrong } = await task(["serve", "--port", "http"]);
  assert.equal(other, 2);
  assert.equal(wrong, "Cannot use --port 'http': write a port from 0 to 65535\n");
});
