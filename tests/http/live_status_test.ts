/** The status page's stream, as a browser and a client that goes away use it. */
import assert from "node:assert/strict";
import { StatusRenderer } from "../../src/http/rendered_status.ts";
import { serve } from "../../src/http/server.ts";
import { app, gatewayPlan, plan, snapshot } from "../support/http.ts";

const renderer = () => {
  const of = new StatusRenderer();
  let ticked = { plan: plan(), snapshot: snapshot() };
  return {
    status: () => of.render(ticked),
    tick: (message: string) =>
      ticked = {
        plan: plan({ gateways: [gatewayPlan("web", { message })] }),
        snapshot: snapshot(),
      },
  };
};

/** Reads events until one of that name comes, and gives its data. */
function reading(response: Response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async next(event: string): Promise<{ readonly id: string; readonly data: unknown }> {
      while (true) {
        const parts = text.split("\n\n");
        text = parts.pop() ?? "";
        for (const [index, part] of parts.entries()) {
          const fields = new Map(
            part.split("\n").map((line) => {
              const colon = line.indexOf(": ");
              return [line.slice(0, colon), line.slice(colon + 2)];
            }),
          );
          if (fields.get("event") !== event) continue;
          text = [...parts.slice(index + 1), text].join("\n\n");
          return { id: fields.get("id") ?? "", data: JSON.parse(fields.get("data") ?? "") };
        }
        const { value, done } = await reader?.read() ?? { value: undefined, done: true };
        if (done) throw new Error(`The stream ended before '${event}'`);
        text += value;
      }
    },
    close: () => reader?.cancel(),
  };
}

Deno.test("the stream sends what a page lacks, then only what changed, and the strip all the while", async () => {
  const world = renderer();
  const served = app({ status: world.status });
  const version = world.status().content().version;
  const known = reading(await served.request(`/events?version=${version}`));
  assert.match(String((await known.next("strip")).data), /^\s*<section id="strip"/);
  world.tick("node-a is better");
  const { id, data } = await known.next("blocks");
  assert.equal(id, world.status().content().version);
  const { blocks, order } = data as { blocks: { id: string; html: string }[]; order?: unknown };
  assert.deepEqual([blocks.map(({ id }) => id), order], [["gateway-web"], undefined]);
  assert.match(blocks[0]?.html ?? "", /node-a is better/);
  const unknown = reading(await served.request("/events?version=old"));
  const whole = (await unknown.next("blocks")).data as { blocks: { id: string }[] };
  assert.deepEqual(whole.blocks.map(({ id }) => id), ["gateway-web", "policy-shop"]);
  await known.close();
  await unknown.close();
});

Deno.test("pages of other sites and other hosts get no stream", async () => {
  const served = app();
  for (
    const headers of [{ "Sec-Fetch-Site": "cross-site" }, { Origin: "https://evil.example" }]
  ) {
    assert.equal((await served.request("/events", { headers })).status, 403);
  }
  assert.equal((await served.request("http://evil.example/events")).status, 403);
});

Deno.test("no more than 32 streams are open, and those of clients that went away make room", async () => {
  const stop = new AbortController();
  const server = await serve({
    app: app({ signal: stop.signal }),
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
  });
  const url = `http://127.0.0.1:${server.port}/events`;
  const open = async () => {
    const leave = new AbortController();
    const response = await fetch(url, { signal: leave.signal });
    return { response, leave };
  };
  const streams = await Promise.all(Array.from({ length: 32 }, open));
  assert.deepEqual(new Set(streams.map(({ response }) => response.status)), new Set([200]));
  const refused = await fetch(url);
  assert.deepEqual([refused.status, refused.headers.get("Retry-After")], [503, "5"]);
  await refused.body?.cancel();
  for (const { leave } of streams) leave.abort();
  let again = await open();
  for (let tries = 0; again.response.status !== 200 && tries < 50; tries++) {
    await again.response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 100));
    again = await open();
  }
  assert.equal(again.response.status, 200);
  // A stream keeps no server from closing: it ends with the server's signal, before the grace for answers is over.
  const begun = performance.now();
  stop.abort();
  await again.response.text();
  await server.closed;
  assert.ok(performance.now() - begun < 4_000, "The server waited for a stream");
});
