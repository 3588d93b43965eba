/** Silence: how old a heartbeat is, when to believe it, and when peers' word is enough. */
import assert from "node:assert/strict";
import {
  hasMissedRenewal,
  isObserverSuspect,
  isSpeechExpired,
  isStale,
} from "../../src/core/heartbeat.ts";
import { decide } from "../../src/core/decide.ts";
import { rfc3339 } from "../../src/core/time.ts";
import type { Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import {
  cluster,
  edit,
  gateway,
  lastRenewed,
  lease,
  NOW,
  report,
  VIP,
} from "../support/builders.ts";
import type { Machine } from "../support/builders.ts";
import { later, running } from "../support/obedient_agents.ts";
import { candidate, gatewayCondition, gatewayPlan, reasonTypes } from "../support/read_plan.ts";

const AGES: readonly {
  readonly ago: number | null;
  readonly unchanged?: number;
  readonly missed: boolean;
  readonly stale: boolean;
  readonly expired: boolean;
}[] = [
  { ago: 0, missed: false, stale: false, expired: false },
  { ago: 1, missed: false, stale: false, expired: false },
  { ago: 2, missed: true, stale: false, expired: false },
  // Cut-off seconds: 3 may be 2.001 s in truth, so that speech (3 s) may not have expired before 4.
  { ago: 3, missed: true, stale: false, expired: false },
  { ago: 4, missed: true, stale: true, expired: true },
  // Its agent may have renewed another one, which was deleted a moment ago.
  { ago: null, missed: true, stale: true, expired: false },
  { ago: null, unchanged: 3_001, missed: true, stale: true, expired: true },
  { ago: 1, unchanged: 1_200, missed: false, stale: false, expired: false },
  { ago: 1, unchanged: 1_201, missed: true, stale: false, expired: false },
  { ago: 1, unchanged: 3_000, missed: true, stale: false, expired: false },
  { ago: 1, unchanged: 3_001, missed: true, stale: false, expired: true },
  { ago: 1, unchanged: 4_000, missed: true, stale: true, expired: true },
  // Clocks of two API servers may differ by a second.
  { ago: -1, missed: false, stale: false, expired: false },
];

for (const { ago, unchanged, missed, stale, expired } of AGES) {
  const renewed = ago === null ? "never renewed" : `renewed ${ago} s ago`;
  const seen = unchanged === undefined ? "" : `, seen unchanged for ${unchanged} ms`;
  Deno.test(`a Lease ${renewed}${seen}: missed ${missed}, stale ${stale}, speech expired ${expired}`, () => {
    const subject = lease("a", {
      ago,
      ...(unchanged === undefined ? {} : { unchangedForMilliseconds: unchanged }),
    });
    assert.deepEqual(
      {
        missed: hasMissedRenewal(subject, NOW),
        stale: isStale(subject, NOW, 4),
        expired: isSpeechExpired(subject, NOW),
      },
      { missed, stale, expired },
    );
  });
}

const FRESH: Machine = {};
const LEFT_BEHIND = { lease: { ago: 60 } };
const STALE: Machine = { lease: { ago: 30 } };
const DOWN: Machine = { node: { ready: "Unknown" }, lease: { ago: 30 } };

/** Renewed now, and without a pause for so many seconds; null: for the first time since a pause. */
function heardFor(seconds: number | null): Machine {
  const renewingSince = seconds === null ? null : rfc3339(NOW - seconds * 1_000);
  return { lease: { report: { renewingSince } } };
}

const GUARD: readonly {
  readonly nodes: readonly Machine[];
  readonly which: string;
  readonly suspect: boolean;
}[] = [
  { which: "2 of 3 heartbeats are stale", nodes: [STALE, STALE, FRESH], suspect: true },
  { which: "all of 2 heartbeats are stale", nodes: [STALE, STALE], suspect: true },
  { which: "1 of 2 heartbeats is stale", nodes: [STALE, FRESH], suspect: false },
  { which: "the only heartbeat is stale", nodes: [STALE], suspect: false },
  {
    which: "1 of 3 is stale and the others have begun again 3 s ago, as after an outage",
    nodes: [STALE, heardFor(3), heardFor(null)],
    suspect: true,
  },
  {
    which: "1 of 3 is stale and another has been heard for 4 s",
    nodes: [STALE, heardFor(4), heardFor(null)],
    suspect: false,
  },
  { which: "none is stale and all have just begun", nodes: [heardFor(0), FRESH], suspect: false },
  { which: "2 of 4 heartbeats are stale", nodes: [STALE, STALE, FRESH, FRESH], suspect: false },
  {
    which: "3 of 5 heartbeats are stale",
    nodes: [STALE, STALE, STALE, FRESH, FRESH],
    suspect: true,
  },
  {
    which: "the stale ones are of nodes that are not ready",
    nodes: [DOWN, DOWN, FRESH],
    suspect: false,
  },
  {
    which: "one of two stale ones is of a node that is not ready",
    nodes: [DOWN, STALE, FRESH],
    suspect: false,
  },
  {
    which: "the stale ones were left behind by agents that no longer run",
    nodes: [{ ...LEFT_BEHIND, agent: null }, { ...LEFT_BEHIND, agent: null }, FRESH],
    suspect: false,
  },
  {
    which: "two Leases were never renewed",
    nodes: [{ lease: { ago: null } }, { lease: { ago: null } }, FRESH],
    suspect: false,
  },
  { which: "nobody has a heartbeat", nodes: [{ lease: null }, { lease: null }], suspect: false },
];

for (const { which, nodes, suspect } of GUARD) {
  Deno.test(`heartbeats are ${suspect ? "ignored" : "believed"} when ${which}`, () => {
    const machines = Object.fromEntries(nodes.map((machine, index) => [`n${index}`, machine]));
    const before = cluster({ nodes: machines, gateways: [gateway("gw")] });
    assert.equal(isObserverSuspect(before, { timeoutSeconds: 4 }), suspect);
    assert.equal(decide(before).heartbeatsIgnored, suspect);
  });
}

Deno.test("Leases of nodes that do not exist do not vote on the observer", () => {
  const before = cluster({ nodes: { a: {} } });
  const strays = ["x", "y", "z"].map((name) => lease(name, { ago: 99 }));
  const leases = [...before.leases, ...strays];
  assert.equal(isObserverSuspect({ ...before, leases }, { timeoutSeconds: 4 }), false);
});

Deno.test("while most heartbeats are stale nobody is moved, and a condition says so", () => {
  const healthy = running(cluster({ nodes: { a: {}, b: {}, c: {} }, gateways: [gateway("gw")] }));
  const silent = lastRenewed(healthy, { a: 30, b: 30 });
  const plan = decide(silent);
  assert.equal(gatewayPlan(plan).activeNodeName, "a");
  assert.equal(candidate(plan, "a").eligible, true);
  const degraded = gatewayCondition(silent, plan, "Degraded");
  assert.deepEqual([degraded.status, degraded.reason], ["True", "HeartbeatsIgnored"]);
});

Deno.test("while most heartbeats are stale, a holder that is not ready is still replaced", () => {
  const healthy = running(
    cluster({ nodes: { a: {}, b: {}, c: {}, d: {} }, gateways: [gateway("gw")] }),
  );
  const silent = edit(lastRenewed(healthy, { a: 30, b: 30, c: 30 }), {
    nodes: { a: { ready: "Unknown" } },
  });
  const plan = decide(silent);
  assert.equal(plan.heartbeatsIgnored, true);
  assert.equal(gatewayPlan(plan).activeNodeName, "b");
});

Deno.test("heartbeats that nobody asked for are not called ignored", () => {
  const nodes = { a: STALE, b: STALE };
  const ignoring = gateway("gw", { failureDetection: { heartbeat: "Ignore" } });
  assert.equal(decide(cluster({ nodes, gateways: [ignoring] })).heartbeatsIgnored, false);
});

/** a holds, and was found silent in the tick before. */
function silentBefore(): Snapshot {
  const healthy = running(cluster({ nodes: { a: {}, b: {}, c: {} }, gateways: [gateway("gw")] }));
  const silent = lastRenewed(healthy, { a: 4 });
  const plan = decide(silent);
  assert.deepEqual(reasonTypes(plan, "a"), ["HeartbeatStale"]);
  assert.equal(gatewayPlan(plan).activeNodeName, "b");
  return applyPlan(silent, plan);
}

Deno.test("a node that was silent is believed again only when it renews in time", () => {
  const before = later(silentBefore(), 2, ["a"]);
  // 2 s is fresh by timeoutSeconds, but a renewal has been missed.
  assert.deepEqual(reasonTypes(decide(lastRenewed(before, { a: 2 })), "a"), ["HeartbeatStale"]);
  assert.deepEqual(reasonTypes(decide(lastRenewed(before, { a: 1 })), "a"), []);
  // Others keep the full timeout.
  assert.deepEqual(reasonTypes(decide(lastRenewed(before, { c: 3 })), "c"), []);
});

/** A VIP gateway that a holds, b and c standing by; then a misses renewals and peers miss its pings. */
function missedBy(
  witnesses: readonly string[],
  { ago = 2, nodes = ["a", "b", "c"], peers = true } = {},
): Snapshot {
  const healthy = running(cluster({
    nodes: Object.fromEntries(nodes.map((name) => [name, {}])),
    gateways: [gateway("gw", { vip: VIP, failureDetection: { peers } })],
  }));
  const reports = Object.fromEntries(healthy.leases.map(({ name, report: said = report() }) => [
    name,
    { report: { ...said, unreachable: witnesses.includes(name) ? ["a"] : [] } },
  ]));
  return lastRenewed(edit(healthy, { leases: reports }), { a: ago });
}

const PEERS: readonly {
  readonly name: string;
  readonly before: () => Snapshot;
  readonly unreachable: boolean;
}[] = [
  {
    name: "a holder that its only standby misses, and that missed a renewal, is Unreachable",
    before: () => missedBy(["b"], { nodes: ["a", "b"] }),
    unreachable: true,
  },
  {
    name: "a holder that both standbys miss, and that missed a renewal, is Unreachable",
    before: () => missedBy(["b", "c"]),
    unreachable: true,
  },
  {
    name: "a holder that one of two standbys still hears is not Unreachable",
    before: () => missedBy(["b"]),
    unreachable: false,
  },
  {
    name: "a standby that missed a renewal itself is no witness",
    before: () => lastRenewed(missedBy(["b"]), { c: 2 }),
    unreachable: true,
  },
  {
    name: "without any fresh standby nobody is Unreachable",
    before: () => lastRenewed(missedBy(["b", "c"]), { b: 2, c: 2 }),
    unreachable: false,
  },
  {
    name: "a holder that all standbys miss but that renews is not Unreachable",
    before: () => missedBy(["b", "c"], { ago: 1 }),
    unreachable: false,
  },
  {
    name: "a node that does not stand by has no say, though it hears the holder",
    before: () => missedBy(["b", "c"], { nodes: ["a", "b", "c", "d"] }),
    unreachable: true,
  },
  {
    name: "peers are not asked where failureDetection.peers is off",
    before: () => missedBy(["b", "c"], { peers: false }),
    unreachable: false,
  },
];

for (const { name, before, unreachable } of PEERS) {
  Deno.test(name, () => {
    const plan = decide(before());
    assert.deepEqual(reasonTypes(plan, "a"), unreachable ? ["Unreachable"] : []);
    assert.equal(gatewayPlan(plan).activeNodeName, unreachable ? "b" : "a");
  });
}

Deno.test("a standby that peers miss is not Unreachable: only the holder is pinged", () => {
  const before = missedBy([]);
  const accused = edit(lastRenewed(before, { a: 0, b: 2 }), {
    leases: { c: { report: report({ unreachable: ["b"] }) } },
  });
  assert.deepEqual(reasonTypes(decide(accused), "b"), []);
});

Deno.test("an Unreachable node stays out until it renews in time, though it holds nothing now", () => {
  const before = missedBy(["b", "c"]);
  const moved = applyPlan(before, decide(before));
  assert.deepEqual(reasonTypes(decide(moved), "a"), ["HeartbeatStale", "Unreachable"]);
  assert.deepEqual(reasonTypes(decide(lastRenewed(later(moved, 1), { a: 0 })), "a"), []);
});

for (const [ago, eligible] of [[59, false], [60, true]] as const) {
  Deno.test(`a heartbeat that stopped ${ago} s ago on a node without an agent ${eligible ? "no longer counts" : "counts"}`, () => {
    const before = cluster({
      nodes: { a: { agent: null, lease: { ago } }, b: {}, c: {} },
      gateways: [gateway("gw")],
    });
    const [candidate] = decide(before).gateways[0]?.candidates.filter(({ node }) => node === "a") ??
      [];
    assert.equal(candidate?.eligible, eligible);
  });
}
