/** Runs the controller with a live view in the terminal. */
import type { ReadStream } from "node:tty";
import { startController } from "../program/serve_controller.ts";
import { createMetrics } from "../controller/metrics.ts";
import { statusView } from "../http/status_view.ts";
import { ConfigError } from "../kube/errors.ts";
import type { TickResult } from "../controller/tick.ts";
import { CTRL_C, readKeys } from "./keys.ts";
import { createScreen } from "./screen.ts";
import type { Terminal } from "./screen.ts";
import { embeddedStage, namedStage } from "./stage.ts";
import type { DemoView } from "./view.ts";

export interface DemoOptions {
  /** Of the status page; 0: any free one. */
  readonly port: number;
  /** Without it a cluster in memory. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly failAfterMilliseconds: number;
  readonly input: ReadStream;
  readonly output: Terminal;
  readonly stop: AbortController;
}

const REDRAW_MILLISECONDS = 100;

/**
 * Runs until it is stopped.
 *
 * @throws ConfigError for a port that is taken, or a cluster that cannot be used
 */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { port, kubeconfig, context, failAfterMilliseconds, input, output, stop } = options;
  const events: string[] = [];
  let last: TickResult | undefined;
  const note = (text: string): void => {
    const told = `${new Date().toTimeString().slice(0, 8)} ${text}`;
    // What goes wrong each second is told once.
    if (events.at(-1)?.slice(9) !== text) events.push(told);
  };
  await using stage = kubeconfig === undefined
    ? await embeddedStage({ failAfterMilliseconds, last: () => last, onEvent: note })
    : await namedStage({ kubeconfig, context });
  const { server, ended } = await startController(stage.client, {
    hostname: "127.0.0.1",
    port,
    metrics: createMetrics(),
    signal: stop.signal,
    onTick: (result) => {
      last = result;
      for (const text of newsOf(result)) note(text);
    },
    onError: (error) => note(error.message),
  }).catch((error: unknown) => {
    throw isTaken(error) ? portTaken(port, error) : error;
  });

  const view = (): DemoView => ({
    title: stage.title,
    hints: [`Status page: http://localhost:${server.port}`, ...stage.hints],
    status: last && statusView(last.plan, last.snapshot),
    nodes: stage.nodes(last),
    events,
    next: withHint(stage.next(), input.isTTY),
    keys: input.isTTY ? stage.keys : "",
  });
  const screen = createScreen(output);
  const release = readKeys(input, (key) => {
    if (key === "q" || key === CTRL_C) stop.abort();
    else stage.press(key);
  });
  screen.show(view());
  const drawing = setInterval(() => {
    stage.advance();
    screen.show(view());
  }, REDRAW_MILLISECONDS);
  try {
    await ended;
  } finally {
    clearInterval(drawing);
    release();
    screen.close();
  }
}

function withHint(next: string, keyboard: boolean): string {
  return next === "" || !keyboard ? next : `${next}, unless you press a key`;
}

/** Changes of holder and problems, as sentences. */
function newsOf({ plan, problems }: TickResult): readonly string[] {
  const moves = plan.gateways.filter(({ decision, activeNodeName, previousNodeName }) =>
    !["Keep", "Wait"].includes(decision) && activeNodeName !== previousNodeName
  );
  return [
    ...moves.map(({ name, decision, activeNodeName, message }) =>
      `${name}: ${decision} to ${activeNodeName ?? "nobody"}. ${message}`
    ),
    ...problems,
  ];
}

function isTaken(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
}

function portTaken(port: number, cause: unknown): ConfigError {
  return new ConfigError(
    `Cannot listen on port ${port} as another program does: name another with --port, such as npm start -- --port ${
      port + 1
    }`,
    { cause },
  );
}
