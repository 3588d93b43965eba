/** The Kubernetes Events that a plan is worth: one for each transition that an operator would want to read, or count, later. */
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { byText } from "./order.ts";
import type { PolicyOutcome } from "./policy_outcome.ts";
import { virtualIPsOf } from "./reports.ts";
import { parseTime, rfc3339 } from "./time.ts";
import type {
  Change,
  Condition,
  EventReason,
  GatewayStatus,
  MoveReason,
  PlannedEvent,
  PolicyStatus,
} from "./types.ts";

/** Of more in one plan, the first are told: each is a request, and a cluster that breaks down has better things to do. */
const MOST_EVENTS = 100;

/** Reasons of a policy's conditions that are told as they are. */
const POLICY_TROUBLE: Readonly<Record<string, EventReason>> = {
  NameClash: "NameClash",
  GatewayNotFound: "GatewayNotFound",
  NamespaceNotAllowed: "NamespaceNotAllowed",
  EverythingExcluded: "EverythingExcluded",
  FamilyNotServed: "FamilyNotServed",
  NoActiveNode: "NoActiveNode",
  ActiveNodeNotEligible: "ActiveNodeNotEligible",
  SameTraffic: "SameTraffic",
};

type About = Pick<PlannedEvent, "kind" | "name" | "uid" | "group">;
type Told = Pick<PlannedEvent, "type" | "reason" | "message">;

/**
 * The events of all outcomes. Only of objects whose status is written in this plan: what it says is told once, and by who says
 * it; of two controllers that would word it differently, by neither.
 */
export function eventsOf(
  { gateways, policies, changes }: {
    readonly gateways: readonly GatewayOutcome[];
    readonly policies: readonly PolicyOutcome[];
    readonly changes: readonly Change[];
  },
): readonly PlannedEvent[] {
  const written = new Map(
    changes.filter(({ subresource }) => subresource === "status")
      .map(({ kind, name, group }) => [`${kind}/${name}`, group]),
  );
  const about = (kind: About["kind"], { name, uid }: { name: string; uid: string }): About[] => {
    const group = written.get(`${kind}/${name}`);
    return group === undefined ? [] : [{ kind, name, uid, group }];
  };
  return [
    ...gateways.flatMap((outcome) =>
      about("EgressGateway", outcome.gateway).flatMap((object) =>
        ofGateway(outcome).map((told) => ({ ...object, ...told }))
      )
    ),
    ...policies.flatMap((outcome) =>
      about("EgressGatewayPolicy", outcome.policy).flatMap((object) =>
        ofPolicy(outcome).map((told) => ({ ...object, ...told }))
      )
    ),
  ].sort((a, b) => byText(a.kind, b.kind) || byText(a.name, b.name)).slice(0, MOST_EVENTS);
}

const MOVES: Readonly<Record<MoveReason, EventReason>> = {
  Elected: "Elected",
  FailedOver: "FailedOver",
  Moved: "Moved",
  FailedBack: "FailedBack",
  Renewed: "Renewed",
  Dropped: "NoEligibleNode",
};

function ofGateway(outcome: GatewayOutcome): readonly Told[] {
  const { gateway, statusBefore, statusAfter, past } = outcome;
  const status = statusAfter ?? statusBefore;
  const ready = turned("Ready", { before: gateway.status, after: status });
  const conflict = turned("AddressConflict", { before: gateway.status, after: status });
  const pin = turned("Pinned", { before: gateway.status, after: status });
  const begins = past !== undefined && past.term !== gateway.status.term;
  return [
    ...(begins && past.reason !== "Dropped"
      ? [told(MOVES[past.reason as MoveReason], outcome.message, past.planned)]
      : []),
    ...(statusAfter !== undefined && virtualIPsOf(gateway).length > 0
      ? [told(
        "VirtualIPBound",
        `${statusAfter.activeNodeName} holds ${
          virtualIPsOf(gateway).join(" and ")
        } since term ${statusAfter.term}`,
      )]
      : []),
    ...(ready?.reason === "NoEligibleNode" ? [told("NoEligibleNode", ready.message, false)] : []),
    ...(ready?.status === "True" && wasDown(outcome)
      ? [told("Recovered", `${ready.message}; ${downSince(gateway.status)}`)]
      : []),
    ...(conflict?.status === "True" ? [told("AddressConflict", conflict.message, false)] : []),
    ...(pin?.status === "False" ? [told("PinNotObeyed", pin.message)] : []),
  ];
}

function told(reason: EventReason, message: string, well = true): Told {
  return { type: well ? "Normal" : "Warning", reason, message };
}

/** The condition of a type where it says something else than before. */
function turned(
  type: string,
  { before, after }: {
    readonly before: GatewayStatus | PolicyStatus;
    readonly after: GatewayStatus | PolicyStatus;
  },
): Condition | undefined {
  const [was, is] = [conditionOf(before, type), conditionOf(after, type)];
  return is?.status === was?.status && is?.reason === was?.reason ? undefined : is;
}

function conditionOf({ conditions }: GatewayStatus | PolicyStatus, type: string) {
  return conditions?.find((condition) => condition.type === type);
}

/** Tells whether a gateway that is ready was not, and for another cause than the move that ends now. */
function wasDown({ gateway: { status } }: GatewayOutcome): boolean {
  const ready = conditionOf(status, "Ready");
  if (ready?.status !== "False" || status.lastFailover === undefined) return false;
  if (ready.reason !== "Preparing") return true;
  const [since, began] = [
    parseTime(ready.lastTransitionTime),
    parseTime(status.lastFailover.startTime),
  ];
  // Transitions are told in whole seconds.
  return since !== undefined && began !== undefined && since < Math.floor(began / 1_000) * 1_000;
}

function downSince(status: GatewayStatus | PolicyStatus): string {
  const since = parseTime(conditionOf(status, "Ready")?.lastTransitionTime);
  return since === undefined ? "it was not ready" : `it was not ready since ${rfc3339(since)}`;
}

function ofPolicy({ policy, status }: PolicyOutcome): readonly Told[] {
  const change = { before: policy.status, after: status };
  const ready = turned("Ready", change);
  const conflict = turned("Conflicted", change);
  const trouble = [ready, conflict].filter((condition) => condition !== undefined)
    .flatMap(({ reason, message }) => {
      const event = POLICY_TROUBLE[reason];
      return event === undefined ? [] : [told(event, message, false)];
    });
  const was = conditionOf(policy.status, "Ready");
  return [
    // A name clash is said by both conditions.
    ...trouble.filter(({ reason }, index) =>
      trouble.findIndex((other) => other.reason === reason) === index
    ),
    ...(ready?.status !== "True"
      ? []
      : was?.status === "False"
      ? [told("Recovered", `${ready.message}; ${downSince(policy.status)}`)]
      : was === undefined
      ? [told("Active", ready.message)]
      : []),
  ];
}
