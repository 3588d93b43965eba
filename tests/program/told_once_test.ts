/** Whatever is wrong and stays so is one line of each program's log, however often the program looks. */
import assert from "node:assert/strict";
import { stringify } from "yaml";
import { PATHS } from "../../src/cluster/resources.ts";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { createLogger, type Logger } from "../../src/program/log.ts";
import type { Program } from "../../src/program/run_program.ts";
import { tickJob } from "../../src/program/run_tick_job.ts";
import { controllerProgram } from "../../src/program/serve_controller.ts";
import { eventsProgram } from "../../src/program/serve_events.ts";
import { readSettings } from "../../src/program/settings.ts";
import { freePort } from "../support/free_port.ts";
import { eventually } from "../support/raw_api.ts";
import { status, stub } from "../support/stub_server.ts";

interface Line {
  readonly level: string;
  readonly message: string;
}

/** Looks that a program has to have had before its log is read. */
const LOOKS = 8;

interface Form {
  readonly program: Program;
  readonly variables: Readonly<Record<string, string>>;
  /** Makes it look again, where it does not by itself. */
  readonly trigger?: (port: number) => Promise<void>;
}

const FORMS: Readonly<Record<string, Form>> = {
  "the resident controller": { program: controllerProgram, variables: { SALLYPORT_EVERY: "50ms" } },
  "the CronJob": {
    program: tickJob,
    variables: { SALLYPORT_TICK_FOR: "60s", SALLYPORT_TICK_EVERY: "50ms" },
  },
  "the Knative form": {
    program: eventsProgram,
    variables: {},
    async trigger(port) {
      const response = await fetch(`http://127.0.0.1:${port}/`, {
        method: "POST",
        headers: {
          "ce-id": crypto.randomUUID(),
          "ce-type": "dev.knative.sources.ping",
          "ce-source": "/test",
          "ce-specversion": "1.0",
          "content-type": "application/json",
        },
        body: "{}",
      });
      await response.body?.cancel();
    },
  },
};

/** What the program logs until it has looked so often, by the debug line of each tick that ends, or by requests. */
async function logOf(
  { program, variables, trigger }: Form,
  { kubeconfig, looks }: { readonly kubeconfig: string; readonly looks: () => number },
): Promise<readonly Line[]> {
  const lines: Line[] = [];
  const logger: Logger = createLogger({
    format: "json",
    level: "info",
    write: (line) => lines.push(JSON.parse(line) as Line),
  });
  const port = freePort();
  const stop = new AbortController();
  const settings = readSettings(program.settings, {
    variables: {
      ...variables,
      SALLYPORT_KUBECONFIG: kubeconfig,
      SALLYPORT_PORT: String(port),
      PORT: String(port),
    },
  });
  const before = looks();
  const running = program.run(settings, { logger, signal: stop.signal }).catch(() => false);
  try {
    if (trigger !== undefined) {
      await eventually(
        "it listens",
        () => Promise.resolve(lines.some(({ message }) => message.startsWith("Listening"))),
      );
    }
    await eventually("it has looked often", async () => {
      await trigger?.(port);
      return looks() - before >= LOOKS;
    }, { timeoutMilliseconds: 30_000 });
  } finally {
    stop.abort();
    await running;
  }
  return lines;
}

for (const [name, form] of Object.entries(FORMS)) {
  Deno.test(`a name clash is one line in the log of ${name}`, async () => {
    await using cluster = await startDemoCluster({ onEvent: () => {} });
    const { client } = cluster;
    const clashing = "settlement";
    await client.request({
      method: "POST",
      path: PATHS.CiliumEgressGatewayPolicy,
      body: {
        apiVersion: "cilium.io/v2",
        kind: "CiliumEgressGatewayPolicy",
        metadata: { name: clashing },
        spec: {
          selectors: [],
          destinationCIDRs: ["192.0.2.0/24"],
          egressGateway: { nodeSelector: {} },
        },
      },
    });
    const since = performance.now();
    // The controller looks each 50 ms, the CronJob ticks as often; a Knative tick takes longer than that.
    const lines = await logOf(form, {
      kubeconfig: cluster.kubeconfig,
      looks: () => Math.floor((performance.now() - since) / 200),
    });
    const told = lines.filter(({ message }) =>
      message.includes(`'${clashing}' exists and is not ours`)
    );
    assert.deepEqual(told.map(({ level }) => level), ["warning"], JSON.stringify(lines));
  });

  Deno.test(`missing CRDs are no line twice in the log of ${name}`, async () => {
    await using api = await stub(() =>
      status(404, "NotFound", "the server could not find the requested resource")
    );
    const kubeconfig = await Deno.makeTempFile({ suffix: ".yaml" });
    try {
      await Deno.writeTextFile(
        kubeconfig,
        stringify({
          apiVersion: "v1",
          kind: "Config",
          "current-context": "stub",
          contexts: [{ name: "stub", context: { cluster: "stub", user: "stub" } }],
          clusters: [{ name: "stub", cluster: { server: api.url } }],
          users: [{ name: "stub", user: {} }],
        }),
      );
      const lines = await logOf(form, {
        kubeconfig,
        // At the least, of one look.
        looks: () => api.seen.length / 8,
      });
      const messages = lines.filter(({ level }) => level === "error").map(({ message }) => message);
      assert.ok(messages.length >= 1);
      assert.deepEqual(messages.toSorted(), [...new Set(messages)].sort());
    } finally {
      await Deno.remove(kubeconfig);
    }
  });
}
