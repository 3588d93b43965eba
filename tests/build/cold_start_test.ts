/** What only some installations use is loaded by those alone: a tick and an agent start without it. */
import assert from "node:assert/strict";
import { bundle } from "../../src/build/bundle.ts";

Deno.test("a tick and an agent start without the libraries of traces, notices and metrics", async () => {
  const outdir = await Deno.makeTempDir({ prefix: "sallyport-bundle-" });
  try {
    const entries = ["functions/agent.ts", "functions/tick.ts"];
    for (const { path, packages, lazyBytes } of await bundle({ entries, outdir })) {
      const names = packages.map(([name]) => name);
      assert.deepEqual(
        names.filter((name) => /opentelemetry|cloudevents|prom-client/.test(name)),
        [],
        path,
      );
      // They are there when they are needed.
      assert.ok(lazyBytes > 100_000, path);
    }
  } finally {
    await Deno.remove(outdir, { recursive: true });
  }
});
