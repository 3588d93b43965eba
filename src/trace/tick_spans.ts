/** The spans of a tick: a trace of its own, and its part in the traces of the takeovers that it began, saw or finished. */
import type { TickResult } from "../controller/tick.ts";
import type { GatewayPlan, Milliseconds } from "../core/types.ts";
import { childOf, newTrace, takeoverContext } from "./ids.ts";
import type { TimedRequest } from "./requests.ts";
import type { Span, SpanFacts } from "./span.ts";
import { takeoverSteps } from "./takeover_steps.ts";
import { timedWrites } from "./writes.ts";
import type { TimedWrite } from "./writes.ts";

/** What of a tick is traced. */
export type TracedTick =
  & Pick<TickResult, "plan" | "results" | "durationMilliseconds" | "settled">
  & {
    readonly snapshot: Pick<TickResult["snapshot"], "gateways" | "leases">;
  };

export interface Observed {
  /** Requests of the tick, and others that were answered since the last one. */
  readonly requests: readonly TimedRequest[];
  /** Since the epoch. */
  readonly endedAt: Milliseconds;
}

/** Clocks of requests and of the tick are read at different moments. */
const SLACK_MILLISECONDS = 2;

/** More takeovers than this are followed by their newest. */
const MOST_FOLLOWED = 10_000;

export class TickSpans {
  /** Steps that are seen again at each tick, and told once. */
  #told = new Set<string>();

  /** A tick that asked nobody anything has no trace of its own. */
  of(tick: TracedTick, { requests: all, endedAt }: Observed): readonly Span[] {
    const beganAt = endedAt - tick.durationMilliseconds;
    const requests = all.filter(({ sentAt }) => sentAt >= beganAt - SLACK_MILLISECONDS);
    const writes = timedWrites(tick.results, { requests, endedAt });
    const takeovers = tick.plan.gateways.flatMap((gateway) =>
      this.#takeover(gateway, { tick, writes, beganAt, endedAt })
    );
    const own = requests.length === 0
      ? []
      : ownTrace(tick, { requests, writes, takeovers, beganAt, endedAt });
    return [...own, ...takeovers];
  }

  /** A tick that threw. */
  failed(
    error: Error,
    { endedAt, durationMilliseconds }: {
      readonly endedAt: Milliseconds;
      readonly durationMilliseconds: number;
    },
  ): Span {
    return {
      name: "tick",
      context: newTrace(),
      beganAt: endedAt - durationMilliseconds,
      endedAt,
      attributes: {},
      error: error.message,
    };
  }

  #takeover(
    gateway: GatewayPlan,
    { tick, ...rest }: {
      readonly tick: TracedTick;
      readonly writes: readonly TimedWrite[];
      readonly beganAt: Milliseconds;
      readonly endedAt: Milliseconds;
    },
  ): readonly Span[] {
    const before = tick.snapshot.gateways.find(({ name }) => name === gateway.name);
    if (before === undefined) return [];
    const root = takeoverContext({ uid: before.uid, term: gateway.term });
    const { whole, steps } = takeoverSteps(gateway, {
      before,
      leases: tick.snapshot.leases,
      ...rest,
    });
    const news = steps.filter(({ once, name }) => !once || this.#isNews(`${root.traceId} ${name}`));
    return [
      ...(whole === undefined ? [] : [{ ...whole, context: root }]),
      ...news.map(({ once: _, ...step }) => ({ ...step, context: childOf(root), parent: root })),
    ];
  }

  #isNews(key: string): boolean {
    if (this.#told.has(key)) return false;
    if (this.#told.size >= MOST_FOLLOWED) this.#told = new Set();
    this.#told.add(key);
    return true;
  }
}

function ownTrace(
  { plan, settled }: TracedTick,
  { requests, writes, takeovers, beganAt, endedAt }: Observed & {
    readonly writes: readonly TimedWrite[];
    readonly takeovers: readonly Span[];
    readonly beganAt: Milliseconds;
  },
): readonly Span[] {
  const root = newTrace();
  const failed = writes.flatMap(({ write }) => write.result === "failed" ? [write.error] : []);
  const firstWrite = Math.min(endedAt, ...writes.map((write) => write.beganAt));
  const read = requests.filter(({ method }) => method === "GET").map(({ answeredAt }) => answeredAt)
    .filter((at) => at <= firstWrite);
  const observedAt = Math.max(beganAt, ...read);
  const child = (facts: SpanFacts): Span => ({ ...facts, context: childOf(root), parent: root });
  const apply = child({
    name: "apply",
    beganAt: firstWrite,
    endedAt: Math.max(firstWrite, ...writes.map((write) => write.endedAt)),
    attributes: { "sallyport.writes": writes.length },
  });
  const traces = new Map(
    takeovers.map(({ context, parent = context }) => [parent.traceId, parent]),
  );
  return [
    {
      name: "tick",
      context: root,
      links: [...traces.values()],
      beganAt,
      endedAt,
      attributes: {
        "sallyport.gateways": plan.gateways.length,
        "sallyport.policies": plan.policies.length,
        "sallyport.settled": settled,
      },
      ...(failed[0] === undefined ? {} : { error: failed[0].message }),
    },
    child({
      name: "observe",
      beganAt,
      endedAt: observedAt,
      attributes: { "sallyport.requests": read.length },
    }),
    child({ name: "decide", beganAt: observedAt, endedAt: firstWrite, attributes: {} }),
    ...(writes.length === 0 ? [] : [apply]),
    ...writes.map((each): Span => ({
      name: `${each.write.change.action} ${each.write.change.kind}`,
      context: childOf(root),
      parent: apply.context,
      beganAt: each.beganAt,
      endedAt: each.endedAt,
      attributes: {
        "sallyport.object": each.write.change.name,
        "sallyport.result": each.write.result,
      },
      ...(each.write.result === "failed" ? { error: each.write.error.message } : {}),
    })),
  ];
}
