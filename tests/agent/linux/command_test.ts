import assert from "node:assert/strict";
import { CommandError, commandRunner } from "../../../src/agent/linux/command.ts";

const { run, follow } = commandRunner();

async function failure(promise: Promise<unknown>): Promise<CommandError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert(error instanceof CommandError, `expected a CommandError, got ${error}`);
  return error;
}

Deno.test("a program's output is what it printed, with its input given to it", async () => {
  assert.equal(await run(["cat"], { stdin: "add table\n" }), "add table\n");
});

Deno.test("a failed program is told with its exit code and first line of complaint", async () => {
  const error = await failure(run(["sh", "-c", "echo half; echo no such set >&2; exit 3"]));
  assert.equal(error.message, "Cannot run 'sh': exit code 3: no such set");
  assert.equal(error.exitCode, 3);
  assert.equal(error.stdout, "half\n");
});

Deno.test("a program that is not there is told with its cause", async () => {
  const error = await failure(run(["sallyport-no-such-program"]));
  assert.match(error.message, /^Cannot run 'sallyport-no-such-program': /);
  assert.equal(error.exitCode, undefined);
  assert(error.cause instanceof Error);
});

Deno.test("a program that runs too long is killed", async () => {
  const startedAt = performance.now();
  const error = await failure(run(["sleep", "30"], { timeoutMilliseconds: 50 }));
  assert.equal(error.message, "Cannot run 'sleep': still running after 50 ms");
  assert(performance.now() - startedAt < 3000);
});

Deno.test("an aborted program is killed and keeps the reason", async () => {
  const reason = new Error("leaving");
  const during = await failure(run(["sleep", "30"], { signal: AbortSignal.timeout(20) }));
  assert.match(during.message, /aborted$/);
  const before = await failure(run(["sleep", "30"], { signal: AbortSignal.abort(reason) }));
  assert.equal(before.cause, reason);
});

Deno.test("a program that does not read its input is judged by its exit code", async () => {
  assert.equal(await run(["true"], { stdin: "x".repeat(1 << 20) }), "");
});

Deno.test("a prefix is put before each program", async () => {
  const inside = commandRunner({ prefix: ["env", "WHERE=inside"] });
  assert.equal(await inside.run(["sh", "-c", "echo $WHERE"]), "inside\n");
});

Deno.test("lines are told while the program runs, and stopping it is no failure", async () => {
  const lines: string[] = [];
  const twoLines = Promise.withResolvers<void>();
  const program = follow(["sh", "-c", "echo one; echo two; exec sleep 30"], {
    onLine: (line) => {
      lines.push(line);
      if (lines.length === 2) twoLines.resolve();
    },
  });
  await program.started;
  await twoLines.promise;
  program.stop();
  await program.ended;
  assert.deepEqual(lines, ["one", "two"]);
});

Deno.test("a followed program that dies or cannot be started is an error", async () => {
  const died = follow(["sh", "-c", "echo broken >&2; kill -9 $$"], { onLine: () => {} });
  assert.match((await failure(died.ended)).message, /killed by SIGKILL: broken/);
  const absent = follow(["sallyport-no-such-program"], { onLine: () => {} });
  await failure(absent.started);
  await failure(absent.ended);
});
