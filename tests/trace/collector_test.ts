/** A takeover's spans, of a controller that runs as a process and of agents, seen arriving in a real collector. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { collector, type ReceivedSpan, startCollector } from "../support/collector.ts";
import { freePort } from "../support/free_port.ts";
import { testWith } from "../support/needs.ts";
import { eventually } from "../support/raw_api.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { decodeGateway } from "../../src/cluster/decoders/kinds.ts";
import type { Gateway } from "../../src/core/types.ts";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { createLogger } from "../../src/program/log.ts";
import { type AgentTraces, traceAgent } from "../../src/program/tracing.ts";
import { takeoverContext } from "../../src/trace/ids.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface World {
  readonly gateway: () => Promise<Gateway>;
  readonly cordon: (node: string) => Promise<void>;
  readonly cutPower: (node: string) => void;
  readonly spans: readonly ReceivedSpan[];
}

/** With the same variables in the environment, agents of the demo in this process, and a controller in one of its own. */
function test(name: string, body: (world: World) => Promise<void>): void {
  testWith([collector], name, async () => {
    await using collecting = await startCollector();
    Deno.env.set("OTEL_EXPORTER_OTLP_ENDPOINT", collecting.url);
    const logger = createLogger({ format: "text", level: "error", write: () => {} });
    const agents = new Map<string, AgentTraces>();
    await using cluster = await startDemoCluster({
      onEvent: () => {},
      onAgentEvent: (node, event) => agents.get(node)?.event(event),
    });
    for (const node of cluster.nodes) agents.set(node.name, await traceAgent(node.name, logger));
    const controller = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        `--config=${ROOT}deno.json`,
        `${ROOT}src/cli/start.ts`,
        "server",
      ],
      env: {
        SALLYPORT_KUBECONFIG: cluster.kubeconfig,
        SALLYPORT_PORT: String(freePort()),
        SALLYPORT_LOG_LEVEL: "error",
        OTEL_EXPORTER_OTLP_ENDPOINT: collecting.url,
        OTEL_RESOURCE_ATTRIBUTES: "k8s.cluster.name=demo",
      },
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const gateway = async () => {
      const { body } = await cluster.client.request({
        method: "GET",
        path: `${PATHS.EgressGateway}/payments`,
      });
      const decoded = decodeGateway(body);
      assert.ok("object" in decoded);
      return decoded.object;
    };
    let stopped = false;
    const stop = async () => {
      if (stopped) return;
      stopped = true;
      controller.kill("SIGTERM");
      await controller.status;
      // What they have not sent yet.
      await Promise.all([...agents.values()].map((traces) => traces.close()));
    };
    try {
      await eventually("the gateway has a holder and standbys", async () => {
        const { status } = await gateway();
        return status.phase === "Active" && (status.readyNodes ?? 0) >= 3;
      }, { timeoutMilliseconds: 30_000 });
      await body({
        gateway,
        async cordon(node) {
          await cluster.client.request({
            method: "PATCH",
            path: `${PATHS.Node}/${node}`,
            contentType: "application/merge-patch+json",
            body: { spec: { unschedulable: true } },
          });
        },
        cutPower(node) {
          const found = cluster.nodes.find(({ name }) => name === node);
          assert.ok(found);
          found.fail();
        },
        get spans() {
          return collecting.spans;
        },
      });
      await stop();
    } finally {
      await stop();
      Deno.env.delete("OTEL_EXPORTER_OTLP_ENDPOINT");
    }
  });
}

/** Waits for the end of a move, and for its trace. */
async function traceOfMove(
  { gateway, spans }: World,
  before: Gateway,
  expected: readonly string[],
): Promise<readonly ReceivedSpan[]> {
  await eventually("the gateway has moved", async () => {
    const { status } = await gateway();
    return status.phase === "Active" && (status.term ?? 0) > (before.status.term ?? 0);
  }, { timeoutMilliseconds: 30_000 });
  const { uid, status } = await gateway();
  const { traceId } = takeoverContext({ uid, term: status.term ?? 0 });
  const trace = () => spans.filter((span) => span.traceId === traceId);
  await eventually(`its trace has ${expected.join(", ")}`, () => {
    const names = new Set(
      trace().map(({ name, resource }) => `${resource["service.name"]}: ${name}`),
    );
    return Promise.resolve(expected.every((name) => names.has(name)));
  }, { timeoutMilliseconds: 20_000 }).catch((error) => {
    const arrived = trace().map(({ name, resource }) => `${resource["service.name"]}: ${name}`);
    throw new Error(`${error.message}; arrived: ${arrived.join(", ")}`);
  });
  return trace();
}

function assertOneTree(trace: readonly ReceivedSpan[]): void {
  const [root, ...others] = trace.filter(({ parentSpanId }) => parentSpanId === "");
  assert.deepEqual(others, []);
  assert.equal(root?.name, "takeover");
  for (const span of trace) {
    if (span !== root) assert.equal(span.parentSpanId, root.spanId, span.name);
    assert.ok(span.endTimeUnixNano >= span.startTimeUnixNano, span.name);
    assert.equal(span.attributes["sallyport.gateway"], "payments", span.name);
  }
}

test("a planned move is one trace of controller and agents, and so is each tick that wrote of it", async (world) => {
  const before = await world.gateway();
  const holder = before.status.activeNodeName ?? "";
  await world.cordon(holder);
  const trace = await traceOfMove(world, before, [
    "sallyport-agent: mute",
    "sallyport-agent: claim",
    "sallyport-agent: speak",
    "sallyport-agent: announce",
    "sallyport-controller: takeover",
    "sallyport-controller: decide",
    "sallyport-controller: see it bound",
    "sallyport-controller: see it released",
    "sallyport-controller: write policies",
    "sallyport-controller: activate",
  ]);
  assertOneTree(trace);
  const named = (name: string) => {
    const span = trace.find((each) => each.name === name);
    assert.ok(span, name);
    return span;
  };
  assert.equal(named("mute").attributes["sallyport.node"], holder);
  assert.equal(named("decide").attributes["sallyport.planned"], true);
  assert.ok(named("mute").endTimeUnixNano <= named("speak").endTimeUnixNano);
  assert.ok(named("decide").endTimeUnixNano <= named("activate").endTimeUnixNano);
  const { resource } = named("takeover");
  assert.equal(resource["k8s.cluster.name"], "demo");
  const ticks = world.spans.filter(({ name, links }) =>
    name === "tick" && links.some(({ traceId }) => traceId === named("takeover").traceId)
  );
  assert.ok(ticks.length >= 1);
  for (const tick of ticks) {
    const parts = world.spans.filter(({ parentSpanId }) => parentSpanId === tick.spanId);
    assert.deepEqual(parts.map(({ name }) => name).filter((name) => name !== "apply"), [
      "observe",
      "decide",
    ]);
  }
});

test("the takeover from a node without power has its fence in the trace", async (world) => {
  const before = await world.gateway();
  const holder = before.status.activeNodeName ?? "";
  world.cutPower(holder);
  const trace = await traceOfMove(world, before, [
    "sallyport-controller: fence",
    "sallyport-controller: takeover",
    "sallyport-agent: speak",
  ]);
  assertOneTree(trace);
  const fence = trace.find(({ name }) => name === "fence");
  assert.equal(fence?.attributes["sallyport.node"], holder);
  assert.equal(
    trace.find(({ name }) => name === "takeover")?.attributes["sallyport.planned"],
    false,
  );
});
