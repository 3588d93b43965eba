/** Random worlds for properties: mostly healthy, with every kind of fault, status and report in between. */
import fc from "fast-check";
import type {
  GatewayStatus,
  Report,
  ReportedAddress,
  Snapshot,
  Uplink,
} from "../../src/core/types.ts";
import { applyPlan } from "./apply_plan.ts";
import {
  address,
  at,
  cluster,
  foreignCiliumPolicy,
  gateway,
  invalid,
  NOW,
  policy,
} from "./builders.ts";
import type { GatewayOptions, LeaseOptions, Machine } from "./builders.ts";
import { decide } from "../../src/core/decide.ts";

const NODES = ["n0", "n1", "n2", "n3", "n4"];
const GATEWAYS = ["g0", "g1", "g2"];

export const vipOf = (name: string): string => `172.18.18.${10 + GATEWAYS.indexOf(name)}`;

const vip6Of = (name: string): string => `2001:db8::${10 + GATEWAYS.indexOf(name)}`;

type Source = "Primary" | "IPv4" | "IPv6" | "Both";

const someSource: fc.Arbitrary<Source> = fc.oneof(
  { weight: 3, arbitrary: fc.constant("Primary" as const) },
  { weight: 2, arbitrary: fc.constant("IPv4" as const) },
  { weight: 1, arbitrary: fc.constantFrom("IPv6" as const, "Both" as const) },
);

/** The virtual IPs of a gateway. */
function vipsOf(name: string, source: Source): readonly string[] {
  return [
    ...(source === "IPv4" || source === "Both" ? [vipOf(name)] : []),
    ...(source === "IPv6" || source === "Both" ? [vip6Of(name)] : []),
  ];
}

/** Once in about `odds` times the unusual value, else the usual one. */
function rarely<T>(odds: number, usual: T, unusual: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: odds - 1, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: unusual },
  );
}

const secondsAgo = fc.oneof(fc.constant(3_600), fc.integer({ min: 0, max: 20 }));

/** One address of a gateway, or both, which may be told otherwise of each. */
const boundAddresses: fc.Arbitrary<readonly ReportedAddress[]> = fc.record({
  gateway: fc.constantFrom(...GATEWAYS),
  which: fc.constantFrom<readonly (typeof vipOf)[]>([vipOf], [vip6Of], [vipOf, vip6Of]),
  isHalfSilent: fc.boolean(),
  term: fc.integer({ min: 0, max: 4 }),
  speaking: fc.boolean(),
  conflict: rarely<string | undefined>(8, undefined, fc.constant("02:00:00:00:00:07")),
}).map(({ conflict, which, isHalfSilent, speaking, ...rest }) =>
  which.map((ipOf, index) =>
    address({
      ip: ipOf(rest.gateway),
      ...rest,
      speaking: speaking && (index === 0 || !isHalfSilent),
      ...(conflict === undefined ? {} : { conflict }),
    })
  )
);

const UPLINK_TARGETS = ["icmp:10.0.0.1", "tcp:10.0.0.2:443"];

function uplinkOf(name: string): fc.Arbitrary<Report["uplinks"][number]> {
  const state = () =>
    rarely<"reached" | "missing" | "lost" | "unknown">(
      3,
      "reached",
      fc.constantFrom("missing", "lost", "lost", "unknown"),
    );
  return fc.tuple(...UPLINK_TARGETS.map(state)).map((states) => {
    const in_ = (wanted: string) => UPLINK_TARGETS.filter((_, index) => states[index] === wanted);
    return {
      gateway: name,
      uid: `uid-${name}`,
      reached: in_("reached"),
      missing: in_("missing"),
      lost: in_("lost"),
    };
  });
}

