/** The Kubernetes Events that a gateway's outcome is worth. */
import type { GatewayOutcome } from "./gateway_outcome.ts";
import { virtualIPOf } from "./reports.ts";
import type { Condition, Decision, PlannedEvent } from "./types.ts";

const REASONS: Partial<Record<Decision, PlannedEvent["reason"]>> = {
  Elect: "Elected",
  FailOver: "FailedOver",
  FailBack: "FailedBack",
  Move: "Moved",
};

/** One event for each transition that an operator would want to read about later. */
export function eventsOf(outcome: GatewayOutcome): readonly PlannedEvent[] {
  const { gateway, decision, message, statusBefore, statusAfter } = outcome;
  const status = statusAfter ?? statusBefore;
  const about = { gateway: gateway.name, uid: gateway.uid };
  const moved = REASONS[decision];
  const turned = (type: string): Condition | undefined => {
    const now = status.conditions?.find((condition) => condition.type === type);
    const before = gateway.status.conditions?.find((condition) => condition.type === type);
    return now?.status === before?.status && now?.reason === before?.reason ? undefined : now;
  };
  const ready = turned("Ready");
  const conflict = turned("AddressConflict");
  return [
    ...(moved === undefined ? [] : [
      {
        ...about,
        type: moved === "FailedOver" ? "Warning" : "Normal",
        reason: moved,
        message,
      } as const,
    ]),
    ...(statusAfter !== undefined && virtualIPOf(gateway) !== undefined
      ? [
        {
          ...about,
          type: "Normal",
          reason: "VirtualIPBound",
          message: `${statusAfter.activeNodeName} holds ${
            virtualIPOf(gateway)
          } since term ${statusAfter.term}`,
        } as const,
      ]
      : []),
    ...(ready?.reason === "NoEligibleNode"
      ? [{ ...about, type: "Warning", reason: "NoEligibleNode", message: ready.message } as const]
      : []),
    ...(conflict?.status === "True"
      ? [
        {
          ...about,
          type: "Warning",
          reason: "AddressConflict",
          message: conflict.message,
        } as const,
      ]
      : []),
  ];
}
