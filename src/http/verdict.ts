/** What is well and what is not, in words: of a gateway, a policy, a node, the ticks, and of all together. */
import type { Condition, Milliseconds } from "../core/types.ts";
import type { LastTick } from "../controller/ticker.ts";
import { inWords } from "./relative_time.ts";
import type { GatewayView, PolicyView, StatusView } from "./status_view.ts";

/** `bad`: something is not served, or not known. `busy`: it is served, and somebody should look. */
export type Level = "bad" | "busy" | "good";

export interface Finding {
  readonly level: Level;
  /** One sentence without its full stop. */
  readonly text: string;
  /** Id of the element that tells more. */
  readonly about?: string;
}

/** Of each kind, what the strip names; it counts the rest. */
const NAMED = 5;

/** Sorted by weight; none: all is well. */
export function gatewayTroubles(gateway: GatewayView): readonly Finding[] {
  const { activeNodeName, phase, candidates, conditions, pin } = gateway;
  const found: Finding[] = [];
  const holder = candidates.find(({ node }) => node === activeNodeName);
  const [why] = holder?.reasons ?? [];
  if (activeNodeName === null) found.push({ level: "bad", text: "No node holds it" });
  else if (phase === "Preparing") {
    found.push({ level: "busy", text: `Moving to ${activeNodeName}` });
  } else if (holder?.eligible !== true) {
    const reason = why === undefined ? "" : `: ${why.type}: ${why.message}`;
    found.push({ level: "bad", text: `Its holder ${activeNodeName} is not well${reason}` });
  }
  for (const { type, status, reason, message } of conditions) {
    if (type === "AddressConflict" && status === "True") {
      found.push({ level: "bad", text: message });
    }
    // Excluded candidates are told by their nodes, ignored heartbeats once for all gateways.
    const isTold = ["CandidatesExcluded", "HeartbeatsIgnored"].includes(reason);
    if (type === "Degraded" && status === "True" && !isTold) {
      found.push({ level: "busy", text: message });
    }
  }
  const others = candidates.some(({ node, eligible }) => eligible && node !== activeNodeName);
  if (activeNodeName !== null && !others) {
    found.push({ level: "busy", text: "No other node could take over" });
  }
  if (pin !== undefined && pin.state !== "Obeyed") {
    found.push({ level: "busy", text: pin.message });
  }
  return found.sort((a, b) => weight(a.level) - weight(b.level));
}

/** What of a policy is not as it should be, in its own words. Sorted by weight; none: it is in force. */
export function policyTroubles(policy: PolicyView): readonly Finding[] {
  return policyRemarks(policy).filter(({ level }) => level !== "good");
}

/** The same, with what is as it was asked for and yet worth knowing. Several conditions may say the same. */
export function policyRemarks({ conditions }: PolicyView): readonly Finding[] {
  const found = conditions.filter(isRemarkable).map((condition): Finding => ({
    level: levelOfCondition(condition),
    text: condition.message,
  }));
  const sorted = found.sort((a, b) => weight(a.level) - weight(b.level));
  return sorted.filter(({ text }, index) =>
    sorted.findIndex((other) => other.text === text) === index
  );
}

/** Reasons of conditions that have the status they should have, and say more than that. */
const NOTED: Readonly<Record<string, Level>> = {
  Fallback: "busy",
  FallbackNotFound: "busy",
  PartlyAllowed: "good",
};

function isRemarkable({ type, status, reason }: Condition): boolean {
  // Conflicted is the one condition whose good state is False.
  return status !== (type === "Conflicted" ? "False" : "True") || reason in NOTED;
}

function levelOfCondition({ type, status, reason }: Condition): Level {
  if (type === "Conflicted") return "busy";
  return status === "True" ? NOTED[reason] ?? "good" : "bad";
}

