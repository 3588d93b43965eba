/** A gateway with a VIP of each family: both are spoken for, or neither. */
import assert from "node:assert/strict";
import { decide } from "../../../src/agent/core/decide.ts";
import { heardAgain } from "../../../src/agent/core/heard_again.ts";
import type { AgentPlan, AgentView, Binding, Probe } from "../../../src/agent/core/view.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { GatewayStatus } from "../../../src/core/types.ts";
import { gateway } from "../../support/builders.ts";
import { NOW, QUIET } from "../../support/agent_view.ts";

const FOUR = "10.0.0.200";
const SIX = "fd00::200";
const VIPS = [FOUR, SIX];
const FOREIGN = "02:00:00:00:00:99";

function serving(status: Partial<GatewayStatus> = {}) {
  return gateway("g", {
    vip: VIPS,
    status: {
      phase: "Active",
      activeNodeName: "a",
      term: 7,
      egressIP: FOUR,
      egressIPs: VIPS,
      ...status,
    },
  });
}

const { uid } = serving();

function bound(ip: string): Binding {
  return {
    gateway: "g",
    uid,
    ip,
    interface: "eth1",
    speakOn: ["eth1"],
    boundAt: "2026-11-23T10:00:00.000Z",
    claimedTerm: 7,
  };
}

function unclaimed({ claimedTerm: _, ...binding }: Binding): Binding {
  return binding;
}

function link(ips: readonly string[]): AgentView["interfaces"][number] {
  const own = [
    { ip: "10.0.0.11", prefixLength: 24, ours: false },
    { ip: "fd00::11", prefixLength: 64, ours: false },
  ];
  const vips = ips.map((ip) => ({ ip, prefixLength: ip === FOUR ? 32 : 128, ours: true }));
  return { name: "eth1", up: true, state: "up", arpIgnore: 0, addresses: [...own, ...vips] };
}

function looks(mac: Partial<Record<string, string>> = {}, ago = 300): ReadonlyMap<string, Probe> {
  return new Map(VIPS.map((ip) => {
    const other = mac[ip];
    return [ip, {
      startedAt: NOW - ago,
      ...(other === undefined ? {} : { mac: other, answeredSince: NOW - ago }),
    }];
  }));
}

/** A holder in term 7 that renewed 400 ms ago and claimed both. */
const HOLDING: AgentView = {
  ...QUIET,
  gateways: [serving()],
  interfaces: [link(VIPS)],
  defaultRouteInterface: undefined,
  bindings: VIPS.map(bound),
  renewal: { sentAt: NOW - 400, claims: { [uid]: 7 }, since: undefined },
  probes: looks(),
};

/** The same, whose renewals fail since 2 s ago, and which speaks. */
const CUT_OFF: AgentView = {
  ...HOLDING,
  speaking: new Map(VIPS.map((ip) => [ip, NOW + 1_000])),
  renewal: { sentAt: NOW - 3_000, claims: { [uid]: 7 }, since: undefined },
  failedAt: NOW - 2_000,
};

const ELECTED: AgentView = {
  ...HOLDING,
  gateways: [serving({ phase: "Preparing" })],
  renewal: { sentAt: NOW - 400, claims: {}, since: undefined },
  bindings: VIPS.map((ip) => unclaimed(bound(ip))),
};

const SPEAKING: AgentView = {
  ...HOLDING,
  speaking: new Map(VIPS.map((ip) => [ip, NOW + 2_000])),
};

function summary({ report, claims, speak, mute, giveUp, announce }: AgentPlan) {
  return {
    claims: Object.values(claims),
    reported: report?.addresses.map(({ ip, speaking }) =>
      `${ip} ${speaking ? "speaks" : "silent"}`
    ),
    speak: speak.map(({ ip }) => ip),
    mute,
    givenUp: giveUp.map(({ ip }) => ip),
    announced: announce.map(({ ip }) => ip),
  };
}

type Summary = ReturnType<typeof summary>;
const NOTHING: Summary = {
  claims: [],
  reported: [`${FOUR} silent`, `${SIX} silent`],
  speak: [],
  mute: [],
  givenUp: [],
  announced: [],
};

const without = (ip: string, view: AgentView): AgentView => ({
  ...view,
  interfaces: [link(VIPS.filter((other) => other !== ip))],
});

