/** The status page's stream, as a browser and a client that goes away use it. */
import assert from "node:assert/strict";
import { StatusRenderer } from "../../src/http/rendered_status.ts";
import { serve } from "../../src/http/server.ts";
import { app, gatewayPlan, plan, snapshot } from "../support/http.ts";
import { VirtualTime } from "../support/virtual_time.ts";

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
    /** All events until it ends, with what they cost on the wire. */
    async rest(): Promise<readonly { event: string; bytes: number }[]> {
      for (let end = false; !end;) {
        const { value, done } = await reader?.read() ?? { value: undefined, done: true };
        text += value ?? "";
        end = done;
      }
      return text.split("\n\n").slice(0, -1).map((part) => ({
        event: /^event: (.*)$/m.exec(part)?.[1] ?? "",
        bytes: part.length + 2,
      }));
    },
    close: () => reader?.cancel(),
  };
}

Deno.test("the stream sends what a page lacks, then only what changed, and the verdict", async () => {
  const world = renderer();
  const time = new VirtualTime();
  const served = app({ status: world.status, sleep: time.sleep });
  const version = world.status().content().version;
  const known = reading(await served.request(`/events?version=${version}`));
  const { level, verdict } = (await known.next("verdict")).data as Record<string, string>;
  assert.equal(level, "busy");
  assert.match(verdict ?? "", /^<li class="busy"><strong>Look<.strong> No tick has ended yet/);
  world.tick("node-a is better");
  await time.pass(500);
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

Deno.test("at rest a stream only says each 2 s that it lives, and what time it is", async () => {
  const world = renderer();
  const time = new VirtualTime();
  const stop = new AbortController();
  const served = app({ status: world.status, sleep: time.sleep, signal: stop.signal });
  const version = world.status().content().version;
  const stream = reading(await served.request(`/events?version=${version}`));
  await stream.next("pulse");
  const rest = stream.rest();
  for (let looks = 0; looks < 120; looks++) await time.pass(500);
  stop.abort();
  const said = await rest;
  assert.deepEqual(new Set(said.map(({ event }) => event)), new Set(["pulse"]));
  assert.equal(said.length, 30);
  // What `docs/status-page.md` says: 50 bytes a second.
  assert.ok(said.every(({ bytes }) => bytes <= 100), JSON.stringify(said[0]));
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

Deno.test("no more than 32 streams are open, and after 15 min they make room, read or not", async () => {
  const time = new VirtualTime();
  const served = app({ sleep: time.sleep });
  const open = async () => await served.request("/events");
  const streams = await Promise.all(Array.from({ length: 32 }, open));
  assert.deepEqual(new Set(streams.map(({ status }) => status)), new Set([200]));
  const refused = await open();
  assert.deepEqual([refused.status, refused.headers.get("Retry-After")], [503, "5"]);
  await time.pass(15 * 60_000 - 1);
  assert.equal((await open()).status, 503);
  await time.pass(1);
  assert.equal((await open()).status, 200);
  for (const { body } of streams) await body?.cancel();
});

Deno.test("streams of clients that went away make room, and streams keep no server from closing", async () => {
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
  for (const { leave } of streams) leave.abort();
  const again = await eventually(async () => {
    const { response } = await open();
    if (response.status === 200) return response;
    await response.body?.cancel();
    return undefined;
  });
  stop.abort();
  // Ended, not cut off: that would be an error, once the grace for answers is over.
  await again.text();
  await server.closed;
});

/** Tries each 100 ms for 10 s. */
async function eventually<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 100; tries++) {
    const found = await attempt();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("It does not come about within 10 s");
}
