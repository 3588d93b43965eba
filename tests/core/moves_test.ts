/** What a gateway remembers of its moves: who asked for them, and what clients went without. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { REMEMBERED_MOVES } from "../../src/core/moves.ts";
import type { PastMove, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, edit, gateway, lastRenewed, VIP, withoutMachine } from "../support/builders.ts";
import { later, obey, running } from "../support/obedient_agents.ts";
import { writes } from "../support/read_plan.ts";

const three = { a: {}, b: {}, c: {} };
const virtual = (options: Parameters<typeof gateway>[1] = {}) =>
  running(cluster({ nodes: three, gateways: [gateway("gw", { vip: VIP, ...options })] }));
const primary = () => running(cluster({ nodes: three, gateways: [gateway("gw")] }));
const bare = { agent: null, lease: null };

function pinned(state: Snapshot, node: string): Snapshot {
  return edit(state, {
    gateways: { gw: { annotations: gateway("gw", { pin: node }).annotations } },
  });
}

/** The kubelet of node a has said nothing for 7 s. */
function silent(state: Snapshot): Snapshot {
  return edit(state, { nodes: { a: { ready: "Unknown", readySince: state.now - 7_000 } } });
}

/** The latest move once the cluster has come to rest. */
function settled(state: Snapshot, seconds = 6): { state: Snapshot; move: PastMove } {
  let after = state;
  for (let second = 0; second < seconds; second++) {
    after = obey(later(applyPlan(after, decide(after)), second === 0 ? 0 : 1));
  }
  return { state: after, move: headOf(after) };
}

function headOf({ gateways }: Snapshot): PastMove {
  const [head] = gateways[0]?.status.history ?? [];
  assert.ok(head !== undefined, "the gateway remembers a move");
  return head;
}

const ROWS: readonly {
  readonly when: string;
  readonly before: () => Snapshot;
  /** Null: not known. */
  readonly expected: Pick<PastMove, "reason" | "planned"> & { readonly outage: number | null };
}[] = [
  {
    when: "a gateway is elected for the first time",
    before: () => cluster({ nodes: three, gateways: [gateway("gw", { vip: VIP })] }),
    expected: { reason: "Elected", planned: true, outage: null },
  },
  {
    when: "the holder dies: detection counts",
    before: () => lastRenewed(virtual(), { a: 4 }),
    expected: { reason: "FailedOver", planned: false, outage: 4_000 },
  },
  {
    when: "the holder dies and a resident controller saw when",
    before: () => {
      const dead = lastRenewed(virtual(), { a: 4 });
      return edit({ ...dead, clock: dead.now + 300 }, {
        leases: { a: { renewedAt: dead.now - 4_000, unchangedForMilliseconds: 4_050 } },
      });
    },
    expected: { reason: "FailedOver", planned: false, outage: 4_050 },
  },
  {
    when: "a cordoned holder dies before it could be moved",
    before: () => edit(lastRenewed(virtual(), { a: 4 }), { nodes: { a: { cordoned: true } } }),
    expected: { reason: "FailedOver", planned: false, outage: 4_000 },
  },
  {
    when: "the holder is cordoned",
    before: () => edit(primary(), { nodes: { a: { cordoned: true } } }),
    expected: { reason: "Moved", planned: true, outage: 0 },
  },
  {
    when: "the holder's labels are taken away",
    before: () => {
      const state = running(cluster({
        nodes: {
          a: { node: { labels: { role: "egress" } } },
          b: { node: { labels: { role: "egress" } } },
        },
        gateways: [gateway("gw", { nodeSelector: { role: "egress" } })],
      }));
      return edit(state, { nodes: { a: { labels: {} } } });
    },
    expected: { reason: "Moved", planned: true, outage: 0 },
  },
  {
    when: "the holder's machine is gone",
    before: () => withoutMachine(primary(), "a"),
    expected: { reason: "FailedOver", planned: false, outage: null },
  },
  {
    when: "kubelet is silent and no agent runs",
    before: () =>
      silent(running(cluster({ nodes: { a: bare, b: bare }, gateways: [gateway("gw")] }))),
    expected: { reason: "FailedOver", planned: false, outage: 7_000 },
  },
  {
    when: "kubelet is silent while the agent is heard: the node serves until it is told otherwise",
    before: () => silent(primary()),
    expected: { reason: "FailedOver", planned: false, outage: 0 },
  },
  {
    when: "a pin moves it",
    before: () => pinned(primary(), "c"),
    expected: { reason: "Moved", planned: true, outage: 0 },
  },
  {
    when: "a pin names the standby of a holder that dies",
    before: () => lastRenewed(pinned(virtual(), "a"), { a: 4 }),
    expected: { reason: "FailedOver", planned: false, outage: 4_000 },
  },
];

for (const { when, before, expected } of ROWS) {
  Deno.test(`history when ${when}`, () => {
    const { reason, planned, outageMilliseconds = null } = settled(before(), 1).move;
    assert.deepEqual({ reason, planned, outage: outageMilliseconds }, expected);
  });
}

Deno.test("an outage goes on through a move that was given up, and through the time without a node", () => {
  const dead = lastRenewed(virtual({ whenNoneEligible: "Drop" }), { a: 4, b: 4, c: 4 });
  const sick = { ready: "False" } as const;
  const { state } = settled(edit(dead, { nodes: { a: sick, b: sick, c: sick } }), 1);
  const dropped = headOf(state);
  assert.deepEqual(
    [dropped.reason, dropped.planned, dropped.to, dropped.outageMilliseconds],
    ["Dropped", false, undefined, undefined],
  );
  const back = edit(later(state, 60), { nodes: { b: { ready: "True" } } });
  const { move } = settled(obey(lastRenewed(back, { b: 0 })));
  assert.deepEqual([move.reason, move.planned, move.to], ["Elected", false, "b"]);
  assert.equal(move.outageSince, dropped.outageSince);
  assert.ok((move.outageMilliseconds ?? 0) >= 64_000, `${move.outageMilliseconds} ms`);
});

Deno.test("the last moves are remembered, the latest first, and nothing is written at rest", () => {
  let state: Snapshot = virtual();
  for (let move = 1; move <= REMEMBERED_MOVES + 5; move++) {
    state = settled(pinned(later(state, 1_300), move % 2 === 0 ? "b" : "c")).state;
  }
  const history = state.gateways[0]?.status.history ?? [];
  assert.equal(history.length, REMEMBERED_MOVES);
  assert.deepEqual(history.map(({ term }) => term), history.map((_, index) => 26 - index));
  assert.ok(history.every(({ durationMilliseconds }) => durationMilliseconds !== undefined));
  assert.deepEqual(writes(decide(state)), []);
});

Deno.test("a status of a version that remembers no moves gets no entry at rest, and a move of it none of another term's", () => {
  const before = virtual();
  const { history: _, ...status } = before.gateways[0]?.status ?? {};
  assert.deepEqual(writes(decide(edit(before, { gateways: { gw: { status } } }))), []);
  // The other version moved it on: the entry of the term before stays what it was.
  const moved = { ...before.gateways[0]?.status, term: 9 };
  const plan = decide(edit(before, { gateways: { gw: { status: moved } } }));
  assert.equal(plan.gateways[0]?.move, undefined);
});
