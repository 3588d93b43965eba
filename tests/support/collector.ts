/** A real OpenTelemetry collector, built from its Go module by `tests/support/go/collector`, that hands on what it gets. */
import { fileURLToPath } from "node:url";
import { Hono } from "hono";
import * as v from "valibot";
import { serve } from "../../src/http/server.ts";
import { cached, cachePath, digest, exists } from "../../src/build/cache.ts";
import { goBuild, hasGo, say } from "../../src/build/go_build.ts";
import { freePort } from "./free_port.ts";
import { spawnGuarded } from "./guarded_process.ts";
import { eventually } from "./raw_api.ts";

const SOURCE = fileURLToPath(new URL("./go/collector", import.meta.url));
const SOURCE_FILES = ["go.mod", "go.sum", "main.go"];

const Attributes = v.pipe(
  v.optional(
    v.array(v.object({ key: v.string(), value: v.record(v.string(), v.unknown()) })),
    [],
  ),
  v.transform((all) =>
    Object.fromEntries(all.map(({ key, value }) => [key, Object.values(value)[0]]))
  ),
);

const Span = v.object({
  traceId: v.string(),
  spanId: v.string(),
  parentSpanId: v.optional(v.string(), ""),
  name: v.string(),
  startTimeUnixNano: v.pipe(v.string(), v.transform(Number)),
  endTimeUnixNano: v.pipe(v.string(), v.transform(Number)),
  attributes: Attributes,
  links: v.optional(v.array(v.object({ traceId: v.string() })), []),
  status: v.optional(v.object({ message: v.optional(v.string()) }), {}),
});

const Request = v.object({
  resourceSpans: v.array(v.object({
    resource: v.object({ attributes: Attributes }),
    scopeSpans: v.array(v.object({ spans: v.array(Span) })),
  })),
});

/** A span as it arrived, with whom it is from. */
export type ReceivedSpan = v.InferOutput<typeof Span> & {
  readonly resource: Readonly<Record<string, unknown>>;
};

export interface Collector extends AsyncDisposable {
  /** What OTEL_EXPORTER_OTLP_ENDPOINT says. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
}

/** Why there can be none on this machine, or null. Builds nothing. */
export function collector(): string | null {
  return hasGo() || exists(cachePath(entry())) ? null : "needs Go on PATH to build a collector";
}

/** Builds it when this machine has none yet: a minute of processor time. */
export async function startCollector(): Promise<Collector> {
  const program = await cached(entry(), build);
  const directory = await Deno.makeTempDir({ prefix: "sallyport-collector-" });
  const spans: ReceivedSpan[] = [];
  const app = new Hono();
  app.post("/v1/traces", async (c) => {
    const { resourceSpans } = v.parse(Request, await c.req.json());
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
        spans.push({ ...span, resource: resource.attributes });
      }
    }
    return c.json({});
  });
  const closing = new AbortController();
  const sink = await serve({ app, hostname: "127.0.0.1", port: 0, signal: closing.signal });
  const port = freePort();
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: {
      otlp_http: {
        endpoint: `http://127.0.0.1:${sink.port}`,
        encoding: "json",
        compression: "none",
      },
    },
    service: {
      pipelines: { traces: { receivers: ["otlp"], exporters: ["otlp_http"] } },
    },
  };
  const running = spawnGuarded({
    name: "the collector",
    argv: [program, `--config=yaml:${JSON.stringify(config)}`],
    log: `${directory}/log`,
    scratch: directory,
  });
  const end = async () => {
    await running.stop({ graceMilliseconds: 2_000 });
    closing.abort();
    await sink.closed;
    await Deno.remove(directory, { recursive: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await eventually("the collector listens", () =>
      fetch(url).then(async (response) => {
        await response.body?.cancel();
        return true;
      }, () => false), { timeoutMilliseconds: 15_000 });
  } catch (error) {
    const log = await Deno.readTextFile(`${directory}/log`).catch(() => "");
    await end();
    throw new Error(`Cannot start the collector: ${log}`, { cause: error });
  }
  return { url, spans, [Symbol.asyncDispose]: end };
}

function entry(): string {
  const texts = SOURCE_FILES.map((file) => Deno.readTextFileSync(`${SOURCE}/${file}`));
  return `collector-${digest(...texts)}`;
}

async function build(output: string): Promise<void> {
  say(
    "Building an OpenTelemetry collector for the tests, once for this machine: a minute of processor time",
  );
  await goBuild({
    name: "the collector",
    cwd: SOURCE,
    args: ["-ldflags=-s -w", "-o", output, "."],
  });
}
