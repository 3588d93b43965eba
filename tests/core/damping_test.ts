/** A node that comes and goes: it is left at once, and gets its role back ever later. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { explainGateway } from "../../src/core/explain.ts";
import type { GatewayStatus, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, edit, gateway, policy } from "../support/builders.ts";
import type { GatewayOptions } from "../support/builders.ts";
import { gatewayPlan } from "../support/read_plan.ts";

const FAILBACK = { failback: { minReadySeconds: 0 } } as const;

const statusOf = ({ gateways }: Snapshot): GatewayStatus => gateways[0]?.status ?? {};

function held(options: GatewayOptions = FAILBACK, others: readonly string[] = []): Snapshot {
  const start = cluster({
    nodes: Object.fromEntries(["a", "b", ...others].map((name) => [name, {}])),
    gateways: [gateway("gw", options)],
    policies: [policy("web")],
  });
  return applyPlan(start, decide(start));
}

/** A tick a second later, with a ready or not. */
function next(state: Snapshot, ready: boolean, seconds = 1): Snapshot {
  const now = state.now + seconds * 1_000;
  const later = {
    ...state,
    now,
    leases: state.leases.map((lease) => ({ ...lease, renewedAt: now })),
  };
  const seen = edit(later, { nodes: { a: { ready: ready ? "True" : "False" } } });
  return applyPlan(seen, decide(seen));
}

/** a is ready for 6 s and not ready for 6 s, in turns; the second of each move, and who held it then. */
function flapping(start: Snapshot, seconds: number): readonly (readonly [number, string])[] {
  const moves: (readonly [number, string])[] = [];
  let state = start;
  for (let second = 0; second < seconds; second++) {
    const before = statusOf(state).activeNodeName;
    state = next(state, Math.floor(second / 6) % 2 === 0);
    const after = statusOf(state).activeNodeName ?? "";
    if (after !== before) moves.push([second, after]);
  }
  return moves;
}

for (
  const [what, options] of [
    ["ranked better", FAILBACK],
    ["pinned", { ...FAILBACK, pin: "a" }],
  ] as const
) {
  Deno.test(`a node that is ${what} and comes and goes each 6 s moves its gateway ever less often`, () => {
    const moves = flapping(held(options), 300);
    assert.ok(
      moves.length >= 4 && moves.length <= 12,
      `${moves.length} moves: ${moves.join("; ")}`,
    );
    for (const [second, node] of moves) {
      // It is left in the very second in which it goes.
      if (node === "b") assert.equal(second % 12, 6);
    }
    const returns = moves.filter(([, node]) => node === "a").map(([second]) => second);
    const gaps = returns.slice(1).map((second, index) => second - (returns[index] ?? 0));
    assert.deepEqual(gaps, [...gaps].sort((one, other) => one - other));
  });
}

Deno.test("a pinned node that goes and comes several times a second moves its gateway ever less often", () => {
  let state = held({ ...FAILBACK, pin: "a" });
  const begin = state.now;
  let moves = 0;
  for (let look = 0; look < 40; look++) {
    const clock = begin + look * 125;
    const before = statusOf(state).activeNodeName;
    const at = { ...state, now: Math.floor(clock / 1_000) * 1_000, clock };
    const seen = edit(at, { nodes: { a: { ready: look % 2 === 0 ? "True" : "False" } } });
    state = applyPlan(seen, decide(seen));
    if (statusOf(state).activeNodeName !== before) moves++;
  }
  assert.ok(moves >= 2 && moves <= 4, `${moves} moves`);
});

Deno.test("a pinned node that comes and goes before it has served moves its gateway ever less often", () => {
  const virtual = { vip: "172.18.18.242", pin: "a" } as const;
  let state = held({ ...FAILBACK, ...virtual });
  let moves = 0;
  for (let second = 1; second <= 20; second++) {
    const before = statusOf(state).activeNodeName;
    state = next(state, second % 2 === 0);
    // No agent reports the address, so that the handover does not end.
    assert.equal(statusOf(state).phase, "Preparing");
    if (statusOf(state).activeNodeName !== before) moves++;
  }
  assert.ok(moves >= 2 && moves <= 4, `${moves} moves`);
});

Deno.test("a first return is not put off, and a second one says until when it is", () => {
  const returned = next(next(held(), false), true);
  assert.equal(statusOf(returned).activeNodeName, "a");
  assert.equal(statusOf(returned).lastFailover?.returns, 1);
  const again = next(next(returned, false), true);
  assert.equal(statusOf(again).activeNodeName, "b");
  const plan = decide(again);
  const text = explainGateway(gatewayPlan(plan), plan);
  assert.match(
    text,
    /Why: b is eligible; the role went back once shortly before, so a gets it back not before 20\S+Z\./,
  );
  // The words stay, so that the status comes to rest.
  assert.deepEqual(plan.changes, []);
  assert.equal(statusOf(next(again, true, 20)).activeNodeName, "a");
});

Deno.test("a person's pin to a node that was never away is obeyed at once, however often the role went back", () => {
  let state = held();
  for (let times = 0; times < 3; times++) state = next(next(state, false), true, 200);
  const pinned = edit(state, {
    gateways: { gw: { annotations: gateway("gw", { pin: "b" }).annotations } },
  });
  assert.equal(gatewayPlan(decide(pinned)).activeNodeName, "b");
});

Deno.test("a pin to a node that just came, and did not hold the gateway before, is obeyed at once", () => {
  let state = held(FAILBACK, ["c"]);
  for (let times = 0; times < 3; times++) state = next(next(state, false), true, 100);
  assert.equal(statusOf(state).activeNodeName, "a");
  assert.ok((statusOf(state).lastFailover?.returns ?? 0) > 0);
  const away = edit(state, { nodes: { c: { ready: "False" } } });
  const back = edit(applyPlan(away, decide(away)), {
    nodes: { c: { ready: "True" } },
    gateways: { gw: { annotations: gateway("gw", { pin: "c" }).annotations } },
  });
  assert.equal(gatewayPlan(decide(back)).activeNodeName, "c");
});

Deno.test("returns are forgotten once a gateway has stayed where it is", () => {
  const returned = next(next(held(), false), true);
  const away = next(next(returned, true, 120), false);
  assert.equal(statusOf(away).lastFailover?.returns, undefined);
  assert.equal(statusOf(next(away, true)).activeNodeName, "a");
});
