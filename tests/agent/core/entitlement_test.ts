/** The agent's half of the takeover protocol, one row for each rule and for each way to miss it. */
import assert from "node:assert/strict";
import { claimableTerm, hasDuty, speechUntil } from "../../../src/agent/core/entitlement.ts";
import type { AgentView, Binding } from "../../../src/agent/core/view.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { GatewayStatus } from "../../../src/core/types.ts";
import { gateway } from "../../support/builders.ts";
import { NOW, QUIET } from "../../support/agent_view.ts";

const VIP = "10.0.0.200";
const SPEECH = TIMINGS.speechMilliseconds;

function serving(status: Partial<GatewayStatus> = {}) {
  return gateway("g", {
    vip: VIP,
    status: { phase: "Active", activeNodeName: "a", term: 7, egressIP: VIP, ...status },
  });
}

const { uid } = serving();

const BOUND: Binding = {
  gateway: "g",
  uid,
  ip: VIP,
  interface: "eth1",
  speakOn: ["eth1"],
  boundAt: "2026-11-23T10:00:00.000Z",
  claimedTerm: 7,
};

/** A holder in term 7 that renewed 400 ms ago and claimed the VIP. */
const HOLDING: AgentView = {
  ...QUIET,
  gateways: [serving()],
  bindings: [BOUND],
  renewal: { sentAt: NOW - 400, claims: { [uid]: 7 }, since: undefined },
};

/** The same, whose renewals fail since 2 s ago. */
const CUT_OFF: AgentView = {
  ...HOLDING,
  renewal: { sentAt: NOW - 3_000, claims: { [uid]: 7 }, since: undefined },
  failedAt: NOW - 2_000,
};

const FOREIGN = "02:00:00:00:00:99";

/** @param since How long ago the first look began that showed that host; default: this one */
function looked(ago: number, mac?: string, since = ago): AgentView["probes"] {
  const other = mac === undefined ? {} : { mac, answeredSince: NOW - since };
  return new Map([[VIP, { startedAt: NOW - ago, ...other }]]);
}

interface Row {
  readonly name: string;
  readonly view: AgentView;
  readonly binding?: Binding;
  readonly duty: boolean;
  readonly claims: number | undefined;
  readonly until: number | undefined;
}

const SILENT = { duty: false, claims: undefined, until: undefined } as const;
const { claimedTerm: _, ...UNCLAIMED } = BOUND;

