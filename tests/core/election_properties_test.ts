/**
 * Who holds a gateway, in every cluster whatsoever: the rules of the election, written down a second time and without
 * the code that elects.
 */
import assert from "node:assert/strict";
import { PIN_ANNOTATION } from "../../src/core/names.ts";
import { decide } from "../../src/core/decide.ts";
import { virtualIPOf } from "../../src/core/reports.ts";
import type { Gateway, GatewayPlan, Labels, Snapshot } from "../../src/core/types.ts";
import { holds } from "../support/holds.ts";
import { found } from "../support/read_plan.ts";

interface Case {
  readonly gateway: Gateway;
  readonly planned: GatewayPlan;
  readonly snapshot: Snapshot;
  /** Names of those that may hold it. */
  readonly eligible: readonly string[];
  /** The holder before, and the one that is planned. */
  readonly before: string | undefined;
  readonly after: string | null;
  readonly pin: string | undefined;
}

/** A property of every gateway of every cluster. */
function holdsForEach(name: string, check: (one: Case) => number | void): void {
  holds(name, (snapshot) => {
    let cases = 0;
    for (const planned of decide(snapshot).gateways) {
      const gateway = found(
        snapshot.gateways.find((each) => each.name === planned.name),
        "gateway",
      );
      cases += check({
        gateway,
        planned,
        snapshot,
        eligible: planned.candidates.filter(({ eligible }) => eligible).map(({ node }) => node),
        before: gateway.status.activeNodeName,
        after: planned.activeNodeName,
        pin: gateway.annotations[PIN_ANNOTATION],
      }) ?? 1;
    }
    return cases;
  }, { runs: 1_500, floor: 5 });
}

function labelsOf(node: string, { nodes }: Snapshot): Labels {
  return nodes.find(({ name }) => name === node)?.labels ?? {};
}

