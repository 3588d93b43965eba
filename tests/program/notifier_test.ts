/** Notices of moves, posted to a real HTTP server. */
import assert from "node:assert/strict";
import { CloudEvent, HTTP } from "cloudevents";
import { PATHS } from "../../src/cluster/resources.ts";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { createLogger } from "../../src/program/log.ts";
import { createNotifier, type Notifier, type NotifierOptions } from "../../src/program/notifier.ts";
import { controllerProgram } from "../../src/program/serve_controller.ts";
import { readSettings } from "../../src/program/settings.ts";
import { gateway, gatewayPlan, plan } from "../support/http.ts";
import { freePort } from "../support/free_port.ts";
import { eventually } from "../support/raw_api.ts";
import { type Reply, type Seen, type Stub, stub } from "../support/stub_server.ts";

type Ticked = Parameters<Notifier["tick"]>[0];

const MOVE = {
  term: 4,
  time: "2026-11-26T11:59:59.000Z",
  from: "node-a",
  to: "node-b",
  reason: "FailedOver",
  message: "node-a is gone",
  planned: false,
} as const;

/** A tick that wrote the begin of a move of each of these gateways. */
function ticked(names: readonly string[], result: "written" | "conflict" = "written"): Ticked {
  return {
    plan: plan({ gateways: names.map((name) => gatewayPlan(name, { term: 4, move: MOVE })) }),
    snapshot: { gateways: names.map((name) => gateway(name, { status: { term: 3 } })) },
    results: names.map((name) => ({
      change: {
        action: "patch",
        kind: "EgressGateway",
        name,
        subresource: "status",
        body: {},
        group: name,
        stage: 0,
      },
      result,
    })),
  };
}

function eventIn({ headers, body }: Pick<Seen, "headers" | "body">): CloudEvent<unknown> {
  const event = HTTP.toEvent({ headers, body });
  assert.ok(event instanceof CloudEvent);
  return event;
}

/** Sends what these gateways' moves are worth to a server that answers so. */
async function send(
  replies: readonly Reply[],
  body: (notifier: Notifier, sink: Stub, failures: readonly string[]) => Promise<void>,
  options: Partial<NotifierOptions> = {},
): Promise<void> {
  await using sink = await stub(replies);
  const failures: string[] = [];
  const notifier = createNotifier({
    url: `${sink.url}/hooks/s3cret`,
    onFailure: ({ message }) => failures.push(message.replace(sink.url, "SINK")),
    pausesMilliseconds: [1, 1],
    ...options,
  });
  await body(notifier, sink, failures);
}

Deno.test("a move that is begun is one CloudEvent, with what the status notes of it", async () => {
  await send([{}], async (notifier, sink, failures) => {
    notifier.tick(ticked(["web"]));
    await notifier.close();
    assert.deepEqual(failures, []);
    assert.equal(sink.seen.length, 1);
    const [seen] = sink.seen;
    assert.ok(seen);
    assert.equal(seen.method, "POST");
    assert.match(seen.headers["content-type"] ?? "", /^application\/cloudevents\+json/);
    const { id, type, source, subject, time, data } = eventIn(seen);
    assert.deepEqual({ id, type, source, subject, time, data }, {
      id: "uid-web/4/begun",
      type: "network.deckhouse.io.egressgateway.move.begun",
      source: "/apis/network.deckhouse.io/v1alpha1/egressgateways/web",
      subject: "web",
      time: MOVE.time,
      data: { gateway: "web", egressIPs: ["172.18.18.242"], ...MOVE },
    });
  });
});

Deno.test("a move that another controller wrote is not told", async () => {
  await send([{}], async (notifier, sink) => {
    notifier.tick(ticked(["web"], "conflict"));
    await notifier.close();
    assert.equal(sink.seen.length, 0);
  });
});

const RETRIED: readonly (readonly [name: string, replies: readonly Reply[]])[] = [
  ["an error of the server", [{ status: 503 }, { status: 500 }, {}]],
  ["too many requests", [{ status: 429 }, {}]],
  ["no answer", [{ fault: "hang" }, {}]],
];

for (const [name, replies] of RETRIED) {
  Deno.test(`after ${name} the same event is sent again`, async () => {
    await send(replies, async (notifier, sink, failures) => {
      notifier.tick(ticked(["web"]));
      await notifier.close();
      assert.deepEqual(
        sink.seen.map((seen) => eventIn(seen).id),
        replies.map(() => "uid-web/4/begun"),
      );
      assert.deepEqual(failures, []);
    }, { timeoutMilliseconds: 200 });
  });
}

