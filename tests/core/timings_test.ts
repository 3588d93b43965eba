import assert from "node:assert/strict";
import { TIMINGS } from "../../src/core/timings.ts";

const {
  renewalMilliseconds: renewal,
  renewalTimeoutMilliseconds: renewalTimeout,
  missedRenewalMilliseconds: missedRenewal,
  pauseMilliseconds: pause,
  timeoutMilliseconds: timeout,
  clockGrainMilliseconds: clockGrain,
  abandonedMilliseconds: abandoned,
  leftoverMilliseconds: leftover,
  speechMilliseconds: speech,
  disputeMilliseconds: dispute,
  strangerMilliseconds: stranger,
  gateRefreshMilliseconds: gateRefresh,
  announceLifetimeMilliseconds: announceLifetime,
  announceMilliseconds: announce,
  lookMilliseconds: look,
  probeMilliseconds: probe,
  disconnectedProbeMilliseconds: disconnectedProbe,
  conflictMilliseconds: conflict,
  heardHolderMilliseconds: heardHolder,
  hearMilliseconds: hear,
  yieldMilliseconds: yielding,
  fenceMilliseconds: fence,
  bindTimeoutMilliseconds: bindTimeout,
  bindRetryMilliseconds: bindRetry,
  takeBackMilliseconds: takeBack,
  leaveMilliseconds: leave,
  returnMilliseconds: returning,
  longestReturnMilliseconds: longestReturn,
  settleMilliseconds: settle,
  worryMilliseconds: worry,
} = TIMINGS;

/** The table in the comment of timings.ts. */
const ROWS: readonly (readonly [string, boolean])[] = [
  [
    "renewal < renewalTimeout < missedRenewal",
    renewal < renewalTimeout && renewalTimeout < missedRenewal,
  ],
  ["2 renewalTimeout < pause", 2 * renewalTimeout < pause],
  ["pause < timeout", pause < timeout],
  ["2 renewalTimeout < speech", 2 * renewalTimeout < speech],
  ["dispute > speech", dispute > speech],
  ["probe < stranger", probe < stranger],
  ["fence >= speech + clockGrain", fence >= speech + clockGrain],
  ["missedRenewal < hear < yield", missedRenewal < hear && hear < yielding],
  ["look, renewal < gateRefresh", look < gateRefresh && renewal < gateRefresh],
  ["disconnectedProbe < speech", disconnectedProbe < speech],
  ["probe < conflict", probe < conflict],
  ["probe < heardHolder", probe < heardHolder],
  [
    "2 renewalTimeout < takeBack < bindTimeout",
    2 * renewalTimeout < takeBack && takeBack < bindTimeout,
  ],
  [
    "announce < announceLifetime <= speech",
    announce < announceLifetime && announceLifetime <= speech,
  ],
  [
    "yield + fence < settle; bindTimeout < settle",
    yielding + fence < settle && bindTimeout < settle,
  ],
  ["bindTimeout < bindRetry; speech < leave", bindTimeout < bindRetry && speech < leave],
  ["leave < return < longestReturn", leave < returning && returning < longestReturn],
  ["abandoned, fence < leftover", abandoned < leftover && fence < leftover],
  ["worry >= abandoned", worry >= abandoned],
];

for (const [row, holds] of ROWS) {
  Deno.test(`between the protocol's constants holds: ${row}`, () => {
    assert.ok(holds, JSON.stringify(TIMINGS));
  });
}

Deno.test("the table of inequalities in the comment is the one that is asserted", async () => {
  const source = await Deno.readTextFile(new URL("../../src/core/timings.ts", import.meta.url));
  const rows = [...source.matchAll(/^ \* \| (?!what holds|-)(.+?) \| .* \|$/gm)].map(([, row]) =>
    row
  );
  assert.deepEqual(rows, ROWS.map(([row]) => row));
});
