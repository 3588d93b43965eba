/** The way of a gateway's traffic from pod to wire, step by step: what is as it should be and what is not. */
import { gatherFacts } from "./facts.ts";
import { addressSteps } from "./path_address.ts";
import { ciliumSteps } from "./path_cilium.ts";
import type { PathFacts, PathSources, Step } from "./path_types.ts";
import type { Gateway } from "./types.ts";

/** All steps, in the order in which a packet takes them. */
export function pathOf(gateway: Gateway, sources: PathSources): readonly Step[] {
  const facts: PathFacts = { ...sources, gateway, facts: gatherFacts(sources.snapshot) };
  return [...ciliumSteps(facts), ...addressSteps(facts)];
}
