/** `sallyport status`: its formats, its colours, and what it says as things change. */
import assert from "node:assert/strict";
import { startDemoCluster } from "../../../src/demo/demo_cluster.ts";
import { fileURLToPath } from "node:url";
import { isColourful, paint } from "../../../src/cli/shared/paint.ts";
import { sallyport } from "../../support/cli.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

Deno.test("status prints one gateway with its policies, wide, by names, or by a JSONPath", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const on = async (...args: string[]) =>
    (await sallyport([...args, "--kubeconfig", cluster.kubeconfig])).stdout;
  await on("tick");
  assert.match(
    await on("status", "payments"),
    /^GATEWAY .*\npayments +True .*\n\nPOLICY .*\ncrawlers .*\ncrawlers .*\npayments-api .*\nsettlement .*\n$/,
  );
  assert.match(
    await on("status", "settlement", "-o", "wide"),
    /^POLICY .*DESTINATIONS +EXCLUDED +WHY\nsettlement .*203\.0\.113\.0\/24 .*Traffic leaves by /,
  );
  assert.equal(
    await on("status", "reports", "-o", "name"),
    "egressgateway.network.deckhouse.io/reports\n" +
      "egressgatewaypolicy.network.deckhouse.io/crawlers\n" +
      "egressgatewaypolicy.network.deckhouse.io/nightly-reports\n",
  );
  assert.equal(
    await on("status", "-o", "jsonpath={.gateways[*].activeNodeName}"),
    "egress-1 egress-4",
  );
  const unknown = await sallyport(["status", "nosuch", "--kubeconfig", cluster.kubeconfig]);
  assert.match(
    unknown.stderr,
    /^Cannot show 'nosuch' .*gateways payments, reports and policies crawlers, n/,
  );
  assert.equal(unknown.code, 2);
});

Deno.test("status --watch prints what changes, and ends when it is told to", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const on = (...args: string[]) => sallyport([...args, "--kubeconfig", cluster.kubeconfig]);
  await on("tick");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--quiet", `--config=${ROOT}deno.json`],
      ...[`${ROOT}src/cli/main.ts`, "status", "reports", "--watch"],
      ...["--kubeconfig", cluster.kubeconfig],
    ],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let said = "";
  const changed = Promise.withResolvers<void>();
  const read = (async () => {
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
      if (said === "") void on("move", "reports", "egress-2").then(() => on("tick"));
      said += part;
      if (/^reports +True +egress-2/m.test(said)) changed.resolve();
    }
  })();
  const late = setTimeout(() => changed.reject(new Error(`Not told: ${said}`)), 20_000);
  await changed.promise;
  clearTimeout(late);
  child.kill("SIGTERM");
  const { code } = await child.status;
  await read;
  assert.equal(code, 0);
  const files = await sallyport(["status", "--watch", "--from", "x.yaml"]);
  assert.match(files.stderr, /^Cannot watch files: give --watch with a cluster/);
});

Deno.test("colours are for a terminal alone, and for nobody who wants none", () => {
  assert.equal(isColourful({ isTTY: true }, {}), true);
  assert.equal(isColourful({}, {}), false);
  assert.equal(isColourful({ isTTY: true }, { NO_COLOR: "1" }), false);
  assert.equal(isColourful({ isTTY: true }, { NO_COLOR: "" }), true);
  assert.equal(isColourful({ isTTY: true }, { TERM: "dumb" }), false);
  assert.equal(paint("web   True   a\nplain"), "web   \x1b[32mTrue\x1b[39m   a\nplain");
});