const ROWS: readonly { readonly name: string; readonly view: AgentView; readonly is: Summary }[] = [
  {
    name: "a holder claims once, reports both, and speaks for both",
    view: HOLDING,
    is: {
      ...NOTHING,
      claims: [7],
      reported: [`${FOUR} speaks`, `${SIX} speaks`],
      speak: VIPS,
      announced: VIPS,
    },
  },
  {
    name: "an elected node claims both in advance",
    view: ELECTED,
    is: { ...NOTHING, claims: [7], reported: [`${FOUR} speaks`, `${SIX} speaks`] },
  },
  ...VIPS.map((ip) => ({
    name: `an elected node that has not looked for ${ip} yet claims nothing`,
    view: { ...ELECTED, probes: new Map([...looks()].filter(([other]) => other !== ip)) },
    is: { ...NOTHING, reported: VIPS.filter((other) => other !== ip).map((ip) => `${ip} silent`) },
  })),
  ...VIPS.map((ip) => ({
    name: `a holder that lost ${ip} is silent about the other, too`,
    view: without(ip, SPEAKING),
    is: {
      ...NOTHING,
      reported: VIPS.filter((other) => other !== ip).map((ip) => `${ip} speaks`),
      mute: VIPS,
    },
  })),
  {
    name: "another node is named: both are muted and given up",
    view: {
      ...SPEAKING,
      gateways: [serving({
        activeNodeName: "b",
        phase: "Preparing",
        lastFailover: { from: "a", to: "b", reason: "", startTime: "" },
      })],
    },
    is: {
      ...NOTHING,
      reported: [`${FOUR} speaks`, `${SIX} speaks`],
      mute: VIPS,
      givenUp: VIPS,
    },
  },
  {
    name: "cut off, alone on the wire: it goes on with both",
    view: CUT_OFF,
    is: {
      ...NOTHING,
      claims: [7],
      reported: [`${FOUR} speaks`, `${SIX} speaks`],
      speak: VIPS,
      announced: VIPS,
    },
  },
  ...VIPS.map((ip) => ({
    name: `cut off, another host answers for ${ip}: it lets go of both`,
    view: { ...CUT_OFF, probes: looks({ [ip]: FOREIGN }) },
    is: {
      ...NOTHING,
      reported: [`${FOUR} speaks`, `${SIX} speaks`],
      mute: VIPS,
      givenUp: VIPS,
    },
  })),
  ...VIPS.map((ip) => ({
    name: `started cut off, another host answers for ${ip}: it lets go of both`,
    view: {
      ...CUT_OFF,
      gateways: undefined,
      renewal: undefined,
      probes: looks({ [ip]: FOREIGN }),
    },
    is: { ...NOTHING, reported: undefined, mute: VIPS, givenUp: VIPS },
  })),
];

for (const { name, view, is } of ROWS) {
  Deno.test(`both families: ${name}`, () => {
    assert.deepEqual(summary(decide(view)), is);
  });
}

Deno.test("both families: cut off, speech lasts from the older look of the two", () => {
  const older = NOW - 1_500;
  const probes = new Map([[FOUR, { startedAt: NOW - 300 }], [SIX, { startedAt: older }]]);
  const { speak } = decide({ ...CUT_OFF, probes });
  assert.deepEqual(
    speak.map(({ until }) => until),
    VIPS.map(() => older + TIMINGS.speechMilliseconds),
  );
});

Deno.test("both families: what is not bound yet is looked for and bound, each for itself", () => {
  const view = {
    ...ELECTED,
    bindings: [],
    interfaces: [link([])],
    probes: looks({ [SIX]: FOREIGN }),
  };
  const { bind, failures } = decide(view);
  assert.deepEqual(bind.map(({ ip }) => ip), [FOUR]);
  assert.deepEqual(failures, []);
  const long = new Map([
    [FOUR, { startedAt: NOW }],
    [SIX, { startedAt: NOW, mac: FOREIGN, answeredSince: NOW - 5_000 }],
  ]);
  assert.deepEqual(decide({ ...view, probes: long }).failures, [{
    gateway: "g",
    ip: SIX,
    reason: "AddressConflict",
    message: `Another host (${FOREIGN}) answers for ${SIX}; take the address from that host`,
  }]);
});

Deno.test("both families: a gateway that loses one keeps it until the other is active alone", () => {
  const only = (status: Partial<GatewayStatus>) =>
    gateway("g", { vip: FOUR, status: { ...serving().status, term: 8, ...status } });
  const later = { ...SPEAKING, gateways: [only({ phase: "Preparing", egressIPs: [FOUR] })] };
  assert.deepEqual(decide(later).unbind, []);
  const { egressIPs: _, ...alone } = only({}).status;
  const active = { ...SPEAKING, gateways: [{ ...only({}), status: alone }] };
  const { unbind, mute } = decide(active);
  assert.deepEqual(unbind.map(({ ip }) => ip), [SIX]);
  assert.deepEqual(mute, [SIX]);
});

Deno.test("both families: a predecessor that is heard again makes both be announced", () => {
  const candidates = (lost: boolean) => [{
    node: "b",
    rank: 1,
    eligible: !lost,
    reasons: lost ? [{ type: "HeartbeatStale" as const, message: "" }] : [],
  }];
  const lastFailover = { from: "b", to: "a", reason: "", startTime: "" };
  const before = [serving({ lastFailover, candidates: candidates(true) })];
  const after = [serving({ lastFailover, candidates: candidates(false) })];
  assert.deepEqual(heardAgain(before, after, "a"), VIPS);
});
