/** Which variables turn traces on, and where they then may go. */
import assert from "node:assert/strict";
import { permissionFlags } from "../../src/program/permissions.ts";
import { collectorOf, filesOfTraces } from "../../src/program/trace_variables.ts";

const URL = "http://collector:4318";

const ROWS: readonly (readonly [
  variables: Readonly<Record<string, string>>,
  collector: string | undefined,
])[] = [
  [{}, undefined],
  [{ OTEL_SERVICE_NAME: "x" }, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "" }, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: URL }, URL],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${URL}/v1/traces` }, `${URL}/v1/traces`],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: URL, OTEL_SDK_DISABLED: "true" }, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: URL, OTEL_TRACES_EXPORTER: "none" }, undefined],
];

for (const [variables, collector] of ROWS) {
  Deno.test(`with ${JSON.stringify(variables)} traces go to ${collector ?? "nobody"}`, () => {
    assert.equal(collectorOf(variables), collector);
  });
}

Deno.test("a function may reach the collector and read its certificates, and nothing that is no address", () => {
  const flags = (collector: string) =>
    permissionFlags({}, {
      cluster: { server: "https://api:6443" },
      clusterFiles: [],
      collector,
      collectorFiles: filesOfTraces({ OTEL_EXPORTER_OTLP_CERTIFICATE: "/ca.pem" }),
    });
  assert.deepEqual(flags(URL), ["--allow-net=api:6443,collector:4318", "--allow-read=/ca.pem"]);
  assert.deepEqual(flags("collector"), ["--allow-net=api:6443", "--allow-read=/ca.pem"]);
});
