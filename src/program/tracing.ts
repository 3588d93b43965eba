/** Traces, where the standard variables of OpenTelemetry say where to. */
import { hostname } from "node:os";
import process from "node:process";
import type { AgentEvent } from "../agent/agent_status.ts";
import type { TickResult } from "../controller/tick.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Logger } from "./log.ts";
import { collectorOf } from "./trace_variables.ts";

export interface ControllerTraces {
  /** The client to tick with. */
  readonly client: KubeClient;
  tick(result: TickResult): void;
  failed(error: Error, durationMilliseconds: number | undefined): void;
  close(): Promise<void>;
}

/** Of the client that is given, or nothing at all. */
export async function traceController(
  client: KubeClient,
  logger: Logger,
): Promise<ControllerTraces> {
  if (!isWanted(logger)) {
    return { client, tick: () => {}, failed: () => {}, close: () => Promise.resolve() };
  }
  const [{ createExporter }, { TickSpans }, { timeRequests }] = await Promise.all([
    import("../trace/exporter.ts"),
    import("../trace/tick_spans.ts"),
    import("../trace/requests.ts"),
  ]);
  const exporter = createExporter({ service: "sallyport-controller", instance: hostname() });
  const spans = new TickSpans();
  const times = timeRequests(client);
  return {
    client: times.client,
    tick: (result) =>
      exporter.export(spans.of(result, { requests: times.take(), endedAt: Date.now() })),
    failed(error, durationMilliseconds) {
      times.take();
      if (durationMilliseconds === undefined) return;
      exporter.export([spans.failed(error, { endedAt: Date.now(), durationMilliseconds })]);
    },
    close: () => exporter.close(),
  };
}

export interface AgentTraces {
  event(event: AgentEvent): void;
  close(): Promise<void>;
}

export async function traceAgent(node: string, logger: Logger): Promise<AgentTraces> {
  if (!isWanted(logger)) return { event: () => {}, close: () => Promise.resolve() };
  const [{ createExporter }, { agentSpan }] = await Promise.all([
    import("../trace/exporter.ts"),
    import("../trace/agent_spans.ts"),
  ]);
  const exporter = createExporter({ service: "sallyport-agent", instance: node });
  return {
    event(event) {
      const span = agentSpan(event, { node, endedAt: Date.now() });
      if (span !== undefined) exporter.export([span]);
    },
    close: () => exporter.close(),
  };
}

/** We speak OTLP over HTTP; a collector's port for gRPC would refuse that without a word. */
function isWanted(logger: Logger): boolean {
  const variables = process.env;
  if (collectorOf(variables) === undefined) return false;
  const protocol = variables["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] ||
    variables["OTEL_EXPORTER_OTLP_PROTOCOL"] || "";
  if (!protocol.startsWith("grpc")) return true;
  logger.warn("{message}", {
    message:
      "Cannot send traces by OTEL_EXPORTER_OTLP_PROTOCOL=grpc: write http/json, and the collector's port for HTTP",
  });
  return false;
}
