/** The status of a gateway, composed from what was decided. */
import { listedCandidates } from "./candidates.ts";
import type { Election } from "./elect.ts";
import type { Facts } from "./facts.ts";
import { fitGatewayStatus } from "./fit.ts";
import { gatewayConditions } from "./gateway_conditions.ts";
import { historyOf } from "./moves.ts";
import type { Refusal } from "./refusals.ts";
import { familyOf } from "./ip_family.ts";
import { egressIPMembers, virtualIPsOf } from "./reports.ts";
import type { Handover } from "./takeover.ts";
import { begins } from "./tenure.ts";
import type { Tenure } from "./tenure.ts";
import { parseTime } from "./time.ts";
import type { Candidate, Gateway, GatewayStatus, Phase } from "./types.ts";

/** How many standbys a gateway in primary-IP mode lists; it prepares none. */
const LISTED_STANDBYS = 2;

export function statusOf(
  gateway: Gateway,
  context: {
    tenure: Tenure;
    phase: Phase;
    election: Election;
    candidates: readonly Candidate[];
    refusal: Refusal | null;
    facts: Facts;
    wait: Handover | undefined;
  },
): GatewayStatus {
  const { tenure, phase, candidates, facts } = context;
  const addresses = addressesOf(tenure.holder, { gateway, facts });
  const virtualIPs = tenure.holder === undefined ? [] : virtualIPsOf(gateway);
  const standbys = standbysOf(gateway, { candidates, holder: tenure.holder });
  const { now, clock = now } = facts.snapshot;
  const move = tenure.lastFailover;
  const completed =
    phase === "Active" && move !== undefined && move.durationMilliseconds === undefined
      ? {
        ...move,
        durationMilliseconds: Math.max(0, clock - (parseTime(move.startTime) ?? clock)),
      }
      : move;
  const history = historyOf(gateway, {
    ...context,
    begins: begins(gateway, { holder: tenure.holder, facts }),
    move: completed,
  });
  return fitGatewayStatus({
    observedGeneration: gateway.generation,
    ...(tenure.holder === undefined ? {} : { activeNodeName: tenure.holder }),
    ...(addresses.length === 0 ? {} : { activeNodeAddresses: addresses }),
    standbyNodeNames: standbys,
    ...egressIPMembers(virtualIPs),
    readyNodes: candidates.filter(({ eligible }) => eligible).length,
    term: tenure.term,
    phase,
    candidates: listedCandidates(candidates, tenure.holder),
    ...(completed === undefined ? {} : { lastFailover: completed }),
    ...(history.length === 0 ? {} : { history }),
    conditions: gatewayConditions(gateway, { ...context, standbys }),
  });
}

/**
 * What standbys ping: not the VIPs that a kubelet lists, which a standby has bound itself, so that it always answers. Where
 * none is listed, or the Node cannot be read, those that the same holder had before. By IPv6 where there is nothing else: one who
 * answers by either is there.
 */
function addressesOf(
  holder: string | undefined,
  { gateway, facts: { byNode, virtualIPs } }: { readonly gateway: Gateway; readonly facts: Facts },
): readonly string[] {
  const listed = holder === undefined ? undefined : byNode.get(holder)?.node.internalIPs;
  const all = listed?.filter((address) => !virtualIPs.has(address)) ?? [];
  const ipv4 = all.filter((address) => familyOf(address) === 4);
  const own = ipv4.length > 0 ? ipv4 : all;
  const { activeNodeName, activeNodeAddresses = [] } = gateway.status;
  return own.length === 0 && holder !== undefined && holder === activeNodeName
    ? activeNodeAddresses
    : own;
}

/** The best-ranked eligible candidates beside the holder. */
function standbysOf(
  gateway: Gateway,
  { candidates, holder }: { candidates: readonly Candidate[]; holder: string | undefined },
): readonly string[] {
  if (holder === undefined) return [];
  const { sourceIP } = gateway.spec;
  const count = sourceIP.mode === "VirtualIPAddress" ? sourceIP.standbys : LISTED_STANDBYS;
  return candidates.filter(({ eligible, node }) => eligible && node !== holder).slice(0, count)
    .map(({ node }) => node);
}
