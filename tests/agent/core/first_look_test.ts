/** A VIP is looked for before it is first bound, and a binding that does harm is taken back. */
import assert from "node:assert/strict";
import { decide } from "../../../src/agent/core/decide.ts";
import type { AgentView, Binding, Probe } from "../../../src/agent/core/view.ts";
import type { GatewayStatus } from "../../../src/core/types.ts";
import { gateway } from "../../support/builders.ts";
import { NOW, QUIET } from "../../support/agent_view.ts";

const VIP = "10.0.0.200";
const MAC = "02:00:00:00:00:99";

function electing(status: GatewayStatus = {}) {
  return gateway("g", {
    vip: VIP,
    status: {
      phase: "Preparing",
      activeNodeName: "a",
      standbyNodeNames: ["b"],
      term: 1,
      egressIP: VIP,
      ...status,
    },
  });
}

const VIEW: AgentView = {
  ...QUIET,
  gateways: [electing()],
  interfaces: [{
    name: "eth1",
    up: true,
    state: "up",
    addresses: [{ ip: "10.0.0.1", prefixLength: 24, ours: false }],
  }],
  renewal: { sentAt: NOW - 400, claims: {}, since: undefined },
};

const look = (ago: number, rest: Omit<Probe, "startedAt"> = {}): AgentView["probes"] =>
  new Map([[VIP, { startedAt: NOW - ago, ...rest }]]);

const marked: AgentView["interfaces"] = VIEW.interfaces.map((link) => ({
  ...link,
  addresses: [...link.addresses, { ip: VIP, prefixLength: 32, ours: true }],
}));

interface Row {
  readonly name: string;
  readonly view: Partial<AgentView>;
  readonly binds: boolean;
  readonly looks: boolean;
  readonly failure?: RegExp;
}

const STRANGER = { mac: MAC, answeredSince: NOW - 3_400 };

const ROWS: readonly Row[] = [
  { name: "a VIP that nobody holds is looked for first", view: {}, binds: false, looks: true },
  {
    name: "by a standby too",
    view: { nodeName: "b" },
    binds: false,
    looks: true,
  },
  {
    name: "a gateway without a VIP is none of this",
    view: { gateways: [gateway("p", { status: { phase: "Active", activeNodeName: "a" } })] },
    binds: false,
    looks: false,
  },
  {
    name: "a look that shows nobody lets it be bound",
    view: { probes: look(400) },
    binds: true,
    looks: false,
  },
  {
    name: "a look of long ago does not",
    view: { probes: look(3_000) },
    binds: false,
    looks: true,
  },
  {
    name: "another host that answers: it is looked for again a second later",
    view: { probes: look(400, { mac: MAC, answeredSince: NOW - 400 }) },
    binds: false,
    looks: false,
  },
  {
    name: "another host that still answers: again",
    view: { probes: look(1_000, { mac: MAC, answeredSince: NOW - 2_000 }) },
    binds: false,
    looks: true,
  },
  {
    name: "one that answers for longer than a holder before may is told by name",
    view: { probes: look(400, STRANGER) },
    binds: false,
    looks: false,
    failure: /^AddressConflict: Another host \(02:00:00:00:00:99\) answers for 10\.0\.0\.200; take/,
  },
  {
    name: "and looked for each 10 s, though nobody wants the VIP here any more",
    view: {
      gateways: [electing({ phase: "Idle", activeNodeName: "", standbyNodeNames: [] })],
      probes: look(10_000, { mac: MAC, answeredSince: NOW - 20_000 }),
    },
    binds: false,
    looks: true,
    failure: /^AddressConflict/,
  },
  {
    name: "a standby of a VIP that is served binds at once: its holder would answer",
    view: { nodeName: "b", servedAt: new Map([[VIP, NOW]]) },
    binds: true,
    looks: false,
  },
  {
    name: "one that was served a minute ago and more is looked for",
    view: { nodeName: "b", servedAt: new Map([[VIP, NOW - 60_000], ["10.0.0.201", NOW]]) },
    binds: false,
    looks: true,
  },
  {
    name: "in a move the holder before may answer",
    view: {
      gateways: [
        electing({ lastFailover: { from: "b", to: "a", reason: "", startTime: "" } }),
      ],
      probes: look(400, { mac: MAC, answeredSince: NOW - 400 }),
    },
    binds: true,
    looks: false,
  },
  {
    name: "an address that an earlier process has bound is taken up at once",
    view: { interfaces: marked },
    binds: true,
    looks: false,
  },
  {
    name: "without the API server nothing new is begun",
    view: { failedAt: NOW - 300 },
    binds: false,
    looks: false,
  },
  {
    name: "what was taken back is left alone for a while, and told",
    view: {
      probes: look(400),
      bindFailures: new Map([[VIP, { message: "taken back", at: NOW - 9_000, retryAt: NOW + 1 }]]),
    },
    binds: false,
    looks: false,
    failure: /^BindFailed: taken back/,
  },
  {
    name: "and tried again then",
    view: {
      probes: look(400),
      bindFailures: new Map([[VIP, { message: "taken back", at: NOW - 9_000, retryAt: NOW }]]),
    },
    binds: true,
    looks: false,
  },
];

for (const { name, view, binds, looks, failure } of ROWS) {
  Deno.test(`before a VIP is bound: ${name}`, () => {
    const plan = decide({ ...VIEW, ...view });
    assert.deepEqual(
      { binds: plan.bind.map(({ ip }) => ip), looks: plan.probe.map(({ ip }) => ip) },
      { binds: binds ? [VIP] : [], looks: looks ? [VIP] : [] },
    );
    const said = plan.report?.failures.map(({ reason, message }) => `${reason}: ${message}`) ?? [];
    if (failure === undefined) assert.deepEqual(said, []);
    else assert.match(said.join("\n"), failure);
  });
}

const FRESH: Binding = {
  gateway: "g",
  uid: electing().uid,
  ip: VIP,
  interface: "eth1",
  speakOn: ["eth1"],
  boundAt: "2026-11-23T10:00:00.000Z",
  fresh: true,
};
const { fresh: _, ...CLEARED } = FRESH;

const HARMED: AgentView = {
  ...VIEW,
  interfaces: marked,
  bindings: [FRESH],
  freshSince: new Map([[VIP, NOW - 3_000]]),
  renewal: { sentAt: NOW - 3_100, claims: {}, since: undefined },
  failedAt: NOW - 2_200,
  failedInARow: 2,
};

const HARM: readonly (readonly [name: string, view: Partial<AgentView>, takenBack: boolean])[] = [
  ["3 s after it was bound, no renewal is answered", {}, true],
  ["nor was one ever", { renewal: undefined, gateways: undefined }, true],
  ["not yet 3 s", { freshSince: new Map([[VIP, NOW - 2_999]]) }, false],
  ["one failure alone: this process may have been stopped", { failedInARow: 1 }, false],
  ["renewals are answered", { failedAt: undefined, failedInARow: 0 }, false],
  ["renewals were answered before they failed", { bindings: [CLEARED] }, false],
  ["it is spoken for", { speaking: new Map([[VIP, NOW + 500]]) }, false],
];

for (const [name, view, takenBack] of HARM) {
  Deno.test(`a fresh binding is ${takenBack ? "taken back" : "left"}: ${name}`, () => {
    const plan = decide({ ...HARMED, ...view });
    assert.deepEqual(plan.takeBack.map(({ ip }) => ip), takenBack ? [VIP] : []);
    assert.deepEqual(plan.unbind, []);
  });
}
