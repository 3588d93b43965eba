/** A client that asks a VIP for its host without a pause, and what it saw. */
import type { Host } from "./network.ts";
import { denoProgram } from "./deno_program.ts";
import { until } from "./wait.ts";

export interface Answer {
  readonly number: number;
  /** Milliseconds since the epoch, of this machine's one clock. */
  readonly sentAt: number;
  readonly receivedAt: number;
  readonly host: string;
}

/** What a client saw from start to stop. */
export interface StreamResult {
  readonly sent: number;
  /** In the order of sending. */
  readonly answers: readonly Answer[];
  /** Packets that were never answered. */
  readonly lost: number;
  /** The longest stretch in which every packet was lost: from the last answered one before to the first one after. */
  readonly outage: Span;
  /** Longest time in which no answer came, also because this client itself was held up. */
  readonly silence: Span;
  /** The hosts that answered, each time it was another one. */
  readonly hosts: readonly string[];
}

/** A stretch of time. */
export interface Span {
  readonly milliseconds: number;
  /** When it began; milliseconds since the epoch. */
  readonly from: number;
}

export interface Stream extends AsyncDisposable {
  /** What was seen so far. */
  soFar(): Promise<StreamResult>;
  stop(): Promise<StreamResult>;
}

export interface StreamOptions {
  readonly ip: string;
  readonly port: number;
  /** File for the client's log. */
  readonly log: string;
  /** Default 5. */
  readonly everyMilliseconds?: number;
}

/** Starts the client; resolves when it was answered, so that what happens next happens to a client that was served. */
export async function startStream(client: Host, options: StreamOptions): Promise<Stream> {
  const { ip, port, log, everyMilliseconds = 5 } = options;
  const argv = denoProgram("udp_client.ts", [ip, String(port), String(everyMilliseconds)]);
  const program = client.spawn(argv, { log });
  await until(
    "the client's first answer",
    async () => (await Deno.readTextFile(log)).includes("\n"),
    { timeoutMilliseconds: 20_000 },
  );
  const startedAt = Date.now();
  const soFar = async () =>
    parseStream(await Deno.readTextFile(log), { startedAt, now: Date.now() });
  return {
    soFar,
    async stop() {
      await program.stop();
      return await soFar();
    },
    [Symbol.asyncDispose]: () => program.stop(),
  };
}

/** Reads a client's log. */
export function parseStream(
  log: string,
  { startedAt, now }: { readonly startedAt: number; readonly now: number },
): StreamResult {
  const answers: Answer[] = [];
  let sent: number | undefined;
  let endedAt = now;
  for (const line of log.split("\n")) {
    const [first, second, third, host] = line.split(" ");
    if (first === "end") [sent, endedAt] = [Number(second), Number(third)];
    else if (host !== undefined) {
      const [number, sentAt, receivedAt] = [Number(first), Number(second), Number(third)];
      answers.push({ number, sentAt, receivedAt, host });
    }
  }
  answers.sort((a, b) => a.number - b.number);
  const count = sent ?? (answers.at(-1)?.number ?? -1) + 1;
  const hosts = answers.map(({ host }) => host);
  return {
    sent: count,
    answers,
    lost: count - answers.length,
    outage: longest(losses(answers, { count, startedAt, endedAt })),
    silence: longest(spans([startedAt, ...answers.map(({ receivedAt }) => receivedAt), endedAt])),
    hosts: hosts.filter((host, index) => host !== hosts[index - 1]),
  };
}

/** The stretches in which packets were lost. */
function losses(
  answers: readonly Answer[],
  { count, startedAt, endedAt }: {
    readonly count: number;
    readonly startedAt: number;
    readonly endedAt: number;
  },
): readonly Span[] {
  const edges = [
    { number: -1, sentAt: startedAt },
    ...answers,
    { number: count, sentAt: endedAt },
  ];
  return edges.flatMap(({ number, sentAt: from }, index) => {
    const next = edges[index + 1];
    return next && next.number > number + 1 ? [{ milliseconds: next.sentAt - from, from }] : [];
  });
}

/** The stretches between moments. */
function spans(moments: readonly number[]): readonly Span[] {
  const sorted = moments.toSorted((a, b) => a - b);
  return sorted.map((from, index) => ({ milliseconds: (sorted[index + 1] ?? from) - from, from }));
}

function longest(all: readonly Span[]): Span {
  return all.reduce((best, span) => span.milliseconds > best.milliseconds ? span : best, {
    milliseconds: 0,
    from: 0,
  });
}
