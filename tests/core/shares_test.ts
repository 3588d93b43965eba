/** Shares of several gateways: by rendezvous hashing, so that a change of the list moves what it must and nothing else. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ownersOf, SHARDS } from "../../src/core/shares.ts";
import { property } from "../support/property.ts";
import { say } from "../support/say.ts";

const weighted = (names: readonly string[], weights: Readonly<Record<string, number>> = {}) =>
  names.map((name) => ({ name, weight: weights[name] ?? 1 }));

/** Shard -> the name of its gateway. */
const ownerNames = (names: readonly string[], weights: Readonly<Record<string, number>> = {}) =>
  ownersOf(weighted(names, weights)).map((index) => names[index] ?? "nobody");

const count = (owners: readonly string[], name: string) =>
  owners.filter((owner) => owner === name).length;

const someName = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}[a-z0-9]$/);
const someNames = (minLength: number, maxLength = 16) =>
  fc.uniqueArray(someName, { minLength, maxLength });

property(
  "a gateway that is added takes its share, and nothing moves between the others",
  fc.tuple(someNames(1, 15), someName),
  ([names, added]) => {
    if (names.includes(added)) return 0;
    const before = ownerNames(names);
    const after = ownerNames([...names, added]);
    after.forEach((owner, shard) => assert.ok(owner === added || owner === before[shard]));
    return 1;
  },
);

property(
  "one that is taken out leaves its share to the others, and they keep theirs",
  someNames(3),
  (names) => {
    const [gone = "", ...rest] = names;
    const before = ownerNames(names);
    const after = ownerNames(rest);
    before.forEach((owner, shard) => assert.ok(owner === gone || owner === after[shard]));
  },
);

property(
  "the order of the list does not matter",
  someNames(2).chain((names) =>
    fc.tuple(fc.constant(names), fc.shuffledSubarray(names, { minLength: names.length }))
  ),
  ([names, shuffled]) => {
    assert.deepEqual(ownerNames(shuffled), ownerNames(names));
  },
);

property(
  "a larger weight takes from the others, and gives nothing away",
  fc.tuple(someNames(2), fc.integer({ min: 1, max: 15 })),
  ([names, weight]) => {
    const [heavy = ""] = names;
    const before = ownerNames(names, { [heavy]: weight });
    const after = ownerNames(names, { [heavy]: weight + 1 });
    after.forEach((owner, shard) => assert.ok(owner === heavy || owner === before[shard]));
  },
);

Deno.test("shares are as large as weights say, within what chance does to 256 shards", () => {
  const rows: string[] = [];
  for (const size of [2, 3, 4, 8, 16]) {
    const shares = Array.from({ length: 200 }, (_, run) => {
      const names = Array.from({ length: size }, (_, index) => `egress-${run}-${index}`);
      const owners = ownerNames(names);
      return names.map((name) => count(owners, name) * size / SHARDS);
    });
    const smallest = shares.map((share) => Math.min(...share));
    const largest = shares.map((share) => Math.max(...share));
    const mean = (list: readonly number[]) => list.reduce((sum, each) => sum + each) / list.length;
    rows.push(
      `${size} gateways, 200 lists: smallest share x${mean(smallest).toFixed(2)} (${
        Math.min(...smallest).toFixed(2)
      } at worst), largest x${mean(largest).toFixed(2)} (${Math.max(...largest).toFixed(2)})`,
    );
    assert.ok(Math.min(...smallest) > 0, "a gateway without a share");
  }
  say(rows.join("\n"));
  const heavy = Array.from({ length: 200 }, (_, run) => {
    const names = [`a-${run}`, `b-${run}`, `c-${run}`];
    return count(ownerNames(names, { [`a-${run}`]: 3 }), `a-${run}`) / SHARDS;
  });
  const mean = heavy.reduce((sum, each) => sum + each) / heavy.length;
  assert.ok(Math.abs(mean - 3 / 5) < 0.01, `weight 3 of 5 has ${mean}`);
});

Deno.test("shares are the same in every release: whoever changes them moves pods", () => {
  assert.deepEqual(
    ["egress-a", "egress-b", "egress-c"].map((name) =>
      count(ownerNames(["egress-a", "egress-b", "egress-c"]), name)
    ),
    [88, 79, 89],
  );
  assert.deepEqual(
    ownersOf(weighted(["egress-a", "egress-b", "egress-c"])).slice(0, 24).join(""),
    "222021210222212001000120",
  );
});
