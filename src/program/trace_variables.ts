/** The standard variables of OpenTelemetry that programs look at. */

/** Looked at by every program; none of them turns anything on by itself but the first two. */
export const TRACE_VARIABLES = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  "OTEL_EXPORTER_OTLP_CERTIFICATE",
  "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
  "OTEL_EXPORTER_OTLP_CLIENT_KEY",
  "OTEL_EXPORTER_OTLP_COMPRESSION",
  "OTEL_EXPORTER_OTLP_HEADERS",
  "OTEL_EXPORTER_OTLP_PROTOCOL",
  "OTEL_EXPORTER_OTLP_TIMEOUT",
  "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
  "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
  "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
  "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
  "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
  "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
  "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
  "OTEL_RESOURCE_ATTRIBUTES",
  "OTEL_SDK_DISABLED",
  "OTEL_SERVICE_NAME",
  "OTEL_TRACES_EXPORTER",
] as const;

type Variables = Readonly<Record<string, string | undefined>>;

/** Files that the variables name: certificates, and the key of ours. */
export function filesOfTraces(variables: Variables): readonly string[] {
  return TRACE_VARIABLES.filter((name) => /_(CERTIFICATE|KEY)$/.test(name))
    .flatMap((name) => variables[name] || []);
}

/** URL of the collector; undefined: nothing is traced. */
export function collectorOf(variables: Variables): string | undefined {
  if (variables["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return undefined;
  if (variables["OTEL_TRACES_EXPORTER"] === "none") return undefined;
  return variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ||
    variables["OTEL_EXPORTER_OTLP_ENDPOINT"] || undefined;
}
