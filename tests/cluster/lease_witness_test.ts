import assert from "node:assert/strict";
import { LeaseWitness } from "../../src/cluster/lease_witness.ts";
import type { Lease } from "../../src/core/types.ts";
import { lease } from "../support/builders.ts";

/** What is known of one Lease that is listed at each of these moments, in the order of time. */
function listed(...versions: readonly (readonly [number, Partial<Lease>])[]): Lease | undefined {
  const witness = new LeaseWitness();
  let judged: readonly Lease[] = [];
  for (const [at, version] of versions) {
    judged = witness.judge([{ ...lease("a"), ...version }], {
      sent: at,
      received: at + 10,
      isListed: true,
    });
  }
  return judged[0];
}

const FIRST = { resourceVersion: "1", renewedAt: 1_000 };
const SECOND = { resourceVersion: "2", renewedAt: 2_000 };

Deno.test("of a Lease that is seen for the first time nothing is known", () => {
  const { unchangedForMilliseconds, renewedWithinMilliseconds } = listed([0, FIRST]) ?? {};
  assert.deepEqual([unchangedForMilliseconds, renewedWithinMilliseconds], [undefined, undefined]);
});

Deno.test("a Lease is no younger than it was seen unchanged", () => {
  assert.equal(listed([0, FIRST], [5_000, FIRST])?.unchangedForMilliseconds, 4_990);
});

Deno.test("a Lease is no older than the last list that had another version", () => {
  const seen = listed([0, FIRST], [1_000, FIRST], [3_000, SECOND]);
  assert.equal(seen?.renewedWithinMilliseconds, 2_010);
});

Deno.test("what a watch tells late is no proof of youth", () => {
  const witness = new LeaseWitness();
  witness.note({ name: "a", ...FIRST }, 0);
  witness.note({ name: "a", ...SECOND }, 5_000);
  const [seen] = witness.judge([{ ...lease("a"), ...SECOND }], { sent: 5_010, received: 5_020 });
  assert.equal(seen?.renewedWithinMilliseconds, undefined);
});

Deno.test("an older version that a late watch or its copy tells of is no renewal, nor is the newer one after it", () => {
  const witness = new LeaseWitness();
  const versions = { first: { ...lease("a"), ...FIRST }, second: { ...lease("a"), ...SECOND } };
  const list = (at: number) =>
    witness.judge([versions.second], { sent: at, received: at + 10, isListed: true })[0];
  list(0);
  for (const at of [1_000, 2_000, 3_000]) {
    witness.note({ name: "a", ...FIRST }, at);
    witness.judge([versions.first], { sent: at + 100, received: at + 100 });
    const seen = list(at + 200);
    assert.equal(seen?.renewedWithinMilliseconds, undefined);
    assert.equal(seen?.heardWithinMilliseconds, undefined);
    assert.equal(seen?.unchangedForMilliseconds, at + 190);
  }
});

Deno.test("a list that has an older version, of an etcd that was restored, is believed", () => {
  const seen = listed([0, { ...SECOND, resourceVersion: "9" }], [1_000, FIRST], [4_000, SECOND]);
  assert.equal(seen?.renewedWithinMilliseconds, 3_010);
});

Deno.test("a Lease of an etcd that was restored has not been renewed just now", () => {
  const seen = listed([0, { ...SECOND, resourceVersion: "9" }], [1_000, FIRST]);
  const { renewedWithinMilliseconds, unchangedForMilliseconds } = seen ?? {};
  assert.deepEqual([renewedWithinMilliseconds, unchangedForMilliseconds], [undefined, undefined]);
});

Deno.test("a fence is no renewal, and has an age of its own", () => {
  const fenced = { ...FIRST, resourceVersion: "2", fence: { "uid-gw": 4 } };
  const renewed = { ...SECOND, resourceVersion: "3", fence: { "uid-gw": 4 } };
  const seen = listed([0, FIRST], [1_000, fenced], [2_000, renewed]);
  assert.deepEqual(seen?.fenceAges, {
    "uid-gw": { forMilliseconds: 990, withinMilliseconds: 2_010 },
  });
  assert.equal(listed([0, FIRST], [1_000, fenced])?.renewedWithinMilliseconds, undefined);
});
