/** What a tick did for the takeover of one gateway, and what it saw of it. */
import { parseTime } from "../core/time.ts";
import type { Gateway, GatewayPlan, Lease, Milliseconds } from "../core/types.ts";
import type { SpanFacts } from "./span.ts";
import type { TimedWrite } from "./writes.ts";

export interface Step extends SpanFacts {
  /** Seen again by each tick until the move is over. */
  readonly once?: boolean;
}

export interface TakeoverSteps {
  /** The takeover from its begin to its end, by who ended it. */
  readonly whole: SpanFacts | undefined;
  readonly steps: readonly Step[];
}

export function takeoverSteps(
  gateway: GatewayPlan,
  { before, leases, writes: all, beganAt, endedAt }: {
    readonly before: Gateway;
    readonly leases: readonly Lease[];
    readonly writes: readonly TimedWrite[];
    readonly beganAt: Milliseconds;
    readonly endedAt: Milliseconds;
  },
): TakeoverSteps {
  const { name, term, move, activeNodeName, phase } = gateway;
  const attributes = { "sallyport.gateway": name, "sallyport.term": term };
  const writes = all.filter(({ write: { change, result } }) =>
    change.group === name && result === "written"
  );
  const statuses = writes.filter(({ write: { change } }) => change.kind === "EgressGateway");
  const [first, last] = [statuses[0], statuses.at(-1)];
  const begins = move !== undefined && term !== before.status.term && first !== undefined;
  const moving = before.status.phase === "Preparing" && before.status.term === term;
  const ends = phase !== "Preparing" && last !== undefined && (begins || moving);
  const why = move === undefined ? {} : {
    "sallyport.from": move.from,
    "sallyport.to": move.to,
    "sallyport.reason": move.reason,
    "sallyport.planned": move.planned,
  };
  const steps: Step[] = [];
  if (begins) {
    steps.push({
      name: "decide",
      beganAt,
      endedAt: first.endedAt,
      attributes: { ...attributes, ...why, "sallyport.message": move.message },
    });
  }
  for (const { write: { change }, ...times } of writes) {
    if (change.kind !== "Lease") continue;
    steps.push({
      name: "fence",
      ...times,
      attributes: { ...attributes, "sallyport.node": change.name },
    });
  }
  if (moving) {
    const from = before.status.lastFailover?.from;
    const seen = { beganAt, endedAt: Math.min(endedAt, writes[0]?.beganAt ?? endedAt), once: true };
    const bound = reportOf(before, { leases, node: activeNodeName });
    if (bound !== undefined && bound.term >= term) {
      steps.push({
        name: "see it bound",
        ...seen,
        attributes: { ...attributes, "sallyport.node": activeNodeName ?? undefined },
      });
    }
    const report = leases.find(({ name }) => name === from)?.report;
    const old = reportOf(before, { leases, node: from });
    const heard = old?.term ?? report?.heard[before.uid] ?? -1;
    if (report !== undefined && heard >= term && old?.speaking !== true) {
      steps.push({
        name: "see it released",
        ...seen,
        attributes: { ...attributes, "sallyport.node": from },
      });
    }
  }
  const policies = writes.filter(({ write: { change } }) =>
    change.kind === "CiliumEgressGatewayPolicy"
  );
  if (policies.length > 0 && (begins || moving)) {
    steps.push({
      name: "write policies",
      beganAt: Math.min(...policies.map((each) => each.beganAt)),
      endedAt: Math.max(...policies.map((each) => each.endedAt)),
      attributes: { ...attributes, "sallyport.writes": policies.length },
    });
  }
  if (!ends) return { whole: undefined, steps };
  if (moving) {
    steps.push({ name: "activate", beganAt: last.beganAt, endedAt: last.endedAt, attributes });
  }
  // What was noted when it began is in the status.
  const past = move ?? before.status.history?.[0];
  const began = (past?.planned === false ? parseTime(past.outageSince) : undefined) ??
    parseTime(past?.time) ?? beganAt;
  const whole = {
    name: "takeover",
    beganAt: Math.min(began, last.endedAt),
    endedAt: last.endedAt,
    attributes: {
      ...attributes,
      ...why,
      "sallyport.phase": phase,
      "sallyport.outage_milliseconds": move?.outageMilliseconds,
    },
  };
  return { whole, steps };
}

/** What a node reports of the gateway's address. */
function reportOf(
  { uid }: Gateway,
  { leases, node }: { readonly leases: readonly Lease[]; readonly node: string | null | undefined },
) {
  return leases.find(({ name }) => name === node)?.report?.addresses
    .find((address) => address.uid === uid);
}