const ROWS: readonly Row[] = [
  {
    name: "a holder whose claim was answered speaks until 3 s after that renewal was sent",
    view: HOLDING,
    duty: true,
    claims: 7,
    until: NOW - 400 + SPEECH,
  },
  {
    name: "1 duty: another node is named",
    view: { ...HOLDING, gateways: [serving({ activeNodeName: "b" })] },
    ...SILENT,
  },
  {
    name: "1 duty: nobody is named",
    view: {
      ...HOLDING,
      gateways: [gateway("g", { vip: VIP, status: { phase: "Idle", term: 7 } })],
    },
    ...SILENT,
  },
  {
    name: "1 duty: the term is about another VIP",
    view: { ...HOLDING, gateways: [serving({ egressIP: "10.0.0.201" })] },
    ...SILENT,
  },
  { name: "1 duty: the gateway is gone", view: { ...HOLDING, gateways: [] }, ...SILENT },
  {
    name: "1 duty: the gateway was made anew",
    view: { ...HOLDING, gateways: [{ ...serving(), uid: "uid-new" }] },
    ...SILENT,
  },
  {
    name: "1 duty: no term has begun",
    view: { ...HOLDING, gateways: [serving({ term: 0 })] },
    ...SILENT,
  },
  {
    name: "1 duty: the elected node claims while the handover is under way, and is silent",
    view: { ...HOLDING, gateways: [serving({ phase: "Preparing" })] },
    duty: false,
    claims: 7,
    until: undefined,
  },
  {
    name: "2 claim: one that was not answered yet",
    view: { ...HOLDING, renewal: { sentAt: NOW - 400, claims: {}, since: undefined } },
    duty: true,
    claims: 7,
    until: undefined,
  },
  {
    name: "2 claim: one of an earlier term",
    view: { ...HOLDING, renewal: { sentAt: NOW - 400, claims: { [uid]: 6 }, since: undefined } },
    duty: true,
    claims: 7,
    until: undefined,
  },
  {
    name: "2 claim: no renewal was ever answered",
    view: { ...HOLDING, renewal: undefined },
    duty: true,
    claims: 7,
    until: undefined,
  },
  {
    name: "3 fence: above the term",
    view: { ...HOLDING, fence: { [uid]: 8 } },
    ...SILENT,
  },
  {
    name: "3 fence: at the term forbids nothing",
    view: { ...HOLDING, fence: { [uid]: 7 } },
    duty: true,
    claims: 7,
    until: NOW - 400 + SPEECH,
  },
  {
    name: "3 fence: of another gateway forbids nothing",
    view: { ...HOLDING, fence: { other: 99 } },
    duty: true,
    claims: 7,
    until: NOW - 400 + SPEECH,
  },
  {
    name: "4 freshness: a renewal of 3 s ago",
    view: { ...HOLDING, renewal: { sentAt: NOW - SPEECH, claims: { [uid]: 7 }, since: undefined } },
    duty: true,
    claims: 7,
    until: undefined,
  },
  {
    name: "connected, another host that answers ends nothing: the API server says who speaks",
    view: { ...HOLDING, probes: looked(100, FOREIGN) },
    duty: true,
    claims: 7,
    until: NOW - 400 + SPEECH,
  },
  {
    name: "cut off, a look since then that shows nobody lets it speak for 3 s from that look",
    view: { ...CUT_OFF, probes: looked(500) },
    duty: true,
    claims: 7,
    until: NOW - 500 + SPEECH,
  },
  {
    name: "cut off, and no look since then: it keeps its duty and is given nothing new",
    view: CUT_OFF,
    duty: true,
    claims: 7,
    until: undefined,
  },
  {
    name: "cut off, a look since then that shows another host ends its duty",
    view: { ...CUT_OFF, probes: looked(500, FOREIGN) },
    ...SILENT,
  },
  {
    name: "cut off, what a look showed before says nothing",
    view: { ...CUT_OFF, probes: looked(2_500, FOREIGN) },
    duty: true,
    claims: 7,
    until: undefined,
  },
  {
    name:
      "cut off, a host that answered for 4 s before, while the API server was heard, is no successor",
    view: { ...CUT_OFF, probes: looked(500, FOREIGN, 6_000) },
    duty: true,
    claims: 7,
    until: NOW - 500 + SPEECH,
  },
  {
    name: "cut off, one that answered for less may be: a node that lost the VIP goes on for 3 s",
    view: { ...CUT_OFF, probes: looked(500, FOREIGN, 5_999) },
    ...SILENT,
  },
  {
    name: "cut off, a claim that was given up stays so",
    view: { ...CUT_OFF, probes: looked(500), bindings: [UNCLAIMED] },
    binding: UNCLAIMED,
    ...SILENT,
  },
  {
    name: "cut off, a claim of an earlier term is none of this one",
    view: { ...CUT_OFF, probes: looked(500) },
    binding: { ...BOUND, claimedTerm: 6 },
    ...SILENT,
  },
  {
    name: "cut off, an elected node claims nothing new",
    view: { ...CUT_OFF, gateways: [serving({ phase: "Preparing" })], probes: looked(500) },
    ...SILENT,
  },
  {
    name: "just started, what an earlier process claimed may go on, and gets nothing new",
    view: { ...HOLDING, gateways: undefined, renewal: undefined },
    duty: true,
    claims: undefined,
    until: undefined,
  },
  {
    name: "just started, what an earlier process did not claim is silent",
    view: { ...HOLDING, gateways: undefined, renewal: undefined },
    binding: UNCLAIMED,
    ...SILENT,
  },
  {
    name: "started while cut off, a claim stands as long as nobody else answers",
    view: { ...CUT_OFF, gateways: undefined, renewal: undefined, probes: looked(500) },
    duty: true,
    claims: undefined,
    until: NOW - 500 + SPEECH,
  },
  {
    name: "started while cut off, another host that answers ends the claim",
    view: { ...CUT_OFF, gateways: undefined, renewal: undefined, probes: looked(500, FOREIGN) },
    ...SILENT,
  },
];

for (const { name, view, binding = BOUND, duty, claims, until } of ROWS) {
  Deno.test(`entitlement: ${name}`, () => {
    assert.deepEqual(
      {
        duty: hasDuty(binding, view),
        claims: claimableTerm(binding, view),
        until: speechUntil(binding, view),
      },
      { duty, claims, until },
    );
  });
}
