/** New flows without a pause, and what became of them. */
export interface Flow {
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
  /** Undefined: never answered. */
  readonly answer: { readonly receivedAt: number; readonly source: string } | undefined;
}

export interface FlowResult {
  readonly flows: readonly Flow[];
  /** Longest stretch of flows that got no answer, from the first that was sent in vain to the next that was not. */
  readonly silenceMilliseconds: number;
  /** All such stretches. */
  readonly gaps: readonly Gap[];
  readonly lost: number;
  /** The source addresses that the server saw, each time it was another one. */
  readonly sources: readonly string[];
}

export interface Gap {
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly milliseconds: number;
}

/** Reads what `programs/flows.ts` printed. */
export function readFlows(log: string): FlowResult {
  if (!/^end$/m.test(log)) throw new Error("Cannot read the flows: their program did not finish");
  const flows = log.split("\n").flatMap((line): Flow[] => {
    const [number, sentAt, receivedAt, source] = line.split(" ");
    if (sentAt === undefined) return [];
    const answer = receivedAt === undefined || source === undefined
      ? undefined
      : { receivedAt: Number(receivedAt), source };
    return [{ number: Number(number), sentAt: Number(sentAt), answer }];
  }).sort((a, b) => a.number - b.number);
  const gaps = gapsOf(flows);
  const sources = flows.flatMap(({ answer }) => answer === undefined ? [] : [answer.source]);
  return {
    flows,
    gaps,
    silenceMilliseconds: Math.max(0, ...gaps.map(({ milliseconds }) => milliseconds)),
    lost: flows.filter(({ answer }) => answer === undefined).length,
    sources: sources.filter((source, index) => source !== sources[index - 1]),
  };
}

function gapsOf(flows: readonly Flow[]): readonly Gap[] {
  const gaps: Gap[] = [];
  let from: number | undefined;
  for (const { sentAt, answer } of flows) {
    if (answer === undefined) from ??= sentAt;
    else if (from !== undefined) {
      gaps.push({ from, milliseconds: sentAt - from });
      from = undefined;
    }
  }
  const last = flows.at(-1);
  if (from !== undefined && last !== undefined) {
    gaps.push({ from, milliseconds: last.sentAt - from });
  }
  return gaps;
}
