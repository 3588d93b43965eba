/** Numbers of terms when the status has lost some, or somebody makes some up. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { FENCE_ANNOTATION } from "../../src/core/names.ts";
import { MOST_LOST_TERMS } from "../../src/core/terms.ts";
import type { GatewayStatus, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { address, cluster, edit, gateway, policy, report, VIP } from "../support/builders.ts";
import { later, obey, running } from "../support/obedient_agents.ts";
import { gatewayPlan } from "../support/read_plan.ts";

/** a holds gateway "gw" in a term; b and c stand by. */
function holding(term: number): Snapshot {
  const first = running(cluster({
    nodes: { a: {}, b: {}, c: {} },
    gateways: [gateway("gw", { vip: VIP })],
    policies: [policy("web")],
  }));
  return obey(edit(first, { gateways: { gw: { status: { ...statusOf(first), term } } } }));
}

const statusOf = ({ gateways }: Snapshot): GatewayStatus => gateways[0]?.status ?? {};
const told = (term: number) => report({ addresses: [address({ term })] });
const HUGE = Number.MAX_SAFE_INTEGER;

/** Ticks and agents that obey, until the gateway is Active; the seconds that it took. */
function settled(start: Snapshot): { readonly seconds: number; readonly state: Snapshot } {
  let state = start;
  for (let seconds = 0; seconds < 30; seconds++) {
    state = applyPlan(state, decide(state));
    if (statusOf(state).phase === "Active" && seconds > 0) return { seconds, state };
    state = later(obey(state), 1);
  }
  throw new Error("It is not Active after 30 s");
}

for (
  const [what, edits, term] of [
    ["its fence", { a: { fence: { "uid-gw": 51 } } }, 52],
    ["its report", { a: { report: told(51) } }, 52],
    ["what it heard", { a: { report: report({ heard: { "uid-gw": 51 } }) } }, 52],
    // Once a term begins, it is above all that anybody knows.
    ["its fence, another's a later one", {
      a: { fence: { "uid-gw": 51 } },
      b: { fence: { "uid-gw": 60 } },
    }, 61],
  ] as const
) {
  Deno.test(`a holder that knows a later term by ${what} gets the next one in one step, and serves`, () => {
    const before = edit(holding(1), { leases: edits });
    const { term: begun, phase, activeNodeName } = gatewayPlan(decide(before));
    assert.deepEqual([begun, activeNodeName], [term, "a"]);
    assert.notEqual(phase, "Idle");
    const { seconds, state } = settled(before);
    assert.ok(seconds <= 2, `${seconds} s`);
    assert.deepEqual([statusOf(state).term, statusOf(state).phase], [term, "Active"]);
  });
}

for (
  const [what, edits] of [
    ["a fence", { b: { fence: { "uid-gw": 51 } } }],
    ["a report", { b: { report: told(51) } }],
    ["a claim", { b: { report: report({ addresses: [address({ term: 51, speaking: true })] }) } }],
  ] as const
) {
  Deno.test(`${what} of another node that tells of a later term ends nothing that works`, () => {
    const { term, phase, activeNodeName } = gatewayPlan(
      decide(edit(holding(1), { leases: edits })),
    );
    assert.deepEqual([term, phase, activeNodeName], [1, "Active", "a"]);
  });
}

Deno.test("a status that is gone begins above all that is known", () => {
  const before = edit(holding(7), { leases: { c: { fence: { "uid-gw": 9 } } } });
  const lost = edit(before, { gateways: { gw: { status: {} } } });
  assert.equal(gatewayPlan(decide(lost)).term, 10);
});

Deno.test("a holder that claims a later term than a lost status has is waited for when another is elected", () => {
  const lost = edit(holding(7), {
    gateways: { gw: { status: {}, annotations: gateway("gw", { pin: "b" }).annotations } },
  });
  const plan = decide(lost);
  assert.deepEqual([gatewayPlan(plan).phase, gatewayPlan(plan).term], ["Preparing", 8]);
  assert.match(gatewayPlan(plan).message, /a still speaks for the virtual IP/);
});

for (const lie of [HUGE, 2 ** 60, 1e300, -1, 0.5, MOST_LOST_TERMS + 2]) {
  Deno.test(`a term that nobody can have had is not believed: ${lie}`, () => {
    const lying = edit(holding(1), {
      leases: {
        a: { fence: { "uid-gw": lie } },
        b: { report: report({ addresses: [address({ term: lie, speaking: true })] }) },
        c: { report: report({ heard: { "uid-gw": lie } }) },
      },
    });
    const pinned = edit(lying, {
      gateways: { gw: { annotations: gateway("gw", { pin: "c" }).annotations } },
    });
    assert.equal(gatewayPlan(decide(lying)).term, 1);
    assert.equal(gatewayPlan(decide(pinned)).term, 2);
  });
}

Deno.test("a made-up fence that keeps the holder silent for good is set to its term", () => {
  const lying = edit(holding(4), { leases: { a: { fence: { "uid-gw": HUGE } } } });
  const fence = decide(lying).changes.find(({ kind }) => kind === "Lease");
  const { annotations } = fence?.body["metadata"] as { annotations: Record<string, string> };
  assert.equal(annotations[FENCE_ANNOTATION], JSON.stringify({ "uid-gw": 4 }));
  const after = applyPlan(lying, decide(lying));
  assert.deepEqual(decide(after).changes, []);
});

Deno.test("one liar pushes the terms by a bounded step at each move", () => {
  let state = holding(1);
  for (let move = 0; move < 5; move++) {
    const { term = 0 } = statusOf(state);
    const most = Math.min(term + MOST_LOST_TERMS, HUGE);
    const lying = edit(state, {
      leases: { c: { report: told(most) } },
      gateways: { gw: { annotations: gateway("gw", { pin: move % 2 ? "a" : "b" }).annotations } },
    });
    state = settled(lying).state;
    assert.ok((statusOf(state).term ?? 0) <= term + MOST_LOST_TERMS + 1);
  }
});