function matches(labels: Labels, selector: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

function weightOf(node: string, { gateway, snapshot }: Case): number {
  let sum = 0;
  for (const { weight, nodeSelector } of gateway.spec.preferredNodes) {
    if (matches(labelsOf(node, snapshot), nodeSelector)) sum += weight;
  }
  return sum;
}

/** Tells whether a node comes before another for certain; by `Hash`, which of two equals does is anybody's guess. */
function comesBefore(one: string, other: string, context: Case): boolean {
  const more = weightOf(one, context) - weightOf(other, context);
  return more > 0 ||
    (more === 0 && context.gateway.spec.strategy === "Alphabetical" && one < other);
}

/** Tells whether a node's agent is late by its Lease, whoever's clock is right. */
function isLate(node: string, { leases, now }: Snapshot): boolean {
  const lease = leases.find(({ name }) => name === node);
  return lease?.renewedAt !== undefined &&
    (Math.abs(now - lease.renewedAt) > 2_000 || (lease.unchangedForMilliseconds ?? 0) > 1_200);
}

/** A virtual IP is on its way to the holder. */
function isHandedOver(gateway: Gateway): boolean {
  return gateway.status.phase === "Preparing" && virtualIPOf(gateway) !== undefined;
}

holdsForEach("a pinned node that may hold a gateway holds it", (one) => {
  const { pin, eligible, before, after, snapshot } = one;
  if (pin === undefined || !eligible.includes(pin)) return 0;
  if (before !== undefined && eligible.includes(before) && isLate(pin, snapshot)) return 0;
  assert.equal(after, pin);
});

holdsForEach(
  "whoever takes a gateway over matches its nodeSelector, and nothing is against it",
  (one) => {
    const { gateway, snapshot, eligible, before, after } = one;
    if (after === null || after === before) return 0;
    assert.ok(matches(labelsOf(after, snapshot), gateway.spec.nodeSelector), after);
    assert.ok(eligible.includes(after), after);
  },
);

holdsForEach("a gateway without a holder that may goes to the best of those that may", (one) => {
  const { pin, eligible, before, after } = one;
  if (before !== undefined && eligible.includes(before)) return 0;
  if (pin !== undefined && eligible.includes(pin)) return 0;
  const better = eligible.filter((node) => after !== node && comesBefore(node, after ?? "", one));
  assert.deepEqual(better, [], `${better} come before ${after}`);
});

holdsForEach(
  "a holder that may hold on is left for a pin, or for a better one that has been ready for long enough",
  (one) => {
    const { gateway, planned, snapshot, pin, eligible, before, after } = one;
    if (before === undefined || !eligible.includes(before) || after === before) return 0;
    if (pin !== undefined && eligible.includes(pin)) return 0;
    assert.equal(gateway.spec.failback.mode, "Auto");
    assert.ok(!isHandedOver(gateway), "a handover is broken off");
    assert.ok(!comesBefore(before, after ?? "", one), `${after} is no better than ${before}`);
    const since = planned.candidates.find(({ node }) => node === after)?.eligibleSince ?? "";
    const readyFor = snapshot.now - Date.parse(since);
    assert.ok(
      readyFor >= gateway.spec.failback.minReadySeconds * 1_000,
      `ready for ${readyFor} ms`,
    );
  },
);

holdsForEach(
  "the best of the better ones that have been ready for long enough gets the role back",
  (one) => {
    const { gateway, planned, snapshot, pin, eligible, before, after } = one;
    const { failback: { mode, minReadySeconds } } = gateway.spec;
    if (mode === "Never" || isHandedOver(gateway)) return 0;
    // Its own order is found with a look at the others: `balance_test.ts`.
    if (gateway.spec.strategy === "Balanced") return 0;
    if (before === undefined || !eligible.includes(before)) return 0;
    if (pin !== undefined && eligible.includes(pin)) return 0;
    const due = planned.candidates.filter(({ node, eligible, eligibleSince = "" }) =>
      eligible && comesBefore(node, before, one) && !isLate(node, snapshot) &&
      snapshot.now - Date.parse(eligibleSince) >= minReadySeconds * 1_000
    ).map(({ node }) => node);
    if (due.length > 0) assert.notEqual(after, before);
    assert.deepEqual(
      due.filter((node) => node !== after && comesBefore(node, after ?? "", one)),
      [],
    );
  },
);

holds("no holder that may hold on is left for one that became ready a moment ago", (snapshot) => {
  const nodes = snapshot.nodes.map((node) => ({ ...node, readySince: snapshot.now - 5_000 }));
  const gateways = snapshot.gateways.map((gateway): Gateway => {
    const failback = { mode: "Auto", minReadySeconds: 10 } as const;
    return { ...gateway, annotations: {}, spec: { ...gateway.spec, failback } };
  });
  let cases = 0;
  for (const planned of decide({ ...snapshot, nodes, gateways }).gateways) {
    const { activeNodeName, previousNodeName, candidates } = planned;
    const before = candidates.find(({ node }) => node === previousNodeName);
    if (!before?.eligible) continue;
    assert.equal(activeNodeName, previousNodeName);
    cases++;
  }
  return cases;
});

holdsForEach("where nobody may, Keep keeps the last holder and Drop leaves none", (one) => {
  const { gateway, eligible, before, after } = one;
  if (eligible.length > 0) return 0;
  assert.equal(after, gateway.spec.whenNoneEligible === "Keep" ? before ?? null : null);
});

holds("of gateways with one virtual IP, the oldest alone may have a holder", (snapshot) => {
  const ip = "172.18.18.200";
  const sharing = snapshot.gateways.map((gateway, index): Gateway => {
    const { spec } = gateway;
    const { sourceIP } = spec;
    const createdAt = gateway.createdAt - index * 1_000;
    return sourceIP.mode === "VirtualIPAddress"
      ? { ...gateway, createdAt, spec: { ...spec, sourceIP: { ...sourceIP, ips: [ip] } } }
      : { ...gateway, createdAt };
  });
  const oldest = sharing.findLast((gateway) => virtualIPOf(gateway) === ip)?.name;
  let cases = 0;
  for (const { name, activeNodeName } of decide({ ...snapshot, gateways: sharing }).gateways) {
    const gateway = found(sharing.find((each) => each.name === name), name);
    if (virtualIPOf(gateway) !== ip || name === oldest) continue;
    assert.equal(activeNodeName, null);
    cases++;
  }
  return cases;
}, { floor: 40 });
