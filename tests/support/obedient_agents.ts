/** Agents that do at once what the gateways' statuses tell them, and controllers that tick until nothing is left. */
import { decide } from "../../src/core/decide.ts";
import type { Gateway, Lease, Report, ReportedAddress, Snapshot } from "../../src/core/types.ts";
import { applyPlan, nextVersion } from "./apply_plan.ts";
import { at, NOW, report } from "./builders.ts";

/** The snapshot after a number of seconds; Leases that were fresh are renewed, those of the dead are not. */
export function later(
  before: Snapshot,
  seconds: number,
  dead: readonly string[] = [],
): Snapshot {
  const now = before.now + seconds * 1_000;
  return {
    ...before,
    now,
    leases: before.leases.map((lease) =>
      dead.includes(lease.name) || lease.renewedAt === undefined
        ? lease
        : { ...lease, renewedAt: now, resourceVersion: nextVersion(lease.resourceVersion) }
    ),
  };
}

/** Every agent but the dead ones reads the statuses, obeys, and renews its Lease. */
export function obey(before: Snapshot, dead: readonly string[] = []): Snapshot {
  return {
    ...before,
    leases: before.leases.map((lease) => {
      if (dead.includes(lease.name) || lease.renewedAt === undefined) return lease;
      const said: Report = lease.report ?? report();
      const addresses = before.gateways.flatMap((gateway) =>
        duty(gateway, { lease, said, before })
      );
      return {
        ...lease,
        renewedAt: before.now,
        resourceVersion: nextVersion(lease.resourceVersion),
        report: { ...said, addresses },
      };
    }),
  };
}

/** What one agent has bound for one gateway after it obeyed. */
function duty(
  { name, uid, spec, status }: Gateway,
  { lease, said, before }: { lease: Lease; said: Report; before: Snapshot },
): readonly ReportedAddress[] {
  if (spec.sourceIP.mode !== "VirtualIPAddress") return [];
  const term = status.term ?? 0;
  const holds = status.activeNodeName === lease.name;
  const servesYet = status.phase === "Preparing" && status.lastFailover?.from === lease.name;
  const standsBy = status.standbyNodeNames?.includes(lease.name) ?? false;
  if (!holds && !servesYet && !standsBy) return [];
  const speaking = holds && status.phase === "Active" && (lease.fence[uid] ?? 0) <= term;
  return spec.sourceIP.ips.map((ip) => {
    const bound = said.addresses.find((address) => address.uid === uid && address.ip === ip);
    const boundAt = bound?.boundAt ?? at((before.now - NOW) / 1_000);
    return { gateway: name, uid, term, ip, interface: "eth1", boundAt, speaking };
  });
}

export interface Settled {
  readonly snapshot: Snapshot;
  readonly rounds: number;
}

/** Ticks each second, agents obeying between ticks, until a tick plans nothing and no agent has anything to do. */
export function settle(
  start: Snapshot,
  { dead = [], limit = 30 }: { readonly dead?: readonly string[]; readonly limit?: number } = {},
): Settled {
  let state = start;
  for (let rounds = 0; rounds < limit; rounds++) {
    const plan = decide(state);
    const applied = applyPlan(state, plan);
    const obeyed = obey(applied, dead);
    const quiet = JSON.stringify(obeyed.leases.map((lease) => lease.report?.addresses)) ===
      JSON.stringify(state.leases.map((lease) => lease.report?.addresses));
    if (plan.changes.length === 0 && quiet) return { snapshot: state, rounds };
    state = later(obeyed, 1, dead);
  }
  throw new Error(`The world does not settle within ${limit} rounds`);
}

/** A cluster that has run for a while: every gateway has its holder, every agent its duties. */
export function running(start: Snapshot): Snapshot {
  return settle(start).snapshot;
}