/** How the ticks go. Everything else on the page is as good as the last tick that succeeded. */
export function tickFinding(
  last: LastTick | undefined,
  { now, lateMilliseconds }: {
    readonly now: Milliseconds;
    readonly lateMilliseconds: Milliseconds;
  },
): Finding {
  if (last === undefined) return { level: "busy", text: "No tick has ended yet" };
  const good = goodAt(last);
  if (good === undefined) {
    return { level: "bad", text: `No tick has succeeded yet. The last one failed: ${last.error}` };
  }
  const failed = last.error === undefined ? "" : `. The last tick failed: ${last.error}`;
  if (now - good > lateMilliseconds) {
    const age = inWords(now - good);
    return {
      level: "bad",
      text: `Ticks are late: the last good one ended ${age} ago, and what is below is of then. ` +
        `Either the API server does not answer, or this controller does not get on${failed}`,
    };
  }
  if (failed !== "") return { level: "bad", text: failed.slice(2) };
  return { level: "good", text: "Ticks are in time" };
}

/** When the last good tick ended; undefined: none has. */
export function goodAt({ error, finishedAt, succeededAt }: LastTick): Milliseconds | undefined {
  return error === undefined ? finishedAt : succeededAt;
}

/** The cluster in a few sentences, what is worst first. */
export function clusterFindings(view: StatusView): readonly Finding[] {
  const gateways = view.gateways.flatMap((gateway) =>
    gatewayTroubles(gateway).slice(0, 1).map((finding) => ({
      ...finding,
      text: `${gateway.name}: ${finding.text}`,
      about: gatewayId(gateway.name),
    }))
  );
  const policies = view.policies.flatMap((policy) =>
    policyTroubles(policy).slice(0, 1).map((finding) => ({
      ...finding,
      text: `Policy ${policy.name}: ${finding.text}`,
      about: policyId(policy.name),
    }))
  );
  const found = [
    ...few(gateways, "gateways"),
    ...few(policies, "policies"),
    ...view.heartbeatsIgnored || view.warnings.length > 0
      ? [{ level: "busy" as const, text: "There are warnings", about: "warnings" }]
      : [],
    ...few(nodeFindings(view), "nodes"),
  ];
  return found.length > 0
    ? found.sort((a, b) => weight(a.level) - weight(b.level))
    : [{ level: "good", text: allIsWell(view) }];
}

/** The worst of them. */
export function levelOf(findings: readonly Finding[]): Level {
  return (["bad", "busy"] as const).find((level) =>
    findings.some((finding) => finding.level === level)
  ) ?? "good";
}

export function gatewayId(name: string): string {
  return `gateway-${name}`;
}

export function policyId(name: string): string {
  return `policy-${name}`;
}

function nodeFindings({ gateways }: StatusView): readonly Finding[] {
  const out = new Map<string, string>();
  for (const { node, eligible, reasons } of gateways.flatMap(({ candidates }) => candidates)) {
    if (!eligible) out.set(node, reasons[0]?.type ?? "not eligible");
  }
  return [...out].sort().map(([node, reason]) => ({
    level: "busy",
    text: `Node ${node} may not hold gateways: ${reason}`,
  }));
}

function few(findings: readonly Finding[], kind: string): readonly Finding[] {
  const sorted = [...findings].sort((a, b) => weight(a.level) - weight(b.level));
  const more = sorted.length - NAMED;
  return more <= 0 ? sorted : [...sorted.slice(0, NAMED), {
    level: levelOf(sorted.slice(NAMED)),
    text: `${more} more ${kind} need a look`,
  }];
}

function allIsWell({ gateways, policies }: StatusView): string {
  if (gateways.length === 0) return "There are no gateways, and nothing is amiss";
  const served = gateways.length === 1
    ? "The gateway is served"
    : `All ${gateways.length} gateways are served`;
  if (policies.length === 0) return `${served}; no policy uses them`;
  const force = policies.length === 1
    ? "its policy is in force"
    : `all ${policies.length} policies are in force`;
  return `${served}, ${force}`;
}

function weight(level: Level): number {
  return ["bad", "busy", "good"].indexOf(level);
}