const someReport: fc.Arbitrary<Partial<Report>> = fc.record({
  interfaces: rarely<Report["interfaces"]>(
    8,
    [{ name: "eth1", up: true }],
    fc.constant([{ name: "eth1", up: false }]),
  ),
  cilium: rarely<NonNullable<Report["cilium"]>>(8, { ready: true }, fc.constant({ ready: false })),
  addresses: fc.uniqueArray(boundAddresses, {
    selector: ([first]) => first?.gateway,
    maxLength: 3,
  }).map((all) => all.flat()),
  failures: rarely<Report["failures"]>(
    10,
    [],
    fc.constant([{ gateway: "g0", reason: "BindFailed", message: "no" }]),
  ),
  uplinks: fc.tuple(...GATEWAYS.map((name) => uplinkOf(name))),
  unreachable: rarely<string[]>(6, [], fc.subarray(NODES)),
  leaving: rarely(10, false, fc.constant(true)),
});

const someLease: fc.Arbitrary<LeaseOptions | null> = rarely(
  10,
  null as LeaseOptions | null,
  fc.constant(null),
).chain((none) =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constant(none) },
    {
      weight: 6,
      arbitrary: fc.record({
        ago: rarely<number | null>(3, 0, fc.integer({ min: 1, max: 6 })),
        report: someReport,
        fence: rarely<Record<string, number>>(
          3,
          {},
          fc.dictionary(
            fc.constantFrom(...GATEWAYS.map((name) => `uid-${name}`)),
            fc.integer({ min: 0, max: 5 }),
            { noNullPrototype: true },
          ),
        ),
        fencedAt: fc.integer({ min: 0, max: 6 }).map((ago) => NOW - ago * 1_000),
      }),
    },
  )
);

const someMachine: fc.Arbitrary<Machine> = fc.record({
  node: fc.record({
    ready: rarely<"True" | "False" | "Unknown" | "Missing">(
      6,
      "True",
      fc.constantFrom("False", "Unknown", "Missing"),
    ),
    cordoned: rarely(8, false, fc.constant(true)),
    deleting: rarely(20, false, fc.constant(true)),
    labels: fc.record({
      role: rarely(5, "egress", fc.constant("worker")),
      zone: fc.constantFrom("1", "2"),
    }),
    readySince: secondsAgo.map((ago) => NOW - ago * 1_000),
  }),
  cilium: rarely<Machine["cilium"] & object | null>(
    6,
    {},
    fc.constantFrom(null, { ready: false }, { deleting: true }),
  ),
  agent: rarely<Machine["agent"] & object | null>(8, {}, fc.constantFrom(null, { ready: false })),
  lease: someLease,
});

function someStatus(name: string, source: Source): fc.Arbitrary<GatewayStatus> {
  const egressIPs = vipsOf(name, source);
  const [own = ""] = egressIPs;
  const holder = fc.constantFrom(...NODES, "gone");
  return fc.oneof(
    fc.constant({}),
    fc.record({
      term: fc.integer({ min: 1, max: 4 }),
      activeNodeName: holder,
      phase: fc.constantFrom("Active" as const, "Preparing" as const),
      standbyNodeNames: fc.subarray(NODES, { maxLength: 2 }),
      lastFailover: fc.record({
        from: holder,
        to: holder,
        reason: fc.constant("earlier"),
        startTime: fc.integer({ min: 0, max: 9 }).map((ago) => at(-ago)),
      }),
      // The VIP in spec may have been changed since.
      egressIP: rarely(6, own, fc.constant("172.18.18.99")),
    }).map(({ egressIP, ...status }) => ({
      ...status,
      ...(source === "Primary" ? {} : { egressIP }),
      ...(source === "Both" && egressIP === own ? { egressIPs } : {}),
    })),
    fc.record({ activeNodeName: holder }),
  );
}

