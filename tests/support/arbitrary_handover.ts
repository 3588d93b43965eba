/** Random worlds in the middle of a takeover: what each node last said, in which term, how long ago, fenced or not. */
import fc from "fast-check";
import type { GatewayStatus, Snapshot } from "../../src/core/types.ts";
import { address, at, cluster, gateway, NOW, policy, VIP } from "./builders.ts";
import type { LeaseOptions, Machine } from "./builders.ts";

const NODES = ["a", "b", "c"] as const;
const TERM = 4;

const someTerm = fc.oneof(
  { weight: 3, arbitrary: fc.constant(TERM) },
  { weight: 1, arbitrary: fc.integer({ min: TERM - 2, max: TERM + 1 }) },
);

const VIP6 = "2001:db8::242";

const someLease: fc.Arbitrary<LeaseOptions | null> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  {
    weight: 9,
    arbitrary: fc.record({
      ago: fc.oneof(
        { weight: 4, arbitrary: fc.constant(0) },
        { weight: 3, arbitrary: fc.integer({ min: 1, max: 9 }) },
      ),
      bound: fc.oneof(
        { weight: 4, arbitrary: fc.constant(true) },
        { weight: 1, arbitrary: fc.constant(false) },
      ),
      term: someTerm,
      speaking: fc.boolean(),
      // Of the second address, where there is one.
      second: fc.constantFrom("bound", "bound", "speaking", "missing"),
      // In whose name: this gateway's, or that of one which is gone.
      uid: fc.oneof(
        { weight: 6, arbitrary: fc.constant("uid-gw") },
        { weight: 1, arbitrary: fc.constant("uid-gone") },
      ),
      unreachable: fc.subarray([...NODES], { maxLength: 1 }),
      fence: fc.oneof(fc.constant(undefined), someTerm),
      fencedAgo: fc.integer({ min: 0, max: 6 }),
    }).map(({ ago, bound, term, speaking, second, uid, unreachable, fence, fencedAgo }) => ({
      ago,
      report: {
        addresses: [
          ...(bound ? [address({ term, speaking, uid })] : []),
          ...(bound && second !== "missing"
            ? [address({ term, speaking: second === "speaking", uid, ip: VIP6 })]
            : []),
        ],
        heard: bound ? {} : { "uid-gw": term },
        unreachable,
      },
      ...(fence === undefined ? {} : {
        fence: { "uid-gw": fence },
        fencedAt: NOW - fencedAgo * 1_000,
      }),
    })),
  },
);

const someMachine: fc.Arbitrary<Machine> = fc.record({
  node: fc.oneof(
    { weight: 4, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.constantFrom({ ready: false }, { cordoned: true }) },
  ),
  lease: someLease,
});

const someStatus: fc.Arbitrary<GatewayStatus> = fc.record({
  phase: fc.oneof(
    { weight: 4, arbitrary: fc.constant("Preparing" as const) },
    { weight: 1, arbitrary: fc.constant("Active" as const) },
  ),
  activeNodeName: fc.constantFrom(...NODES),
  from: fc.constantFrom(...NODES, undefined),
  startedAgo: fc.integer({ min: 0, max: 6 }),
  // Where the VIP was before the move is known, or not.
  known: fc.boolean(),
  fenced: fc.uniqueArray(
    fc.record({ node: fc.constantFrom(...NODES), ago: fc.integer({ min: 0, max: 6 }) }),
    { selector: ({ node }) => node, maxLength: 2 },
  ),
}).map(({ phase, activeNodeName, from, startedAgo, known, fenced }) => ({
  term: TERM,
  phase,
  activeNodeName,
  egressIP: VIP,
  standbyNodeNames: NODES.filter((node) => node !== activeNodeName),
  lastFailover: {
    ...(from === undefined || from === activeNodeName ? {} : { from }),
    to: activeNodeName,
    reason: "earlier",
    startTime: at(-startedAgo),
    ...(known && phase === "Preparing" ? { fromEgressIP: VIP } : {}),
    fenced: fenced.map(({ node, ago }) => ({ node, time: at(-ago) })),
  },
}));

/** Three nodes and gateway "gw", whose VIP is being handed over, or both its VIPs. */
export const anyHandover: fc.Arbitrary<Snapshot> = fc.record({
  a: someMachine,
  b: someMachine,
  c: someMachine,
  status: someStatus,
  both: fc.boolean(),
}).map(({ status, both, ...nodes }) => {
  const { lastFailover } = status;
  const egressIPs = [VIP, VIP6];
  const known = lastFailover?.fromEgressIP !== undefined;
  return cluster({
    nodes,
    gateways: [
      both
        ? gateway("gw", {
          vip: egressIPs,
          status: {
            ...status,
            egressIPs,
            ...(lastFailover === undefined ? {} : {
              lastFailover: { ...lastFailover, ...(known ? { fromEgressIPs: egressIPs } : {}) },
            }),
          },
        })
        : gateway("gw", { vip: VIP, status }),
    ],
    policies: [policy("web", both ? { destinationCIDRs: ["0.0.0.0/0", "::/0"] } : {})],
  });
});
