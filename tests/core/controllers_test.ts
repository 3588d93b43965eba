/** Whether controllers work, as their pods and what they wrote tell. */
import assert from "node:assert/strict";
import { ago, controllersSeen } from "../../src/core/controllers.ts";
import type { Pod } from "../../src/core/types.ts";
import { ciliumPod, gateway, NOW } from "../support/builders.ts";

const pod = (name: string, options: Partial<Pod> = {}) =>
  ciliumPod(name, {
    namespace: "sallyport-system",
    name: `sallyport-controller-${name}`,
    ...options,
  });
const before = (seconds: number) => NOW - seconds * 1_000;

const ROWS: readonly {
  readonly what: string;
  readonly pods: readonly Pod[] | undefined;
  readonly state: string;
  readonly says: RegExp;
}[] = [
  {
    what: "two ready",
    pods: [pod("a"), pod("b")],
    state: "Working",
    says: /^2 of 2 controllers ready; one last worked at 2026-11-23T09:59:48Z, 12 s ago$/,
  },
  {
    what: "one of two ready",
    pods: [pod("a"), pod("b", { ready: false })],
    state: "Working",
    says: /^1 of 2/,
  },
  {
    what: "none ready",
    pods: [pod("a", { ready: false, readySince: before(90) }), pod("b", { ready: false })],
    state: "NotWorking",
    says: /^None of 2 controllers is ready since 2026-11-23T09:58:30Z; one last worked at/,
  },
  {
    what: "only pods that have ended long ago",
    pods: [pod("a", { ready: false, ended: "Succeeded", readySince: before(600) })],
    state: "NotWorking",
    says: /^No controller runs; one last worked/,
  },
  {
    what: "a CronJob between two of its pods",
    pods: [pod("a", { ready: false, ended: "Succeeded", readySince: before(30) })],
    state: "Working",
    says: /CronJob ticked until 2026-11-23T09:59:30Z/,
  },
  { what: "no pod", pods: [], state: "Unknown", says: /^No controller's pod is found; one last/ },
  {
    what: "pods that may not be listed",
    pods: undefined,
    state: "Unknown",
    says: /may not be listed/,
  },
];

for (const { what, pods, state, says } of ROWS) {
  Deno.test(`of controllers with ${what} is said what that means`, () => {
    const seen = controllersSeen({
      pods,
      gateways: [gateway("x", { statusWrittenAt: before(12) }), gateway("y")],
      policies: [{ statusWrittenAt: before(100) }],
      now: NOW,
    });
    assert.equal(seen.state, state);
    assert.match(seen.message, says);
    assert.equal(seen.lastWrite, "2026-11-23T09:59:48Z");
  });
}

Deno.test("ages are told as people say them", () => {
  assert.deepEqual(
    [-5_000, 0, 119_999, 120_000, 7_200_000, 172_800_000].map(ago),
    ["0 s", "0 s", "119 s", "2 min", "2 h", "2 d"],
  );
});
