/** What becomes of a pin: the annotation that names the node which is to hold a gateway. */
import { PIN_ANNOTATION } from "./names.ts";
import type { Candidate, Gateway, Pin } from "./types.ts";

/** How many candidates a sentence names. */
const LISTED = 5;

/** Undefined where there is no pin. */
export function pinOf(gateway: Gateway, candidates: readonly Candidate[]): Pin | undefined {
  const node = gateway.annotations[PIN_ANNOTATION];
  if (node === undefined) return undefined;
  const candidate = candidates.find((other) => other.node === node);
  if (candidate === undefined) {
    return {
      node,
      state: "NoCandidate",
      message: `The pin names ${node || "no node"}, which is no candidate: ${listed(candidates)}`,
    };
  }
  if (candidate.eligible) return { node, state: "Obeyed", message: `${node} is pinned` };
  const [first] = candidate.reasons;
  const why = first === undefined ? "" : `: ${first.type}: ${first.message}`;
  return {
    node,
    state: "NotEligible",
    message: `The pin names ${node}, which may not hold it now${why}`,
  };
}

function listed(candidates: readonly Candidate[]): string {
  if (candidates.length === 0) return "there is none";
  const names = candidates.slice(0, LISTED).map(({ node }) => node).sort().join(", ");
  const more = candidates.length - LISTED;
  return `candidates are ${names}${more > 0 ? ` and ${more} more` : ""}`;
}