function someGateway(name: string): fc.Arbitrary<Snapshot["gateways"][number]> {
  return someSource.chain((source) =>
    fc.record({
      nodeSelector: fc.constantFrom({}, { role: "egress" }),
      preferredNodes: fc.subarray([
        { weight: 10, nodeSelector: { zone: "2" } },
        { weight: 8, nodeSelector: { role: "egress" } },
        { weight: 5, nodeSelector: { zone: "1" } },
      ]),
      strategy: fc.constantFrom("Alphabetical" as const, "Hash" as const, "Balanced" as const),
      failback: fc.record({
        mode: rarely<"Auto" | "Never">(4, "Auto", fc.constant("Never")),
        minReadySeconds: fc.constantFrom(0, 10),
      }),
      failureDetection: fc.record({
        ciliumAgentGraceSeconds: rarely(4, 0, fc.constant(10)),
        peers: fc.boolean(),
        heartbeat: rarely<"Required" | "IfPresent" | "Ignore">(
          4,
          source === "Primary" ? "IfPresent" : "Required",
          fc.constantFrom("Ignore", "IfPresent"),
        ),
        uplink: rarely<Uplink | undefined>(
          2,
          undefined,
          fc.record({
            targets: fc.constant(UPLINK_TARGETS),
            intervalMilliseconds: fc.constant(1_000),
            failures: fc.constant(3),
            require: fc.constantFrom("Any", "All"),
          }),
        ),
      }).map(({ uplink, ...rest }) => ({ ...rest, ...(uplink === undefined ? {} : { uplink }) })),
      whenNoneEligible: fc.constantFrom("Keep" as const, "Drop" as const),
      allowedNamespaces: rarely<GatewayOptions["allowedNamespaces"]>(
        4,
        undefined,
        fc.constantFrom({ names: ["shop"] }, {
          names: [],
          selector: { matchLabels: { team: "shop" } },
        }),
      ),
      status: someStatus(name, source),
      pin: rarely<string | undefined>(5, undefined, fc.constantFrom(...NODES)),
    }).map(({ pin, ...options }: Omit<GatewayOptions, "pin"> & { pin: string | undefined }) =>
      gateway(name, {
        ...options,
        ...(source === "Primary" ? {} : { vip: vipsOf(name, source) }),
        ...(pin === undefined ? {} : { pin }),
      })
    )
  );
}

/** A cluster in any state. */
export const anySnapshot: fc.Arbitrary<Snapshot> = fc.record({
  machines: fc.array(someMachine, { minLength: 1, maxLength: NODES.length }),
  gateways: fc.tuple(...GATEWAYS.map(someGateway)).chain((all) =>
    fc.subarray(all, { minLength: 1 })
  ),
  policies: fc.array(
    fc.record({
      gateways: fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom(...GATEWAYS, "missing").map((name) => [name]) },
        {
          weight: 1,
          arbitrary: fc.shuffledSubarray([...GATEWAYS, "missing"], { minLength: 2, maxLength: 4 }),
        },
      ),
      destinationCIDRs: fc.constantFrom(["0.0.0.0/0"], ["0.0.0.0/0", "2001:db8::/32", "::/0"], [
        "::/0",
      ]),
      fallback: rarely<string | undefined>(4, undefined, fc.constantFrom(...GATEWAYS, "missing")),
    }),
    { maxLength: 4 },
  ),
  clash: rarely(6, false, fc.constant(true)),
  invalid: rarely<Snapshot["invalid"]>(
    6,
    [],
    fc.constantFrom([invalid("EgressGateway", "g2", { resourceVersion: "7" })], [
      invalid("EgressGatewayPolicy", "p9", { resourceVersion: "7" }),
      invalid("CiliumEgressGatewayPolicy", "p1"),
    ]),
  ),
  written: fc.boolean(),
}).map(({ machines, gateways, policies, clash, invalid: unread, written }) => {
  const unreadable = new Set(unread.map(({ name }) => name));
  const state = cluster({
    nodes: Object.fromEntries(machines.map((machine, index) => [`n${index}`, machine])),
    gateways: gateways.filter(({ name }) => !unreadable.has(name)),
    policies: policies.map(({ fallback, ...options }, index) =>
      policy(`p${index}`, { ...options, ...(fallback === undefined ? {} : { fallback }) })
    ),
    ciliumPolicies: [
      foreignCiliumPolicy("theirs"),
      ...(clash ? [foreignCiliumPolicy("p0")] : []),
    ],
    invalid: unread,
  });
  // Half of the worlds have been ticked before, so that there is something to change.
  return written ? applyPlan(state, decide(state)) : state;
});
