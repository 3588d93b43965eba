/**
 * Sends spans to an OpenTelemetry collector, by OTLP over HTTP as JSON. Where to, and with which headers, the library reads
 * from the standard variables (OTEL_EXPORTER_OTLP_*, OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME).
 *
 * Loaded only where these are set. Spans wait in a queue that drops what it cannot hold, and are sent beside the work: a
 * collector that is slow or gone costs spans, and nothing else.
 */
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { VERSION } from "../core/version.ts";
import type { Span, SpanContext } from "./span.ts";

export interface Exporter {
  export(spans: readonly Span[]): void;
  /** Sends what waits, and gives up after so long. Never throws. */
  close(): Promise<void>;
}

export interface ExporterOptions {
  /** As `sallyport-agent`; OTEL_SERVICE_NAME says it otherwise. */
  readonly service: string;
  /** The pod or the node. */
  readonly instance: string;
}

/** How long the end of a program may wait for a collector. */
const CLOSE_MILLISECONDS = 2_000;

/** From a span's end until it is sent. Ticks that write and steps of takeovers are rare, and somebody may be waiting for them. */
const DELAY_MILLISECONDS = 1_000;

/** Of @opentelemetry/api, whose enums are all that is needed of it. */
const INTERNAL = 0;
const SAMPLED = 1;
const UNSET = 0;
const ERROR = 2;

export function createExporter({ service, instance }: ExporterOptions): Exporter {
  const resource = resourceFromAttributes({
    "service.name": service,
    "service.version": VERSION,
    "service.instance.id": instance,
  }).merge(detectResources({ detectors: [envDetector] }));
  const processor = new BatchSpanProcessor({
    exporter: new OTLPTraceExporter(),
    scheduledDelayMillis: DELAY_MILLISECONDS,
  });
  return {
    export(spans) {
      for (const span of spans) processor.onEnd(readable(span, resource));
    },
    async close() {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, CLOSE_MILLISECONDS));
      await Promise.race([processor.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
    },
  };
}

function readable(span: Span, resource: ReadableSpan["resource"]): ReadableSpan {
  const { name, context, parent, links = [], beganAt, endedAt, attributes, error } = span;
  return {
    name,
    kind: INTERNAL,
    spanContext: () => contextOf(context),
    ...(parent === undefined ? {} : { parentSpanContext: contextOf(parent) }),
    startTime: timeOf(beganAt),
    endTime: timeOf(endedAt),
    duration: timeOf(endedAt - beganAt),
    status: error === undefined ? { code: UNSET } : { code: ERROR, message: error },
    attributes: Object.fromEntries(
      Object.entries(attributes).filter(([, value]) => value !== undefined),
    ),
    links: links.map((link) => ({ context: contextOf(link) })),
    events: [],
    ended: true,
    resource,
    instrumentationScope: { name: "sallyport", version: VERSION },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function contextOf(context: SpanContext) {
  return { ...context, traceFlags: SAMPLED };
}

/** Whole seconds, and the rest in nanoseconds. */
function timeOf(milliseconds: number): [number, number] {
  const nanoseconds = Math.round(milliseconds * 1e6);
  return [Math.floor(nanoseconds / 1e9), nanoseconds % 1e9];
}
