/** A plan in sentences: who holds each gateway and why, why not the others, and what would happen next. */
import { SHARDS } from "./shares.ts";
import type { Candidate, GatewayPlan, Plan, PolicyPlan } from "./types.ts";

/** Paragraphs of plain text about one gateway, without line breaks inside a sentence. */
export function explainGateway(gateway: GatewayPlan, plan: Plan): string {
  const policies = plan.policies.filter(({ gateways }) =>
    gateways.some(({ name, servedBy }) => name === gateway.name || servedBy === gateway.name)
  );
  return [
    `${gateway.name}: ${headline(gateway)}`,
    `  Why: ${sentence(gateway.message)}`,
    ...(gateway.standbyNodeNames.length === 0
      ? ["  Next: no other node could take over."]
      : [`  Next: ${gateway.standbyNodeNames[0]} would take over.`]),
    ...(gateway.pin === undefined ? [] : [`  Pin: ${pinLine(gateway)}`]),
    `  Candidates: ${gateway.candidates.length}, eligible: ${gateway.readyNodes}.`,
    ...gateway.candidates.map((candidate) => `    ${candidateLine(candidate, gateway)}`),
    ...(policies.length === 0 ? ["  Policies: none uses this gateway."] : ["  Policies:"]),
    ...policies.map((policy) => `    ${policyLine(policy, gateway.name)}`),
  ].join("\n");
}

function headline(
  { activeNodeName, previousNodeName, phase, decision, term }: GatewayPlan,
): string {
  if (activeNodeName === null) return "no node is active; Cilium drops the selected traffic.";
  const since = `term ${term}`;
  if (decision === "Wait") return `moves to ${activeNodeName} (${since}, ${phase}).`;
  if (activeNodeName === previousNodeName) return `${activeNodeName} is active (${since}).`;
  return previousNodeName === null
    ? `${activeNodeName} becomes active (${since}).`
    : `moves from ${previousNodeName} to ${activeNodeName} (${since}).`;
}

function pinLine({ name, pin, activeNodeName }: GatewayPlan): string {
  if (pin === undefined) return "";
  const undo = `sallyport release ${name} undoes it.`;
  switch (pin.state) {
    case "Obeyed":
      return `${sentence(pin.message)} ${undo}`;
    case "NotEligible":
      return pin.node === activeNodeName
        ? `${sentence(pin.message)} ${undo}`
        : `${sentence(pin.message)} It moves to ${pin.node} as soon as that is eligible; ${undo}`;
    case "NoCandidate":
      return `${sentence(pin.message)} ${undo}`;
  }
}

function candidateLine(
  { node, eligible, eligibleSince, rank, reasons }: Candidate,
  gateway: GatewayPlan,
): string {
  const preference = rank === 0 ? "" : `, preferred with weight ${rank}`;
  if (!eligible) {
    return `${node} may not hold it${preference}: ${
      reasons.map(({ type, message }) => `${type}: ${message}`).join("; ")
    }.`;
  }
  const tolerated = reasons.map(({ type, message, retryAfter }) =>
    retryAfter === undefined
      ? `; ${type} takes no gateway from its holder: ${message}`
      : `; ${type} is tolerated until ${retryAfter}: ${message}`
  );
  const role = node === gateway.activeNodeName
    ? "holds it"
    : gateway.standbyNodeNames.includes(node)
    ? "stands by"
    : "is eligible";
  return `${node} ${role}, eligible since ${eligibleSince}${preference}${tolerated.join("")}.`;
}

function policyLine({ name, gateways, conditions }: PolicyPlan, gateway: string): string {
  const ready = conditions.find(({ type }) => type === "Ready");
  const own = gateways.find((way) => way.name === gateway);
  const share = gateways.length > 1 && own !== undefined
    ? ` (${own.shards} of ${SHARDS} shards of nodes)`
    : "";
  return `${name}${share}: ${sentence(ready?.message ?? "its state is not known")}`;
}

function sentence(text: string): string {
  return text.endsWith(".") ? text : `${text}.`;
}
