/**
 * Whether a gateway's candidates reach the targets of `failureDetection.uplink`, as their agents report it.
 *
 * | what is said of a target | it |
 * |---|---|
 * | some candidate's agent hears it | counts |
 * | none of those that ask hears it | is the likelier fault itself, and is ignored |
 *
 * A target goes silent for all candidates at once, and comes back for all, but none of their agents notices in the same moment;
 * so one that has not answered a candidate lately, or has only just begun to again (`missing`), is not heard by it either.
 */
import type { Facts } from "./facts.ts";
import { nodesMatching } from "./facts.ts";
import { byText } from "./order.ts";
import { freshReport } from "./reports.ts";
import { parseTime, rfc3339 } from "./time.ts";
import type {
  Candidate,
  Gateway,
  Lease,
  Milliseconds,
  Reason,
  Report,
  ReportedUplink,
} from "./types.ts";

/** What an agent says about the way out of one gateway; undefined: it does not look. */
function reportedUplink(
  report: Report | undefined,
  { uid }: Gateway,
): ReportedUplink | undefined {
  return report?.uplinks.find((uplink) => uplink.uid === uid);
}

/** Targets that no candidate whose agent asks them hears, in the spec's order. */
export function ignoredTargets(gateway: Gateway, facts: Facts): readonly string[] {
  const { uplink } = gateway.spec.failureDetection;
  if (uplink === undefined) return [];
  const { snapshot } = facts;
  const said = nodesMatching(facts, gateway.spec.nodeSelector).flatMap(({ lease }) =>
    reportedUplink(freshReport(lease, { gateway, snapshot }), gateway) ?? []
  );
  const heard = new Set(said.flatMap(({ reached }) => reached));
  const unheard = new Set(said.flatMap(({ missing, lost }) => [...missing, ...lost]));
  return uplink.targets.filter((target) => unheard.has(target) && !heard.has(target));
}

/**
 * Why a candidate's way out does not work. Once it does again the reason stays for `failback.minReadySeconds`, with the time
 * when it ends, and is tolerated: such a node is taken where no other may be.
 */
export function uplinkReason(
  gateway: Gateway,
  { report, ignored, last, now }: {
    /** Undefined: it is not believed now, or there is none. */
    readonly report: Report | undefined;
    readonly ignored: readonly string[];
    /** What the last status said of this candidate. */
    readonly last: Candidate | undefined;
    readonly now: Milliseconds;
  },
): Reason | null {
  const { failureDetection: { uplink }, failback: { minReadySeconds } } = gateway.spec;
  const said = reportedUplink(report, gateway);
  if (uplink === undefined || said === undefined) return null;
  const counted = uplink.targets.filter((target) => !ignored.includes(target));
  if (counted.length === 0) return null;
  const lost = counted.filter((target) => said.lost.includes(target));
  const answering = counted.filter((target) =>
    said.reached.includes(target) || said.missing.includes(target)
  );
  if (lost.length > 0 && (uplink.require === "All" || answering.length === 0)) {
    return { type: "UplinkDown", message: downMessage(lost) };
  }
  const before = last?.reasons.find(({ type }) => type === "UplinkDown");
  if (before === undefined) return null;
  // An agent that was started anew has not asked for long enough.
  if (lost.length === 0 && answering.length === 0) return before;
  const retryAfter = before.retryAfter ?? rfc3339(now + minReadySeconds * 1_000);
  if ((parseTime(retryAfter) ?? 0) <= now) return null;
  return {
    type: "UplinkDown",
    message: "The uplink's targets have only just begun to answer again",
    retryAfter,
  };
}

/** Tells whether a candidate's way out works again, but not for long enough to be relied on. */
export function isRecovering({ eligible, reasons }: Candidate): boolean {
  return eligible && reasons.some(({ type }) => type === "UplinkDown");
}

/** Tells whether nothing but its way out speaks against a candidate. */
export function hasNoWayOutOnly({ eligible, reasons }: Candidate): boolean {
  return !eligible && reasons.every(({ type }) => type === "UplinkDown");
}

/** Why nodes do not look, or not for all targets; sorted by node. */
export function blindNodes(
  gateway: Gateway,
  { nodes, facts }: { readonly nodes: readonly string[]; readonly facts: Facts },
): readonly { readonly node: string; readonly why: string }[] {
  const { uplink, heartbeat } = gateway.spec.failureDetection;
  if (uplink === undefined || heartbeat === "Ignore") return [];
  const { snapshot } = facts;
  return nodes.flatMap((node) => {
    const subject = facts.byNode.get(node);
    if (subject === undefined) return [];
    const report = freshReport(subject.lease, { gateway, snapshot });
    const said = reportedUplink(report, gateway);
    const why = said === undefined ? notAsked(subject.lease, report) : said.problem;
    return why === undefined ? [] : [{ node, why }];
  }).sort((a, b) => byText(a.node, b.node));
}

function notAsked(lease: Lease | undefined, report: Report | undefined): string {
  if (lease === undefined) return "no agent runs there";
  return report === undefined ? "its agent is not heard" : "its agent does not look";
}

function downMessage(lost: readonly string[]): string {
  const [first = ""] = lost;
  return lost.length === 1
    ? `Uplink target ${first} does not answer this node`
    : `Uplink targets ${lost.join(", ")} do not answer this node`;
}