Deno.test("what is refused is not sent again, and the next notice is", async () => {
  await send([{ status: 403 }, {}], async (notifier, sink, failures) => {
    notifier.tick(ticked(["mail", "web"]));
    await notifier.close();
    assert.deepEqual(sink.seen.map((seen) => eventIn(seen).subject), ["mail", "web"]);
    assert.deepEqual(failures, [
      "Cannot send notice to SINK that a move of mail has begun: it answers 403",
    ]);
  });
});

Deno.test("tries are counted, and no word of the failure holds the secret of the URL", async () => {
  await send([{ status: 500 }], async (notifier, sink, failures) => {
    notifier.tick(ticked(["web"]));
    await notifier.close();
    assert.equal(sink.seen.length, 3);
    assert.deepEqual(failures, [
      "Cannot send notice to SINK that a move of web has begun: it answers 500",
    ]);
  });
  const failures: string[] = [];
  const dead = createNotifier({
    url: `http://127.0.0.1:${freePort()}/hooks/s3cret`,
    onFailure: ({ message }) => failures.push(message),
    pausesMilliseconds: [],
  });
  dead.tick(ticked(["web"]));
  await dead.close();
  assert.equal(failures.length, 1);
  assert.doesNotMatch(failures.join(), /s3cret/);
});

Deno.test("a sink that hangs keeps a hundred notices at most, and the end of a program for so long", async () => {
  await send([{ fault: "hang" }], async (notifier, sink, failures) => {
    for (let n = 0; n < 150; n++) notifier.tick(ticked([`g${n}`]));
    // No tick has waited: nothing was even sent yet.
    assert.equal(sink.seen.length, 0);
    assert.equal(failures.filter((words) => words.endsWith("too many wait")).length, 49);
    await notifier.close();
    assert.equal(failures.length, 150);
  }, { closeMilliseconds: 50 });
});

/** Moves the demo's gateway while so many controllers run; what the sink was sent. */
async function moveUnder(
  count: number,
  sink: Stub,
  isTold: (term: number) => boolean,
): Promise<{ readonly term: number }> {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const stop = new AbortController();
  const logger = createLogger({ format: "text", level: "error", write: () => {} });
  const controllers = Array.from({ length: count }, () =>
    controllerProgram.run(
      readSettings(controllerProgram.settings, {
        variables: {
          SALLYPORT_KUBECONFIG: cluster.kubeconfig,
          SALLYPORT_PORT: String(freePort()),
          SALLYPORT_NOTICE_URL: `${sink.url}/moves`,
        },
      }),
      { logger, signal: stop.signal },
    ));
  const status = async () => {
    const path = `${PATHS.EgressGateway}/payments`;
    const { body } = await cluster.client.request({ method: "GET", path });
    return (body as {
      status?: { term?: number; phase?: string; readyNodes?: number; activeNodeName?: string };
    }).status ?? {};
  };
  try {
    await eventually("it is served, and others stand by", async () => {
      const { phase, readyNodes = 0 } = await status();
      return phase === "Active" && readyNodes > 2;
    }, { timeoutMilliseconds: 20_000 });
    const before = await status();
    await cluster.client.request({
      method: "PATCH",
      path: `${PATHS.Node}/${before.activeNodeName}`,
      contentType: "application/merge-patch+json",
      body: { spec: { unschedulable: true } },
    });
    await eventually("it has moved", async () => {
      const { phase, term = 0 } = await status();
      return phase === "Active" && term > (before.term ?? 0);
    }, { timeoutMilliseconds: 20_000 });
    const { term = 0 } = await status();
    // A controller that is told to stop right after its write does not know that it won.
    await eventually("a controller has told it", () => Promise.resolve(isTold(term)));
    return { term };
  } finally {
    stop.abort();
    await Promise.all(controllers);
  }
}

Deno.test("of two controllers one tells of a move, when it begins and when it is finished", async () => {
  await using sink = await stub([{}]);
  const ends = (term: number) => ({ body }: Seen) => body.includes(`/${term}/finished"`);
  const { term } = await moveUnder(2, sink, (term) => sink.seen.some(ends(term)));
  const told = sink.seen.map(eventIn).filter(({ subject }) => subject === "payments")
    .filter(({ id }) => id.includes(`/${term}/`));
  assert.deepEqual(told.map(({ type }) => type.split(".").at(-1)).sort(), ["begun", "finished"]);
  const [finished] = told.filter(({ type }) => type.endsWith("finished"));
  const { durationMilliseconds } = finished?.data as { readonly durationMilliseconds: unknown };
  assert.equal(typeof durationMilliseconds, "number");
});

Deno.test("a gateway moves though nobody takes the notices", async () => {
  await using sink = await stub([{ fault: "hang" }]);
  assert.ok((await moveUnder(1, sink, () => sink.seen.length > 0)).term >= 2);
  assert.ok(sink.seen.length >= 1);
});
