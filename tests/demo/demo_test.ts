/** `npm start` as a person meets it: a process with a cluster of its own. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import type { ReadStream } from "node:tty";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { runDemo } from "../../src/demo/demo.ts";
import { createScreen } from "../../src/demo/screen.ts";
import { Script } from "../../src/demo/script.ts";
import type { DemoView } from "../../src/demo/view.ts";
import type { StatusView } from "../../src/http/status_view.ts";
import { serve } from "../../src/http/server.ts";
import { app } from "../support/http.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

function start(entry: "demo" | "main", args: readonly string[], env: Record<string, string> = {}) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", `src/cli/${entry}.ts`, ...args],
    cwd: ROOT,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(entry: "demo" | "main", args: readonly string[]) {
  const { code, stdout, stderr } = await start(entry, args).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Collects what a stream says; `until` waits for a text in it. */
function listen(stream: ReadableStream<Uint8Array>) {
  let text = "";
  const waiting = new Set<() => void>();
  const ended = (async () => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      text += part;
      for (const check of [...waiting]) check();
    }
  })();
  async function until(pattern: RegExp, milliseconds = 20_000): Promise<string> {
    return await new Promise((resolve, reject) => {
      const check = () => {
        const match = pattern.exec(text);
        if (match === null) return;
        waiting.delete(check);
        clearTimeout(timer);
        resolve(match[1] ?? match[0]);
      };
      const timer = setTimeout(
        () => reject(new Error(`${pattern} was not said within ${milliseconds} ms: ${text}`)),
        milliseconds,
      );
      waiting.add(check);
      check();
    });
  }
  return { until, ended, text: () => text };
}

Deno.test("the demo shows a failover by itself, on screen, on the status page and in explain", async () => {
  const child = start("demo", ["--port", "0", "--fail-after", "2s"], {
    // Never looked at.
    KUBECONFIG: "/nonexistent",
  });
  const [said, errors] = [listen(child.stdout), listen(child.stderr)];
  const url = await said.until(/Status page: (http:\S+)/);
  const kubeconfig = await said.until(/--kubeconfig (\S+)/);
  await said.until(/payments: egress-1, Active, term 1/);
  await said.until(/egress-1 loses power/);
  await said.until(/egress-2 answers for 172\.18\.18\.250, \d\.\d s after egress-1 lost power/);
  await said.until(
    /payments: egress-2, Active, term 2.*Last move: egress-1 to egress-2, \d+ ms from decision/,
  );
  const status: StatusView = await (await fetch(`${url}/status.json`)).json();
  const payments = status.gateways.find(({ name }) => name === "payments");
  assert.deepEqual([payments?.activeNodeName, payments?.lastFailover?.from], [
    "egress-2",
    "egress-1",
  ]);
  const explained = await run("main", ["explain", "payments", "--kubeconfig", kubeconfig]);
  assert.match(explained.stdout, /^payments: egress-2 is active \(term 2\)\./);
  assert.match(explained.stdout, /egress-1 may not hold it.*(Unreachable|HeartbeatStale)/);
  assert.equal(explained.code, 0, explained.stderr);

  child.kill("SIGTERM");
  const { code } = await child.status;
  await Promise.all([said.ended, errors.ended]);
  assert.deepEqual([code, errors.text()], [0, ""]);
  await assert.rejects(Deno.stat(kubeconfig), Deno.errors.NotFound);
});

Deno.test("the demo ends by itself when --for is over", async () => {
  const { code, stdout, stderr } = await run("demo", ["--port", "0", "--for", "1s"]);
  assert.match(stdout, /^Sallyport demo/);
  assert.deepEqual([code, stderr], [0, ""]);
});

Deno.test("Ctrl-C ends the demo and leaves nothing behind", async () => {
  const child = start("demo", ["--port", "0"]);
  const [said, errors] = [listen(child.stdout), listen(child.stderr)];
  const kubeconfig = await said.until(/--kubeconfig (\S+)/);
  await said.until(/In \d+ s the active node of payments loses power by itself/);
  child.kill("SIGINT");
  const { code, signal } = await child.status;
  await Promise.all([said.ended, errors.ended]);
  assert.deepEqual([code, signal, errors.text()], [0, null, ""]);
  await assert.rejects(Deno.stat(kubeconfig), Deno.errors.NotFound);
});

