/** What an agent keeps of its uplink targets between two looks. */
import assert from "node:assert/strict";
import { uplinkKey } from "../../src/agent/core/uplinks.ts";
import type { UplinkProbe } from "../../src/agent/core/view.ts";
import type { UplinkListener } from "../../src/agent/hands.ts";
import { Uplinks } from "../../src/agent/uplinks.ts";

const PROBE: UplinkProbe = {
  kind: "icmp",
  family: 4,
  address: "10.0.0.1",
  interface: "eth1",
  source: "10.0.0.2",
  intervalMilliseconds: 1_000,
};
const KEY = uplinkKey(PROBE);

function watching() {
  let now = 0;
  let news = 0;
  const sets: (readonly UplinkProbe[])[] = [];
  let listener: UplinkListener | undefined;
  const uplinks = new Uplinks({
    hands: {
      probeUplinks: (given) => {
        listener = given;
        return { set: (probes) => void sets.push(probes) };
      },
    },
    now: () => now,
    onNews: () => void news++,
    signal: new AbortController().signal,
  });
  uplinks.set([PROBE]);
  assert.ok(listener);
  return {
    uplinks,
    sets,
    listener,
    news: () => news,
    pass: (milliseconds: number) => void (now += milliseconds),
  };
}

Deno.test("an answer counts from when it came, and is news only where it was missed", () => {
  const { uplinks, listener, news, pass } = watching();
  pass(100);
  listener.onAnswer(KEY, 20);
  assert.deepEqual(uplinks.answers.get(KEY), { heardAt: 80, answered: true });
  assert.equal(news(), 1);
  pass(1_000);
  listener.onAnswer(KEY, 0);
  assert.equal(news(), 1, "the loop need not run for each answer");
  pass(2_000);
  listener.onAnswer(KEY, 0);
  assert.equal(news(), 2);
  listener.onAnswer(KEY, 500);
  assert.equal(uplinks.answers.get(KEY)?.heardAt, 3_100, "one that is read late undoes nothing");
});

Deno.test("a silence in which somebody may have lost the target is remembered", () => {
  const { uplinks, listener, pass } = watching();
  pass(2_099);
  listener.onAnswer(KEY, 0);
  assert.equal(uplinks.answers.get(KEY)?.backAt, undefined);
  pass(2_100);
  listener.onAnswer(KEY, 0);
  assert.equal(uplinks.answers.get(KEY)?.backAt, 4_199);
  pass(1_000);
  listener.onAnswer(KEY, 0);
  assert.equal(uplinks.answers.get(KEY)?.backAt, 4_199);
});

Deno.test("the time in which this process stood still is held against no target", () => {
  const { uplinks, listener, pass } = watching();
  listener.onAnswer(KEY, 0);
  pass(5_000);
  uplinks.excuse(4_500);
  assert.equal(uplinks.answers.get(KEY)?.heardAt, 4_500);
  pass(1_000);
  uplinks.excuse(30);
  assert.equal(uplinks.answers.get(KEY)?.heardAt, 4_500, "a loop is a little late now and then");
  uplinks.excuse(60_000);
  assert.equal(uplinks.answers.get(KEY)?.heardAt, 6_000, "nobody answers in the future");
});

Deno.test("a target that could not be asked begins anew when it can", () => {
  const { uplinks, listener, news, pass } = watching();
  listener.onAnswer(KEY, 0);
  listener.onProblem(KEY, "fping is missing");
  listener.onProblem(KEY, "fping is missing");
  assert.equal(uplinks.answers.get(KEY)?.problem, "fping is missing");
  assert.equal(news(), 2);
  pass(10_000);
  listener.onBegin(KEY);
  assert.deepEqual(uplinks.answers.get(KEY), { heardAt: 10_000, answered: false });
});

Deno.test("what is asked is told once, and what is no longer asked is forgotten", () => {
  const { uplinks, listener, sets } = watching();
  listener.onAnswer(KEY, 0);
  uplinks.set([PROBE]);
  assert.equal(sets.length, 1);
  uplinks.set([]);
  assert.equal(uplinks.answers.size, 0);
  listener.onAnswer(KEY, 0);
  assert.equal(uplinks.answers.size, 0);
});
