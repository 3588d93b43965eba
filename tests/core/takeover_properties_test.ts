/** When a takeover may be finished, wherever it stands. */
import assert from "node:assert/strict";
import {
  claimsSpeech,
  freshReport,
  unreportedIPs,
  virtualIPOf,
  virtualIPsOf,
} from "../../src/core/reports.ts";
import { isSpeechExpired } from "../../src/core/heartbeat.ts";
import { decide } from "../../src/core/decide.ts";
import type { Gateway, GatewayPlan, JsonObject, Lease, Snapshot } from "../../src/core/types.ts";
import { anyHandover } from "../support/arbitrary_handover.ts";
import { property } from "../support/property.ts";
import { found, gatewayPlan } from "../support/read_plan.ts";

/** A property of every handover. */
function handsOver(name: string, check: (snapshot: Snapshot) => number): void {
  property(name, anyHandover, check, { runs: 3_000, floor: 200 });
}

/** Gateways with a VIP whose handover a plan finishes. */
function finished(snapshot: Snapshot): readonly { before: Gateway; planned: GatewayPlan }[] {
  return decide(snapshot).gateways.flatMap((planned) => {
    const before = found(snapshot.gateways.find(({ name }) => name === planned.name), "gateway");
    const { phase, term } = before.status;
    const served = phase === "Active" && term === planned.term;
    return planned.phase !== "Active" || virtualIPOf(before) === undefined || served
      ? []
      : [{ before, planned }];
  });
}

const leaseOf = ({ leases }: Snapshot, node: string | null | undefined): Lease | undefined =>
  leases.find(({ name }) => name === node);

handsOver(
  "Active is never written for a node that does not freshly report the VIP as bound",
  (snapshot) => {
    const moves = finished(snapshot);
    for (const { before, planned } of moves) {
      const lease = leaseOf(snapshot, planned.activeNodeName);
      assert.deepEqual(unreportedIPs(lease, before), []);
      assert.notEqual(freshReport(lease, { gateway: before, snapshot }), undefined);
    }
    return moves.length;
  },
);

handsOver(
  "Active is never written before the last speaker has read the term in silence, or is fenced; a lost Lease says nothing",
  (snapshot) => {
    let cases = 0;
    for (const lost of [undefined, ...snapshot.leases.map(({ name }) => name)]) {
      const leases = snapshot.leases.filter(({ name }) => name !== lost);
      const state = { ...snapshot, leases };
      for (const { before, planned } of finished(state)) {
        const speaker = spokeLast(before);
        if (speaker === undefined || speaker === planned.activeNodeName) continue;
        const lease = found(leaseOf(state, speaker), `Lease of ${speaker}`);
        const { addresses = [], heard = {} } = lease.report ?? {};
        const hasRead = !claimsSpeech(lease, virtualIPsOf(before)) &&
          ((heard[before.uid] ?? 0) >= planned.term ||
            addresses.some(({ uid, term }) => uid === before.uid && term >= planned.term));
        assert.ok(hasRead || mayBePassedOver(lease, { before, snapshot: state }), speaker);
        cases++;
      }
    }
    return cases;
  },
);

/** Where the VIP was spoken for when the snapshot was taken, as far as status tells. */
function spokeLast(
  { status: { phase, activeNodeName, lastFailover } }: Gateway,
): string | undefined {
  return phase === "Active"
    ? activeNodeName
    : phase === "Preparing"
    ? lastFailover?.from
    : undefined;
}

handsOver("Active is written after every policy of the gateway", (snapshot) => {
  const { changes } = decide(snapshot);
  let cases = 0;
  for (const { kind, group, stage, body } of changes) {
    const status = body["status"] as JsonObject | undefined;
    if (kind !== "EgressGateway" || status?.["phase"] !== "Active") continue;
    const gateway = found(snapshot.gateways.find(({ name }) => name === group), "gateway");
    if (virtualIPOf(gateway) === undefined) continue;
    const late = changes.filter((change) =>
      change.group === group && change.kind === "CiliumEgressGatewayPolicy" && change.stage >= stage
    );
    assert.deepEqual(late, []);
    cases++;
  }
  return cases;
});

handsOver(
  "Active is never written while another node may speak that is neither silent nor fenced",
  (snapshot) => {
    let cases = 0;
    for (const { before, planned } of finished(snapshot)) {
      for (const lease of snapshot.leases) {
        if (lease.name === planned.activeNodeName) continue;
        if (!claimsSpeech(lease, virtualIPsOf(before))) continue;
        // Nobody but the last speaker can have had a VIP that the gateway served with before.
        const { phase, egressIP, lastFailover } = before.status;
        const servedWith = phase === "Active" ? egressIP : lastFailover?.fromEgressIP;
        const known = servedWith === virtualIPOf(before) && spokeLast(before) !== undefined;
        if (known && lease.name !== spokeLast(before)) continue;
        assert.ok(mayBePassedOver(lease, { before, snapshot }), `${lease.name} still speaks`);
        cases++;
      }
    }
    return cases;
  },
);

/** A node that claims to speak and that a plan sets Active beside: gone, or fenced long enough. */
function mayBePassedOver(
  lease: Lease,
  { before, snapshot }: { before: Gateway; snapshot: Snapshot },
): boolean {
  const plan = decide(snapshot);
  const { term, candidates } = gatewayPlan(plan, before.name);
  const fencedBefore = (lease.fence[before.uid] ?? 0) >= term;
  const fencedNow = plan.changes.some(({ kind, name, group }) =>
    kind === "Lease" && name === lease.name && group === before.name
  );
  const unreachable = candidates.some(({ node, reasons }) =>
    node === lease.name && reasons.some(({ type }) => type === "Unreachable")
  );
  const seen = before.status.lastFailover?.fenced?.find(({ node }) => node === lease.name);
  if (term === before.status.term && snapshot.now - Date.parse(seen?.time ?? "") >= 4_000) {
    return true;
  }
  const gone = unreachable || isSpeechExpired(lease, snapshot.now);
  const waited = fencedBefore && snapshot.now - (lease.fencedAt ?? snapshot.now) >= 4_000;
  return gone ? fencedBefore || fencedNow : waited;
}
