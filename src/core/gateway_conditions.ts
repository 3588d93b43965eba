/** The conditions of a gateway: Ready, Degraded, NoStandby, AddressConflict, and Pinned and Stalled where it is. */
import { listedCandidates } from "./candidates.ts";
import { conditionsFrom, stalled } from "./conditions.ts";
import type { Finding } from "./conditions.ts";
import type { Election } from "./elect.ts";
import type { Facts } from "./facts.ts";
import { trustInHeartbeats } from "./heartbeat.ts";
import { listed } from "./listed.ts";
import { pinOf } from "./pin.ts";
import type { Refusal } from "./refusals.ts";
import type { Handover } from "./takeover.ts";
import type { Tenure } from "./tenure.ts";
import type { Candidate, Condition, Gateway, Phase } from "./types.ts";
import { blindNodes, ignoredTargets } from "./uplinks.ts";

interface Context {
  readonly tenure: Tenure;
  readonly phase: Phase;
  readonly election: Election;
  readonly candidates: readonly Candidate[];
  readonly standbys: readonly string[];
  readonly refusal: Refusal | null;
  readonly facts: Facts;
  readonly wait: Handover | undefined;
}

/** The virtual IP is a node's own, or an older gateway's: it takes another address. */
const STALLED: ReadonlySet<string> = new Set(["AddressConflict"]);

/** Judges a gateway as it stands once the status that carries these conditions is written. */
export function gatewayConditions(gateway: Gateway, context: Context): readonly Condition[] {
  const whether = ready(context);
  const findings = [
    whether,
    degraded(gateway, context),
    noStandby(context),
    addressConflict(context),
    ...pinned(gateway, context),
    ...stalled(whether, STALLED),
  ];
  return conditionsFrom(findings, {
    stored: gateway.status.conditions,
    generation: gateway.generation,
    now: context.facts.snapshot.now,
  });
}

function ready({ tenure, phase, candidates, election, refusal, wait }: Context): Finding {
  const type = "Ready";
  if (refusal?.refused) {
    return { type, status: "False", reason: "AddressConflict", message: refusal.message };
  }
  const holder = candidates.find(({ node }) => node === tenure.holder);
  if (holder?.eligible !== true) {
    return { type, status: "False", reason: "NoEligibleNode", message: election.message };
  }
  if (phase !== "Active") {
    const why = wait?.state === "waiting" ? `: ${wait.message}` : "";
    return {
      type,
      status: "False",
      reason: "Preparing",
      message: `Handover to ${holder.node} is under way${why}`,
    };
  }
  return { type, status: "True", reason: "Active", message: `${holder.node} is active` };
}

/** Only where there is a pin. */
function pinned(gateway: Gateway, { candidates }: Context): readonly Finding[] {
  const pin = pinOf(gateway, candidates);
  if (pin === undefined) return [];
  const status = pin.state === "Obeyed" ? "True" : "False";
  return [{ type: "Pinned", status, reason: pin.state, message: pin.message }];
}

function degraded(gateway: Gateway, { candidates, tenure, facts }: Context): Finding {
  const type = "Degraded";
  if (trustInHeartbeats(gateway, facts) === "Doubted") {
    return {
      type,
      status: "True",
      reason: "HeartbeatsIgnored",
      message:
        "Too many heartbeats are stale at once, or all others have only just begun, as when the API server was away; only the nodes' Ready conditions are believed",
    };
  }
  const unread = candidates.flatMap(({ node, eligible, reasons }) =>
    reasons.filter(({ type }) => eligible && type === "Unreadable").map(({ message }) => ({
      node,
      message,
    }))
  );
  if (unread[0] !== undefined) {
    const { node, message } = unread[0];
    return {
      type,
      status: "True",
      reason: "Unreadable",
      message: `${node} goes on, though not all about it can be read: ${message}`,
    };
  }
  const ignored = ignoredTargets(gateway, facts);
  if (ignored.length > 0) {
    return {
      type,
      status: "True",
      reason: "UplinkTargetsIgnored",
      message: `No candidate hears ${
        listed(ignored)
      }: the targets are likelier at fault than all uplinks at once, and do not count`,
    };
  }
  const excluded = candidates.filter(({ eligible }) => !eligible);
  // Agents look where they are listed.
  const nodes = listedCandidates(candidates, tenure.holder).map(({ node }) => node);
  const blind = excluded.length === 0 ? blindNodes(gateway, { nodes, facts }) : [];
  if (blind.length > 0) {
    return {
      type,
      status: "True",
      reason: "UplinkNotWatched",
      message: `Whether their uplink works is not known: ${
        listed(blind.map(({ node, why }) => `${node} (${why})`))
      }`,
    };
  }
  if (excluded.length === 0) {
    return { type, status: "False", reason: "AllEligible", message: "All candidates are eligible" };
  }
  const named = listed(excluded.map(({ node, reasons }) => `${node} (${reasons[0]?.type})`));
  return {
    type,
    status: "True",
    reason: "CandidatesExcluded",
    message: `Not eligible: ${named}`,
  };
}

function noStandby({ standbys, tenure, candidates }: Context): Finding {
  const type = "NoStandby";
  const [first] = candidates.filter(({ eligible, node }) => eligible && node !== tenure.holder);
  return first === undefined
    ? { type, status: "True", reason: "NoEligibleNode", message: "No other node could take over" }
    : {
      type,
      status: "False",
      reason: "StandbyEligible",
      message: `${standbys[0] ?? first.node} would take over`,
    };
}

function addressConflict({ refusal, candidates }: Context): Finding {
  const type = "AddressConflict";
  if (refusal !== null) {
    return { type, status: "True", reason: "AddressInUse", message: refusal.message };
  }
  for (const { node, reasons } of candidates) {
    const conflict = reasons.find((reason) => reason.type === "AddressConflict");
    if (conflict !== undefined) {
      return {
        type,
        status: "True",
        reason: "AnotherOwner",
        message: `Seen from ${node}: ${conflict.message}`,
      };
    }
  }
  return {
    type,
    status: "False",
    reason: "NoConflict",
    message: "No other owner of the address is known",
  };
}
