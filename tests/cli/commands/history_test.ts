/** `sallyport history`: what the status remembers of moves. */
import assert from "node:assert/strict";
import { startDemoCluster } from "../../../src/demo/demo_cluster.ts";
import { sallyport } from "../../support/cli.ts";

Deno.test("history lists the moves of a gateway, the latest first, and why", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const on = (...args: string[]) => sallyport([...args, "--kubeconfig", cluster.kubeconfig]);
  assert.equal((await on("history", "reports")).stdout, "No move of reports is known.\n");
  await on("tick");
  await on("move", "reports", "egress-2");
  await on("tick");
  const { code, stdout } = await on("history", "reports", "-o", "wide");
  assert.equal(code, 0);
  const [header = "", latest = "", first = ""] = stdout.split("\n");
  assert.match(header, /^TIME +TERM +FROM +TO +REASON +PLANNED +TOOK +OUTAGE +WHY$/);
  assert.match(latest, /^20\S+Z +2 +egress-4 +egress-2 +Moved +yes .*egress-2 is pinned/);
  assert.match(first, /^20\S+Z +1 +<none> +egress-4 +Elected +/);
  const paths = await on("history", "reports", "-o", "jsonpath={$[*].to}");
  assert.equal(paths.stdout, "egress-2 egress-4");
  const unknown = await on("history", "nosuch");
  assert.match(
    unknown.stderr,
    /^Cannot find EgressGateway 'nosuch' .*: there are payments, reports/,
  );
  assert.equal(unknown.code, 2);
});