Deno.test("npm start that is killed leaves no demo behind", async () => {
  const child = new Deno.Command("npm", {
    args: ["start", "--silent", "--", "--port", "0"],
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { KUBECONFIG: "/nonexistent" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [said, errors] = [listen(child.stdout), listen(child.stderr)];
  const kubeconfig = await said.until(/--kubeconfig (\S+)/);
  child.kill("SIGKILL");
  await child.status;
  // The demo holds the other end of the pipes.
  await Promise.all([said.ended, errors.ended]);
  await assert.rejects(Deno.stat(kubeconfig), Deno.errors.NotFound);
});

Deno.test("a port that is taken is said with what to do about it", async () => {
  const stop = new AbortController();
  const { port, closed } = await serve({
    app: app(),
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
  });
  const { code, stderr } = await run("demo", ["--port", String(port)]);
  stop.abort();
  await closed;
  assert.equal(
    stderr,
    `Cannot listen on port ${port} as another program does: ` +
      `name another with --port, such as npm start -- --port ${port + 1}\n`,
  );
  assert.equal(code, 2);
});

Deno.test("the demo refuses what it does not understand", async () => {
  for (
    const [args, message] of [
      [["--port", "x"], /'--port <number>' argument 'x' is invalid\. Write a port/],
      [["--fail-after", "soon"], /Cannot read duration 'soon'/],
      [["--cluster"], /unknown option '--cluster'/],
      [["--context", "production"], /name the cluster's file by --kubeconfig/],
      [["--kubeconfig", "/nonexistent"], /Cannot use kubeconfig \/nonexistent/],
    ] as const
  ) {
    const { code, stderr } = await run("demo", args);
    assert.match(stderr, message);
    assert.equal(code, 2, args.join(" "));
  }
});

/** A terminal and a keyboard. */
function terminal() {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} });
  let written = "";
  return {
    input: input as unknown as ReadStream,
    press: (key: string) => void input.write(key),
    output: {
      isTTY: true,
      columns: 120,
      rows: 45,
      write: (text: string) => void (written = stripVTControlCharacters(text)),
    },
    shows: async (pattern: RegExp) => {
      const end = performance.now() + 15_000;
      while (!pattern.test(written)) {
        assert.ok(performance.now() < end, `${pattern} is not on the screen: ${written}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    written: () => written,
  };
}

Deno.test("keys cut and give power, and end the script and the demo", async () => {
  const { input, press, output, shows, written } = terminal();
  const ended = runDemo({
    port: 0,
    failAfterMilliseconds: 60_000,
    input,
    output,
    stop: new AbortController(),
  });
  await shows(/by itself, unless you press a key/);
  press("x");
  await shows(/payments active/);
  await shows(/egress-1 Active, term 1/);
  press("f");
  await shows(/1 egress-1 .*no power/);
  await shows(/egress-2 Active, term 2/);
  assert.doesNotMatch(written(), /by itself/);
  press("5");
  await shows(/5 worker-1 .*no power/);
  press("r");
  await shows(/5 worker-1 .*starting/);
  await shows(/1 egress-1 .*\bon\b/);
  press("q");
  await ended;
});

Deno.test("with a kubeconfig the controller runs on that cluster, without keys that fail nodes", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const { input, press, output, shows, written } = terminal();
  const ended = runDemo({
    port: 0,
    kubeconfig: cluster.kubeconfig,
    failAfterMilliseconds: 0,
    input,
    output,
    stop: new AbortController(),
  });
  await shows(/Sallyport on cluster sallyport-demo \(127\.0\.0\.1:\d+\)/);
  // Whichever agent is heard first.
  await shows(/egress-\d Active, term 1/);
  await shows(/1 egress-1 .*Ready/);
  assert.doesNotMatch(written(), /f fail|by itself|power/);
  press("f");
  press("\x03");
  await ended;
  assert.ok(cluster.nodes.every(({ state }) => state === "on"));
});

Deno.test("the script fails the node once and repairs it, and stops when somebody takes over", () => {
  const done: string[] = [];
  let [now, holder]: [number, string | undefined] = [0, undefined];
  const script = () =>
    new Script({
      failAfterMilliseconds: 2_000,
      repairAfterMilliseconds: 3_000,
      fail: () => {
        if (holder !== undefined) done.push(`fail ${holder}`);
        return holder;
      },
      repair: (node) => done.push(`repair ${node}`),
      now: () => now,
    });
  const played = script();
  const advance = (to: number) => {
    now = to;
    played.advance();
  };
  assert.match(played.next(), /^In 2 s the active node of payments loses power/);
  advance(2_000);
  assert.deepEqual(done, [], "nobody is active yet");
  holder = "a";
  advance(2_500);
  assert.match(played.next(), /^In 3 s a gets its power back/);
  advance(5_400);
  advance(5_500);
  advance(9_000);
  assert.deepEqual([done, played.next()], [["fail a", "repair a"], ""]);

  now = 0;
  const taken = script();
  taken.end();
  now = 60_000;
  taken.advance();
  assert.deepEqual([done.length, taken.next()], [2, ""]);
});

Deno.test("a line that does not fit is cut before it wraps, and the view fits the screen", () => {
  const writes: string[] = [];
  const size = { columns: 30, rows: 10 };
  const screen = createScreen({ isTTY: true, ...size, write: (text) => writes.push(text) });
  const view: DemoView = {
    title: "A title that is much longer than the screen is wide",
    hints: [],
    status: undefined,
    nodes: [],
    events: Array.from({ length: 40 }, (_, index) => `event ${index}`),
    next: "",
    keys: "q quit",
  };
  screen.show(view);
  screen.show(view);
  screen.close();
  const [hidden, shown = "", visible] = writes;
  assert.deepEqual([hidden, visible, writes.length], ["\x1b[?25l", "\x1b[?25h", 3]);
  assert.ok(shown.includes("\x1b[1mA title that is much longer t…\x1b[0m\x1b[K\n"), shown);
  assert.ok(shown.includes("event 39") && shown.includes("q quit") && !shown.includes("event 30"));
  assert.ok(shown.split("\n").length <= size.rows);
});
