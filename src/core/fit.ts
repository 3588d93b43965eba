/**
 * Statuses as their CRDs accept them, whatever nodes, agents and people wrote into what they tell: one place for every
 * string and list of them. A status that cannot be written would end all failover of its gateway.
 *
 * Names, addresses and times come from objects that the API server has checked, or from decoders that did.
 */
import type { GatewayStatus, PolicyStatus } from "./types.ts";

/** Sentences are for people; all of a status must fit into an etcd object of 1.5 MB, at up to 4 bytes a character. */
const MOST_CHARACTERS = 512;

/** Most items of lists: of what one status may list, and of what is said about one candidate. */
const MOST_ITEMS = 64;
const MOST_REASONS = 32;

/** Most conditions of an object. */
export const MOST_CONDITIONS = 16;

/** A gateway's status, fit to be written. */
export function fitGatewayStatus(status: GatewayStatus): GatewayStatus {
  const { activeNodeAddresses, standbyNodeNames, candidates, lastFailover } = status;
  return {
    ...fitConditions(status),
    ...(activeNodeAddresses && { activeNodeAddresses: activeNodeAddresses.slice(0, MOST_ITEMS) }),
    ...(standbyNodeNames && { standbyNodeNames: standbyNodeNames.slice(0, MOST_ITEMS) }),
    ...(candidates && {
      candidates: candidates.map((candidate) =>
        candidate.reasons.length === 0 ? candidate : {
          ...candidate,
          reasons: candidate.reasons.slice(0, MOST_REASONS).map(fitMessage),
        }
      ),
    }),
    ...(lastFailover && {
      lastFailover: {
        ...lastFailover,
        reason: fitText(lastFailover.reason),
        ...(lastFailover.fenced && { fenced: lastFailover.fenced.slice(0, MOST_ITEMS) }),
      },
    }),
  };
}

/** A policy's status, fit to be written. */
export function fitPolicyStatus(status: PolicyStatus): PolicyStatus {
  return fitConditions(status);
}

/** A status of whatever kind, whose conditions are fit to be written. */
export function fitConditions<T extends Pick<GatewayStatus, "conditions">>(status: T): T {
  return status.conditions === undefined
    ? status
    : { ...status, conditions: status.conditions.map(fitMessage) };
}

function fitMessage<T extends { readonly message: string }>(item: T): T {
  const message = fitText(item.message);
  return message === item.message ? item : { ...item, message };
}

/** A text of bounded length, in whole characters; what a terminal would obey, and halves of characters, become U+FFFD. */
export function fitText(text: string): string {
  // Most texts are short and are not taken apart.
  const printable = text.toWellFormed().replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    "\ufffd",
  );
  if (printable.length <= MOST_CHARACTERS) return printable;
  const characters = [...printable.slice(0, 2 * MOST_CHARACTERS)];
  return characters.length <= MOST_CHARACTERS && printable.length <= 2 * MOST_CHARACTERS
    ? printable
    : `${characters.slice(0, MOST_CHARACTERS - 1).join("")}…`;
}
