import assert from "node:assert/strict";
import { Ticker, type TickRequest, TooManyTriggersError } from "../../src/controller/ticker.ts";

/** A ticker whose ticks end when the test says so; each yields its number. */
function controlled(options: { readonly maxWaiting?: number } = {}) {
  const started: { readonly request: TickRequest; readonly end: (error?: Error) => void }[] = [];
  const ticker = new Ticker<number>((request) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const number = started.length + 1;
    started.push({ request, end: (error) => error ? reject(error) : resolve(number) });
    return promise;
  }, { ...options, now: () => 1000 });
  return { ticker, started };
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("triggers while a tick runs share one following tick", async () => {
  const { ticker, started } = controlled();
  const first = ticker.trigger();
  await turn();
  const later = [ticker.trigger(), ticker.trigger(), ticker.trigger()];
  await turn();
  assert.equal(started.length, 1);
  assert.equal(ticker.waiting, 3);
  started[0]?.end();
  assert.equal(await first, 1);
  await turn();
  assert.equal(started.length, 2);
  started[1]?.end();
  assert.deepEqual(await Promise.all(later), [2, 2, 2]);
  await ticker.idle();
  assert.equal(started.length, 2);
});

Deno.test("a trigger during the following tick gets another one", async () => {
  const { ticker, started } = controlled();
  const results = [ticker.trigger()];
  await turn();
  results.push(ticker.trigger());
  started[0]?.end();
  await turn();
  results.push(ticker.trigger());
  started[1]?.end();
  await turn();
  started[2]?.end();
  assert.deepEqual(await Promise.all(results), [1, 2, 3]);
});

Deno.test("a dry run never rides on a tick that writes, nor the other way round", async () => {
  const { ticker, started } = controlled();
  const results = [ticker.trigger()];
  await turn();
  results.push(
    ticker.trigger({ dryRun: true }),
    ticker.trigger(),
    ticker.trigger({ dryRun: true }),
  );
  for (let index = 0; index < 3; index++) {
    started[index]?.end();
    await turn();
  }
  assert.deepEqual(started.map(({ request }) => request.dryRun), [false, false, true]);
  assert.deepEqual(await Promise.all(results), [1, 3, 2, 3]);
});

Deno.test("a failed tick is told to those who waited for it, and the next one runs", async () => {
  const { ticker, started } = controlled();
  const first = ticker.trigger();
  await turn();
  const second = ticker.trigger();
  started[0]?.end(new Error("list failed"));
  await assert.rejects(first, /list failed/);
  assert.deepEqual(ticker.last, { finishedAt: 1000, error: "list failed" });
  started[1]?.end();
  assert.equal(await second, 2);
  assert.deepEqual(ticker.last, { finishedAt: 1000 });
});

Deno.test("a dry run says nothing about readiness", async () => {
  const { ticker, started } = controlled();
  const dry = ticker.trigger({ dryRun: true });
  await turn();
  started[0]?.end();
  await dry;
  assert.equal(ticker.last, undefined);
});

Deno.test("a trigger too many is refused and the others are served", async () => {
  const { ticker, started } = controlled({ maxWaiting: 2 });
  const served = [ticker.trigger()];
  await turn();
  served.push(ticker.trigger(), ticker.trigger());
  await assert.rejects(ticker.trigger(), TooManyTriggersError);
  started[0]?.end();
  await turn();
  started[1]?.end();
  assert.deepEqual(await Promise.all(served), [1, 2, 2]);
});

Deno.test("a tick that throws before it returns a promise is a failed tick", async () => {
  const ticker = new Ticker<number>(() => {
    throw new Error("no kubeconfig");
  });
  await assert.rejects(ticker.trigger(), /no kubeconfig/);
  await assert.rejects(ticker.trigger(), /no kubeconfig/);
});
